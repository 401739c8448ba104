//! Runs a reader that is not `Send` on a thread of its own, which reads a chunk for each request of a worker.

use super::channels::WorkerSender;
use super::messages::{Buffers, FromWorker, ReadChunk, WorkerChannel};
use super::read_chunks::{ChunkReader, ReaderHandle, Supply};
use super::requests::{RequestClient, RequestServer, ServerPresence, request_channel};
use super::shared_state::SharedState;
use super::sync::{Arc, AtomicU64, Ordering};
use crate::definition::{Failure, Phase, Pipe, Reader, Scope};
use crate::engine::chunk::open::resume_reader;
use crate::engine::faults::panic;
use crate::engine::profile::{Activity, ChunkTimes, LaneWatch};
use crate::engine::step::of_role;

/// The requests to the step's thread. There are none, because the reader's thread reopens the reader itself.
pub(super) enum NoRequest {}

/// A worker's end of the reader's thread.
pub(super) type ReadRequests<In, Out> = RequestClient<Buffers<In, Out>, ReadChunk<In, Out>>;

/// The thread of the reader.
pub(super) struct ReaderThread<'s, In, Out> {
    state: Arc<SharedState<'s>>,
    requests: RequestServer<Buffers<In, Out>, ReadChunk<In, Out>>,
    commits: Arc<AtomicU64>,
    sender: WorkerSender<FromWorker<In, Out, NoRequest>>,
}

/// The step thread's end of the reader's thread.
pub(super) struct ReaderThreadHandle<In, Out> {
    /// Keeps the reader's thread running until it is dropped.
    presence: Option<ServerPresence<Buffers<In, Out>>>,
    commits: Arc<AtomicU64>,
}

impl<'s, In, Out> ReaderThread<'s, In, Out> {
    pub(super) fn new(
        state: Arc<SharedState<'s>>,
        channels: &[WorkerChannel<In, Out, NoRequest>],
    ) -> (Self, Vec<ReadRequests<In, Out>>, ReaderThreadHandle<In, Out>) {
        let (requests, clients, presence) = request_channel(channels.len());
        let commits = Arc::new(AtomicU64::new(0));
        let handle = ReaderThreadHandle { presence: Some(presence), commits: Arc::clone(&commits) };
        let sender = channels.first().expect("a step with threads has at least one worker").sender().clone();
        (Self { state, requests, commits, sender }, clients, handle)
    }

    pub(super) fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(mut self, inherited: Option<&str>) {
        let state = Arc::clone(&self.state);
        let own = state.own();
        let scope = Scope::of_thread(state.environment, &own, state.bindings.clone());
        let open = || {
            let mut reader = P::reader(&scope)?;
            let start = resume_reader(state.info, inherited, &mut reader)?;
            Ok((reader, start))
        };
        match panic::catch(open).and_then(|opened| opened) {
            Ok((reader, start)) => {
                self.sender.send(FromWorker::ReaderOpened(Ok(start.clone())));
                let read = || self.read::<_, CAREFUL>(ChunkReader::new(reader, start), || P::reader(&scope));
                // This also catches a panic in the drop of the reader.
                if let Err(failure) = panic::catch(read).and_then(|read| read) {
                    self.sender.send(FromWorker::NotifyFailed(failure));
                }
            }
            Err(failure) => {
                let failure = of_role(state.info, failure, "reader").during(Phase::Open);
                self.sender.send(FromWorker::ReaderOpened(Err(failure)));
            }
        }
    }

    /// Reads a chunk for each request, and notifies the reader of commits in between.
    fn read<R: Reader<Item = In>, const CAREFUL: bool>(
        &mut self,
        mut reader: ChunkReader<R>,
        mut reopen: impl FnMut() -> Result<R, Failure>,
    ) -> Result<(), Failure> {
        let Self { state, requests, commits, .. } = self;
        let mut lane = LaneWatch::start(&state.lanes);
        requests.serve(|buffers| {
            let mut times = lane.profiler.next(state.detail());
            reader.notify_committed(commits.load(Ordering::Acquire))?;
            let read_chunk = reader.read_chunk::<Out, CAREFUL>(buffers, state, &mut reopen, None);
            times.book(Activity::Read);
            lane.profiler.add(&times);
            Ok(read_chunk)
        })?;
        reader.notify_committed(commits.load(Ordering::Acquire))
    }
}

impl<In, Out> Supply<In, Out, NoRequest> for ReadRequests<In, Out> {
    fn next(
        &mut self,
        _: &WorkerChannel<In, Out, NoRequest>,
        buffers: Buffers<In, Out>,
        _: &SharedState<'_>,
        times: &mut ChunkTimes,
    ) -> Option<ReadChunk<In, Out>> {
        let read_chunk = self.request(buffers);
        times.book(Activity::Wait);
        read_chunk
    }
}

impl<In, Out, R> ReaderHandle<R> for ReaderThreadHandle<In, Out> {
    type Request = NoRequest;

    fn answer(&self, request: NoRequest, _: impl FnOnce() -> Result<R, Failure>) {
        match request {}
    }

    fn committed(&self, chunks: u64) -> Result<(), Failure> {
        self.commits.store(chunks, Ordering::Release);
        Ok(())
    }

    fn release(&mut self) {
        self.presence = None;
    }

    fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}
