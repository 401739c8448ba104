//! Receives: a reader that cannot leave its thread. Gives: that thread, which reads a chunk for each worker that asks.

use super::lanes::Voice;
use super::reading::{Hearing, Reading, Supply};
use super::sync::{Arc, AtomicU64, Ordering, Receiver, SyncSender, sync_channel};
use super::{Buffers, Common, Said, Unit, WorkersLane};
use crate::definition::{Failure, Phase, Pipe, Reader, Scope};
use crate::engine::checkpoint;
use crate::engine::panic;
use crate::engine::pipe::resume_before_gaps;
use crate::engine::step::of_role;

/// Nothing is asked of the thread of the step: this reader is opened where it is read.
pub(super) enum Nothing {}

type Request<In, Out> = (usize, Buffers<In, Out>);

/// The thread that reads.
pub(super) struct Apart<'s, In, Out> {
    common: Arc<Common<'s>>,
    requests: Receiver<Request<In, Out>>,
    /// By the lane of who asks; gone for those that were told of the end.
    answers: Vec<Option<SyncSender<Unit<In, Out>>>>,
    commits: Arc<AtomicU64>,
    voice: Voice<Said<In, Out, Nothing>>,
}

/// A worker's end of it.
pub(super) struct Asks<In, Out> {
    ask: SyncSender<Request<In, Out>>,
    answer: Receiver<Unit<In, Out>>,
}

/// The end of the thread of the step.
pub(super) struct Tells<In, Out> {
    /// The reader's thread lives as long as somebody could ask.
    ask: Option<SyncSender<Request<In, Out>>>,
    commits: Arc<AtomicU64>,
}

impl<'s, In, Out> Apart<'s, In, Out> {
    pub(super) fn new(
        common: Arc<Common<'s>>,
        lanes: &[WorkersLane<In, Out, Nothing>],
    ) -> (Self, Vec<Asks<In, Out>>, Tells<In, Out>) {
        let (ask, requests) = sync_channel(lanes.len());
        let commits = Arc::new(AtomicU64::new(0));
        let (answers, asks) = lanes
            .iter()
            .map(|_| {
                let (reply, answer) = sync_channel(1);
                (Some(reply), Asks { ask: ask.clone(), answer })
            })
            .unzip();
        let tells = Tells { ask: Some(ask), commits: Arc::clone(&commits) };
        let voice = lanes.first().expect("a step with threads has at least one").voice().clone();
        (Self { common, requests, answers, commits, voice }, asks, tells)
    }

    pub(super) fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(mut self, inherited: Option<&str>) {
        let common = Arc::clone(&self.common);
        let own = common.own();
        let scope = Scope::of_thread(common.environment, &own, common.bindings.clone());
        let open = || {
            let mut reader = P::reader(&scope)?;
            let gaps = resume_before_gaps(common.info, inherited, &mut reader)?;
            let position = checkpoint::encode(&reader.position())?;
            Ok((reader, (position, gaps)))
        };
        match panic::catch(open).and_then(|opened| opened) {
            Ok((reader, stands)) => {
                self.voice.say(Said::Reads(Ok(stands.clone())));
                let mut reading = Reading::new(reader, stands);
                let read = self.read::<_, CAREFUL>(&mut reading, || P::reader(&scope));
                if let Err(failure) = read {
                    self.voice.say(Said::Unheard(failure));
                }
            }
            Err(failure) => {
                let failure = of_role(common.info, failure, "reader").during(Phase::Open);
                self.voice.say(Said::Reads(Err(failure)));
            }
        }
    }

    /// Reads a chunk for each request, and tells the reader of the commits between them.
    fn read<R: Reader<Item = In>, const CAREFUL: bool>(
        &mut self,
        reading: &mut Reading<R>,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<(), Failure> {
        for (lane, buffers) in &self.requests {
            reading.hear_of(self.commits.load(Ordering::Acquire))?;
            match reading.unit::<Out, CAREFUL>(buffers, &self.common, &mut anew, None) {
                None => self.answers[lane] = None,
                Some(unit) => {
                    if let Some(answer) = &self.answers[lane] {
                        // Who asked may have left since.
                        let _ = answer.send(unit);
                    }
                }
            }
        }
        reading.hear_of(self.commits.load(Ordering::Acquire))
    }
}

impl<In, Out> Supply<In, Out, Nothing> for Asks<In, Out> {
    fn next(
        &mut self,
        lane: &WorkersLane<In, Out, Nothing>,
        mut buffers: Buffers<In, Out>,
        _: &Common<'_>,
    ) -> Option<Unit<In, Out>> {
        buffers.outputs.clear();
        self.ask.send((lane.number, buffers)).ok()?;
        self.answer.recv().ok()
    }
}

impl<In, Out, R> Hearing<R> for Tells<In, Out> {
    type Asked = Nothing;

    fn answer(&self, asked: Nothing, _: impl FnOnce() -> Result<R, Failure>) {
        match asked {}
    }

    fn committed(&self, chunks: u64) -> Result<(), Failure> {
        self.commits.store(chunks, Ordering::Release);
        Ok(())
    }

    fn release(&mut self) {
        self.ask = None;
    }

    fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}
