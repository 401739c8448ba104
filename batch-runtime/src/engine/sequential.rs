//! Receives: a reader and processors on this thread. Gives: chunks of what they make, over what fails on the way and is skipped or
//! repeated.

use std::cell::Cell;

use super::checkpoint;
use super::feed::{Desk, Feed, Outputs, halt};
use super::fill::{Fault, Filled, Line, noting, told};
use super::gaps::{Gaps, Unpassed};
use super::places;
use super::profile::Phases;
use super::retry::{Again, after};
use super::step::Halt;
use crate::definition::{Failure, Phase, Process, Progress, Reader, Slot, States, StepListener};
use crate::repository::SkipPhase;

/// Reads and processes on the thread that writes.
pub(super) struct Sequential<'p, R: Reader, P: Process<R::Item>, A, const CAREFUL: bool> {
    /// Always there but while it is filled, or its reader opened anew.
    line: Option<Line<R, P, CAREFUL>>,
    /// What is done ahead of its reader.
    gaps: Gaps,
    /// Opens the reader once more.
    anew: A,
    repeats: ReadRepeats,
    phase: &'p Cell<Phase>,
}

impl<'p, R, P, A, const CAREFUL: bool> Sequential<'p, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    pub(super) fn new(line: Line<R, P, CAREFUL>, gaps: Gaps, anew: A, phase: &'p Cell<Phase>) -> Self {
        Self { line: Some(line), gaps, anew, repeats: ReadRepeats::default(), phase }
    }

    fn line(&self) -> &Line<R, P, CAREFUL> {
        self.line.as_ref().expect("a line that could not be filled ends the step")
    }
}

impl<R, P, A, const CAREFUL: bool> Feed<R::Item, P::Out> for Sequential<'_, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    #[inline]
    fn fill<L: StepListener<R::Item, P::Out>>(
        &mut self,
        desk: &mut Desk<'_, '_, L>,
        mut timed: Option<&mut Phases>,
    ) -> Result<Filled, Halt> {
        let (mut extent, mut filled) = (desk.extent(), Filled::default());
        let mut line = self.line.take().expect("a line that could not be filled ends the step");
        line.batch.clear();
        let whole = extent;
        if !self.gaps.is_empty() {
            line = self.pass(line, &mut filled, desk)?;
            extent = whole.cut(filled, self.gaps.room());
        }
        // What a bulk processor rejects is found out when the reader is past it.
        let base =
            if CAREFUL && P::BUFFERS { checkpoint::encode(&line.reader.position()).ok() } else { None };
        loop {
            let result;
            (line, filled, result) = match &mut timed {
                Some(phases) => line.fill_timed(extent, filled, desk.listener, desk.phase, phases),
                None => line.fill(extent, filled, desk.listener, desk.phase),
            };
            match result {
                Ok(()) => break,
                Err(fault) => {
                    line = self.absorb(line, fault, &mut filled, desk)?;
                    extent = whole.cut(filled, self.gaps.room());
                }
            }
        }
        if !self.gaps.is_empty() {
            self.gaps.count(filled.records::<CAREFUL>());
            if filled.ended {
                return Err(halt(desk.blame(self.gaps.too_short(), Phase::Read)));
            }
        }
        if CAREFUL {
            let mut rejected = std::mem::take(&mut line.batch.rejected);
            if let Some(base) = base.filter(|_| !rejected.is_empty()) {
                let unplaced = rejected.iter_mut().map(|(source, failure)| (*source, failure));
                places::locate(unplaced, &base, &mut self.anew);
            }
            for (source, failure) in rejected {
                let failure = desk.blame(failure, Phase::Process);
                told(desk.listener.on_process_error(&failure));
                filled.skipped += 1;
                desk.judge.skip(SkipPhase::Process, source, failure, None).map_err(halt)?;
            }
        }
        self.line = Some(line);
        Ok(filled)
    }

    fn outputs(&mut self) -> &mut Outputs<P::Out> {
        let line = self.line.as_mut().expect("a line that could not be filled ends the step");
        &mut line.batch.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        let position = self.line().reader.position();
        if self.gaps.is_empty() {
            return checkpoint::encode(&position);
        }
        checkpoint::encode_before(&position, &self.gaps.ahead())
    }

    fn states(&self) -> Result<States, Failure> {
        let mut states = States::new();
        self.line().processor.save(&mut states)?;
        Ok(states)
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let phase = self.phase;
        let line = self.line.as_mut().expect("a line that could not be filled ends the step");
        let reader = &mut line.reader;
        noting(phase, Phase::Read, || reader.committed(&reader.position())).map_err(Failure::new)
    }

    fn progress(&self) -> Option<Progress> {
        self.line().reader.progress()
    }
}

impl<R, P, A, const CAREFUL: bool> Sequential<'_, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    /// Takes the reader over what is done where it stands.
    #[cold]
    fn pass<L: StepListener<R::Item, P::Out>>(
        &mut self,
        mut line: Line<R, P, CAREFUL>,
        filled: &mut Filled,
        desk: &mut Desk<'_, '_, L>,
    ) -> Result<Line<R, P, CAREFUL>, Halt> {
        loop {
            match noting(desk.phase, Phase::Read, || self.gaps.pass(&mut line.reader)) {
                Ok(()) => return Ok(line),
                Err(Unpassed::Ended(failure)) => return Err(halt(desk.blame(failure, Phase::Read))),
                Err(Unpassed::Read(error)) => line = self.absorb(line, Fault::Read(error), filled, desk)?,
            }
        }
    }

    /// Judges a fault; gives the line that goes on behind it.
    #[cold]
    fn absorb<L: StepListener<R::Item, P::Out>>(
        &mut self,
        mut line: Line<R, P, CAREFUL>,
        fault: Fault<R::Error>,
        filled: &mut Filled,
        desk: &mut Desk<'_, '_, L>,
    ) -> Result<Line<R, P, CAREFUL>, Halt> {
        match fault {
            Fault::Listener(failure) => Err(halt(failure)),
            Fault::Flush(failure) => {
                let failure = desk.blame(failure, Phase::Process);
                told(desk.listener.on_process_error(&failure));
                Err(halt(failure))
            }
            Fault::Process(failure) => {
                let failure = desk.blame(located(failure, &line.reader), Phase::Process);
                told(desk.listener.on_process_error(&failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                line.batch.take_back();
                line.processor.put_back(Slot::Item);
                filled.skipped += 1;
                let source = filled.records - 1;
                desk.judge.skip(SkipPhase::Process, source, failure, None).map_err(halt)?;
                Ok(line)
            }
            Fault::Read(error) => {
                let steps_over = line.reader.steps_over(&error);
                let failure = desk.blame(located(Failure::new(error), &line.reader), Phase::Read);
                told(desk.listener.on_read_error(&failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                if !steps_over {
                    return self.read_again(line, failure, desk);
                }
                let source = filled.records;
                filled.records = filled.records.saturating_add(1);
                desk.judge.skip(SkipPhase::Read, source, failure, None).map_err(halt)?;
                Ok(line)
            }
        }
    }

    /// Opens the reader anew where it stands, as often as the rules say.
    fn read_again<L: StepListener<R::Item, P::Out>>(
        &mut self,
        line: Line<R, P, CAREFUL>,
        failure: Failure,
        desk: &mut Desk<'_, '_, L>,
    ) -> Result<Line<R, P, CAREFUL>, Halt> {
        let Line { reader, processor, batch } = line;
        let Self { repeats, anew, .. } = self;
        let Desk { judge, listener, run, phase } = desk;
        let tell = |event| match event {
            Reopening::Repeats(failure, repeat) => told(listener.on_retry(&failure, repeat)),
            Reopening::Failed => phase.set(Phase::Read),
        };
        match repeats.reopen(&mut Some(reader), failure, anew, judge.retrying, tell) {
            Ok(reader) => Ok(Line { reader, processor, batch }),
            Err(failure) => Err(halt(run.blame(failure, Phase::Read))),
        }
    }
}

/// What happens while a reader is opened anew.
pub(super) enum Reopening {
    /// It is tried for the time of that number, from 1, after this failure.
    Repeats(Failure, u32),
    /// It could not be opened.
    Failed,
}

/// The last item that could not be read, and how often it was tried.
#[derive(Debug, Default)]
pub(super) struct ReadRepeats {
    position: String,
    count: u32,
}

impl ReadRepeats {
    /// Opens a reader anew where it stands, as often as the rules say. It stays where it is if they do not.
    pub(super) fn reopen<R: Reader>(
        &mut self,
        broken: &mut Option<R>,
        mut failure: Failure,
        mut anew: impl FnMut() -> Result<R, Failure>,
        retrying: &super::retry::Retrying,
        mut tell: impl FnMut(Reopening),
    ) -> Result<R, Failure> {
        if let Some(reader) = broken {
            let position = checkpoint::encode(&reader.position())?;
            if self.position != position {
                *self = Self { position, count: 0 };
            }
        }
        loop {
            let repeated = self.count;
            self.count += 1;
            match retrying.again(&failure, repeated) {
                Again::Yes => {}
                Again::No => return Err(after(failure, repeated)),
                Again::Stopped => return Err(failure.interrupted()),
            }
            tell(Reopening::Repeats(failure, repeated + 1));
            // What it holds (a connection, a lock) is given back before it is taken again.
            *broken = None;
            let opened = anew().and_then(|mut reader| {
                reader.resume(checkpoint::decode(&self.position)?).map_err(Failure::new)?;
                Ok(reader)
            });
            match opened {
                Ok(reader) => return Ok(reader),
                Err(error) => {
                    tell(Reopening::Failed);
                    failure = error;
                }
            }
        }
    }
}

/// With the place of the record that was read last.
pub(super) fn located<R: Reader>(failure: Failure, reader: &R) -> Failure {
    match reader.location() {
        Some(location) => failure.at(location),
        None => failure,
    }
}
