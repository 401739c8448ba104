//! Receives: a reader that cannot leave its thread. Gives: that thread, which reads a chunk for each worker that asks.

use super::channels::WorkerSender;
use super::read_chunks::{Hearing, Reading, Supply};
use super::requests::{RequestClient, RequestServer, ServerPresence, serving};
use super::sync::{Arc, AtomicU64, Ordering};
use super::{Buffers, Common, FromWorker, Unit, WorkersChannel};
use crate::definition::{Failure, Phase, Pipe, Reader, Scope};
use crate::engine::chunk::open::resume_reader;
use crate::engine::faults::panic;
use crate::engine::step::of_role;

/// Nothing is asked of the thread of the step: this reader is opened where it is read.
pub(super) enum Nothing {}

/// A worker's end of it.
pub(super) type UnitRequests<In, Out> = RequestClient<Buffers<In, Out>, Unit<In, Out>>;

/// The thread that reads.
pub(super) struct ReaderThread<'s, In, Out> {
    common: Arc<Common<'s>>,
    requests: RequestServer<Buffers<In, Out>, Unit<In, Out>>,
    commits: Arc<AtomicU64>,
    voice: WorkerSender<FromWorker<In, Out, Nothing>>,
}

/// The end of the thread of the step.
pub(super) struct Tells<In, Out> {
    /// The reader's thread lives as long as somebody could ask.
    stays: Option<ServerPresence<Buffers<In, Out>>>,
    commits: Arc<AtomicU64>,
}

impl<'s, In, Out> ReaderThread<'s, In, Out> {
    pub(super) fn new(
        common: Arc<Common<'s>>,
        channels: &[WorkersChannel<In, Out, Nothing>],
    ) -> (Self, Vec<UnitRequests<In, Out>>, Tells<In, Out>) {
        let (requests, asks, stays) = serving(channels.len());
        let commits = Arc::new(AtomicU64::new(0));
        let tells = Tells { stays: Some(stays), commits: Arc::clone(&commits) };
        let voice = channels.first().expect("a step with threads has at least one").voice().clone();
        (Self { common, requests, commits, voice }, asks, tells)
    }

    pub(super) fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(mut self, inherited: Option<&str>) {
        let common = Arc::clone(&self.common);
        let own = common.own();
        let scope = Scope::of_thread(common.environment, &own, common.bindings.clone());
        let open = || {
            let mut reader = P::reader(&scope)?;
            let stands = resume_reader(common.info, inherited, &mut reader)?;
            Ok((reader, stands))
        };
        match panic::catch(open).and_then(|opened| opened) {
            Ok((reader, stands)) => {
                self.voice.say(FromWorker::Reads(Ok(stands.clone())));
                let read = || self.read::<_, CAREFUL>(Reading::new(reader, stands), || P::reader(&scope));
                // The reader is dropped there, which may panic.
                if let Err(failure) = panic::catch(read).and_then(|read| read) {
                    self.voice.say(FromWorker::Unheard(failure));
                }
            }
            Err(failure) => {
                let failure = of_role(common.info, failure, "reader").during(Phase::Open);
                self.voice.say(FromWorker::Reads(Err(failure)));
            }
        }
    }

    /// Reads a chunk for each request, and tells the reader of the commits between them.
    fn read<R: Reader<Item = In>, const CAREFUL: bool>(
        &mut self,
        mut reading: Reading<R>,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<(), Failure> {
        let Self { common, requests, commits, .. } = self;
        requests.serve(|buffers| {
            reading.hear_of(commits.load(Ordering::Acquire))?;
            Ok(reading.unit::<Out, CAREFUL>(buffers, common, &mut anew, None))
        })?;
        reading.hear_of(commits.load(Ordering::Acquire))
    }
}

impl<In, Out> Supply<In, Out, Nothing> for UnitRequests<In, Out> {
    fn next(
        &mut self,
        _: &WorkersChannel<In, Out, Nothing>,
        buffers: Buffers<In, Out>,
        _: &Common<'_>,
    ) -> Option<Unit<In, Out>> {
        self.ask(buffers)
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
        self.stays = None;
    }

    fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}
