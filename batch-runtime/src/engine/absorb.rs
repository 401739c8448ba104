//! Receives: a fault while a chunk is filled. Gives: the line that goes on behind it, where the step skips it or tries again.

use super::chunk::ChunkLoop;
use super::fill::{Fault, Filled, Line, told};
use super::retry::{Again, after};
use super::step::Halt;
use crate::definition::{Failure, Phase, Process, Reader, Slot, StepListener, Writer};
use crate::repository::SkipPhase;

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkLoop<'_, '_, In, W, L, CAREFUL> {
    /// Judges a fault. `anew` opens the reader once more.
    #[cold]
    pub(super) fn absorb<R, P>(
        &mut self,
        mut line: Line<R, P, CAREFUL>,
        fault: Fault<R::Error>,
        filled: &mut Filled,
        anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<Line<R, P, CAREFUL>, Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        match fault {
            Fault::Listener(failure) => Err(halt(failure)),
            Fault::Flush(failure) => {
                let failure = self.processing(failure);
                told(self.listener.on_process_error(&failure));
                Err(halt(failure))
            }
            Fault::Process(failure) => {
                let failure = self.processing(located(failure, &line.reader, Phase::Process));
                told(self.listener.on_process_error(&failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                line.batch.take_back();
                line.processor.put_back(Slot::Item);
                filled.skipped += 1;
                let source = filled.records - 1;
                self.judge.skip(SkipPhase::Process, source, failure, None).map_err(halt)?;
                Ok(line)
            }
            Fault::Read(error) => {
                let steps_over = line.reader.steps_over(&error);
                let failure = self.reading(located(Failure::new(error), &line.reader, Phase::Read));
                told(self.listener.on_read_error(&failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                if !steps_over {
                    return self.read_again(line, failure, anew);
                }
                let source = filled.records;
                filled.records = filled.records.saturating_add(1);
                self.judge.skip(SkipPhase::Read, source, failure, None).map_err(halt)?;
                Ok(line)
            }
        }
    }

    /// Opens the reader anew where it stands, as often as the rules say.
    fn read_again<R, P>(
        &mut self,
        line: Line<R, P, CAREFUL>,
        mut failure: Failure,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<Line<R, P, CAREFUL>, Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let Line { reader, processor, batch } = line;
        let position = super::checkpoint::encode(&reader.position()).map_err(Halt::Failed)?;
        // What it holds (a connection, a lock) is given back before it is taken again.
        drop(reader);
        loop {
            let repeated = self.read_repeats(&position);
            match self.judge.retrying.again(&failure, repeated) {
                Again::Yes => {}
                Again::No => return Err(halt(after(failure, repeated))),
                Again::Stopped => return Err(Halt::Stopped),
            }
            told(self.listener.on_retry(&failure, repeated + 1));
            let opened = anew().and_then(|mut reader| {
                let at = super::checkpoint::decode(&position)?;
                reader.resume(at).map_err(Failure::new)?;
                Ok(reader)
            });
            match opened {
                Ok(reader) => return Ok(Line { reader, processor, batch }),
                Err(error) => failure = self.reading(error),
            }
        }
    }

    /// How often the reader was opened anew at that position; counts this time.
    fn read_repeats(&mut self, position: &str) -> u32 {
        if self.repeats.position != position {
            position.clone_into(&mut self.repeats.position);
            self.repeats.count = 0;
        }
        self.repeats.count += 1;
        self.repeats.count - 1
    }

    pub(super) fn processing(&self, failure: Failure) -> Failure {
        self.phase.set(Phase::Process);
        self.run.blame(failure, Phase::Process)
    }

    fn reading(&self, failure: Failure) -> Failure {
        self.phase.set(Phase::Read);
        self.run.blame(failure, Phase::Read)
    }
}

/// The last item that could not be read, however often it was tried.
#[derive(Debug, Default)]
pub(super) struct ReadRepeats {
    position: String,
    count: u32,
}

fn halt(failure: Failure) -> Halt {
    if failure.is_interrupted() { Halt::Stopped } else { Halt::Failed(failure) }
}

fn located<R: Reader>(failure: Failure, reader: &R, phase: Phase) -> Failure {
    match reader.location() {
        // Most readers name the place in their errors themselves.
        Some(location) if phase == Phase::Read && failure.to_string().contains(&location) => failure,
        Some(location) => failure.at(location),
        None => failure,
    }
}
