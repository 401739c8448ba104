//! Receives: chunks that workers have made. Gives: them as the step takes them, one by one.

use std::cell::Cell;
use std::mem;

use super::lanes::{InOrder, Lanes};
use super::reading::Hearing;
use super::sync::{Arc, Ordering};
use super::{Buffers, Common, Done, Said};
use crate::definition::{Failure, Phase, Progress, Reader, States, StepListener};
use crate::engine::feed::{Desk, Feed, Outputs, halt};
use crate::engine::fill::{Filled, told};
use crate::engine::places;
use crate::engine::profile::{Phases, Watch};
use crate::engine::step::{Halt, blame};
use crate::repository::SkipPhase;

/// The chunks as the step takes them.
pub(super) struct Threaded<'e, In, Out, R, H: Hearing<R>, A> {
    common: Arc<Common<'e>>,
    lanes: Lanes<Buffers<In, Out>, Said<In, Out, H::Asked>>,
    reader: H,
    /// Opens a reader once more: for a worker, or to find the place of what failed.
    anew: A,
    chunks: InOrder<Done<In, Out>>,
    committed: u64,
    /// Of the chunk that was taken last, and whose they are.
    buffers: Buffers<In, Out>,
    lane: usize,
    position: String,
    progress: Option<Progress>,
    phase: &'e Cell<Phase>,
}

impl<'e, In, Out, R, H, A> Threaded<'e, In, Out, R, H, A>
where
    H: Hearing<R>,
    A: FnMut() -> Result<R, Failure>,
{
    pub(super) fn new(
        common: Arc<Common<'e>>,
        lanes: Lanes<Buffers<In, Out>, Said<In, Out, H::Asked>>,
        reader: H,
        anew: A,
        phase: &'e Cell<Phase>,
    ) -> Self {
        Self {
            common,
            lanes,
            reader,
            anew,
            chunks: InOrder::new(),
            committed: 0,
            buffers: Buffers::new(),
            lane: 0,
            position: String::new(),
            progress: None,
            phase,
        }
    }

    /// Over a reader that stands there.
    pub(super) fn at(mut self, position: String) -> Self {
        self.position = position;
        self
    }

    /// Waits until every thread has opened what it works with; of several that could not, it is the reader that is told of.
    pub(super) fn ready(mut self, threads: usize) -> Result<Self, Halt> {
        let (mut unread, mut unprocessed) = (None, None);
        let mut answers = 0;
        while answers < threads {
            match self.lanes.hear() {
                Some(Said::Reads(Ok(position))) => self.position = position,
                Some(Said::Reads(Err(failure))) => unread = Some(failure),
                Some(Said::Processes(Ok(()))) => {}
                Some(Said::Processes(Err(failure))) => unprocessed = Some(failure),
                Some(said) => {
                    self.note(said).map_err(Halt::Failed)?;
                    continue;
                }
                None => return Err(Halt::Failed(gone())),
            }
            answers += 1;
        }
        match unread.or(unprocessed) {
            Some(failure) => Err(Halt::Failed(failure)),
            None => Ok(self),
        }
    }

    fn note(&mut self, said: Said<In, Out, H::Asked>) -> Result<(), Failure> {
        match said {
            Said::Done(done) => self.chunks.put(done.number, done),
            Said::Unheard(failure) => return Err(blame(self.common.info, failure, Phase::Read)),
            Said::Asks(asked) => self.reader.answer(asked, &mut self.anew),
            Said::Reads(_) | Said::Processes(_) => {}
        }
        Ok(())
    }

    /// Waits for the chunk whose turn it is.
    fn take(&mut self) -> Result<Done<In, Out>, Failure> {
        loop {
            if let Some(done) = self.chunks.take() {
                return Ok(done);
            }
            let said = self.lanes.hear().ok_or_else(gone)?;
            self.note(said)?;
        }
    }
}

impl<In, Out, R, H: Hearing<R>, A> Drop for Threaded<'_, In, Out, R, H, A> {
    fn drop(&mut self) {
        self.common.over.store(true, Ordering::Relaxed);
        self.common.give_up.give_up();
    }
}

#[cold]
fn gone() -> Failure {
    Failure::new("a thread of the step ended before its work was done")
}

impl<In, Out, R, H, A> Feed<In, Out> for Threaded<'_, In, Out, R, H, A>
where
    R: Reader<Item = In>,
    H: Hearing<R>,
    A: FnMut() -> Result<R, Failure>,
{
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        desk: &mut Desk<'_, '_, L>,
        timed: Option<&mut Phases>,
    ) -> Result<Filled, Halt> {
        let mut watch = Watch::started();
        let done = self.take().map_err(|failure| {
            self.phase.set(Phase::Read);
            halt(failure)
        })?;
        if let Some(phases) = timed {
            // Reading and processing overlap: what is waited for is a chunk that is processed.
            phases.process += watch.lap();
        }
        let mut faults = done.faults;
        // The reader is far ahead by now.
        let unplaced = faults.iter_mut().map(|(_, source, failure)| (*source, failure));
        places::locate(unplaced, &done.end.begin, &mut self.anew);
        for (phase, source, failure) in faults {
            match phase {
                SkipPhase::Read => told(desk.listener.on_read_error(&failure)),
                _ => told(desk.listener.on_process_error(&failure)),
            }
            self.phase.set(if phase == SkipPhase::Read { Phase::Read } else { Phase::Process });
            desk.judge.skip(phase, source, failure, None).map_err(halt)?;
        }
        if let Some(failure) = done.end.fatal {
            let phase = failure.phase().unwrap_or(Phase::Process);
            self.phase.set(phase);
            match phase {
                _ if failure.is_panic() => {}
                Phase::Read => told(desk.listener.on_read_error(&failure)),
                _ => told(desk.listener.on_process_error(&failure)),
            }
            return Err(halt(failure));
        }
        (self.buffers, self.lane) = (done.buffers, done.lane);
        (self.position, self.progress) = (done.end.position, done.end.progress);
        Ok(Filled { ended: done.end.ended, ..done.filled })
    }

    fn outputs(&mut self) -> &mut Outputs<Out> {
        &mut self.buffers.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        Ok(self.position.clone())
    }

    fn states(&self) -> Result<States, Failure> {
        // No processor on several threads keeps one.
        Ok(States::new())
    }

    fn committed(&mut self) -> Result<(), Failure> {
        self.committed += 1;
        self.reader.committed(self.committed)?;
        // What is in them is dropped by the thread that made it.
        self.lanes.give_back(self.lane, mem::replace(&mut self.buffers, Buffers::new()));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.lanes.close();
        self.reader.release();
        while let Some(said) = self.lanes.hear() {
            if let Said::Unheard(failure) = said {
                return Err(failure);
            }
        }
        self.reader.close()
    }

    fn progress(&self) -> Option<Progress> {
        self.progress
    }
}
