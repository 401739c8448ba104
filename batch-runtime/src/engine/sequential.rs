//! Receives: a reader and processors on this thread. Gives: chunks of what they make, over what fails on the way and is skipped or
//! repeated.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::checkpoint;
use super::feed::{Desk, Feed, Outputs, halt};
use super::fill::{Fault, Filled, Line, Repeated, noting, told};
use super::gaps::{Gaps, Unpassed};
use super::judge::Skipped;
use super::places;
use super::profile::Phases;
use super::reopen::{ReadRepeats, located, unread};
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
        desk: &mut Desk<'_, '_, R::Item, L>,
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
            let mut rejected = mem::take(&mut line.batch.rejected);
            if let Some(base) = base.filter(|_| !rejected.is_empty()) {
                let unplaced = rejected.iter_mut().map(|(source, failure)| (*source, failure));
                places::locate(unplaced, &base, &mut self.anew);
            }
            let mut repeated = mem::take(&mut line.batch.repeated);
            for Repeated { source, attempts, item } in repeated.drain(..) {
                desk.tell_attempts(attempts, item.as_ref().or_else(|| line.batch.left(source)));
            }
            line.batch.repeated = repeated;
            for (source, failure) in rejected {
                let failure = desk.blame(failure, Phase::Process);
                let item = line.batch.take_left(source);
                told(desk.listener.on_process_error(item.as_ref(), &failure));
                filled.skipped += 1;
                desk.judge.skip(SkipPhase::Process, source, failure, Skipped::read(item)).map_err(halt)?;
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

    fn location(&self) -> Option<String> {
        self.line().reader.location()
    }

    fn places(&mut self, records: &BTreeSet<u32>, base: &str) -> BTreeMap<u32, String> {
        // Records are counted from the base as if nothing after it were done.
        if !self.gaps.is_empty() {
            return BTreeMap::new();
        }
        places::find(records, base, &mut self.anew)
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
        desk: &mut Desk<'_, '_, R::Item, L>,
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
        fault: Fault<R::Error, R::Item>,
        filled: &mut Filled,
        desk: &mut Desk<'_, '_, R::Item, L>,
    ) -> Result<Line<R, P, CAREFUL>, Halt> {
        match fault {
            Fault::Listener(failure) => Err(halt(failure)),
            Fault::Flush(failure) => {
                let failure = desk.blame(failure, Phase::Process);
                for Repeated { attempts, .. } in line.batch.repeated.drain(..) {
                    desk.tell_attempts(attempts, None);
                }
                told(desk.listener.on_process_error(None, &failure));
                Err(halt(failure))
            }
            Fault::Process(failure, item) => {
                let failure = desk.blame(located(failure, &line.reader), Phase::Process);
                if CAREFUL && P::NOTES {
                    desk.tell_attempts(line.processor.take_noted(), item.as_ref());
                }
                told(desk.listener.on_process_error(item.as_ref(), &failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                line.batch.take_back();
                line.processor.put_back(Slot::Item);
                filled.skipped += 1;
                let source = filled.records - 1;
                desk.judge.skip(SkipPhase::Process, source, failure, Skipped::read(item)).map_err(halt)?;
                Ok(line)
            }
            Fault::Read(error) => {
                let (failure, steps_over) = unread(error, &line.reader, desk.run.info.options.faults);
                let failure = desk.blame(failure, Phase::Read);
                told(desk.listener.on_read_error(&failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                if !steps_over {
                    return self.read_again(line, failure, desk);
                }
                let source = filled.records;
                filled.records = filled.records.saturating_add(1);
                desk.judge.skip(SkipPhase::Read, source, failure, Skipped::Gone).map_err(halt)?;
                Ok(line)
            }
        }
    }

    /// Opens the reader anew where it stands, as often as the rules say.
    fn read_again<L: StepListener<R::Item, P::Out>>(
        &mut self,
        line: Line<R, P, CAREFUL>,
        failure: Failure,
        desk: &mut Desk<'_, '_, R::Item, L>,
    ) -> Result<Line<R, P, CAREFUL>, Halt> {
        let Line { reader, processor, batch } = line;
        let reader = desk.read_again(&mut self.repeats, &mut Some(reader), failure, &mut self.anew)?;
        Ok(Line { reader, processor, batch })
    }
}
