//! Runs a step according to a plan, over a reader and processors that do only what is planned.
//!
//! The code by which threads wait for each other is the runtime's. The code around it (`read_chunks.rs`,
//! `reader_thread.rs`, `worker.rs`, `feed.rs`) is modelled here line by line.

use std::sync::atomic::Ordering::Relaxed;

use crate::channels::{StepSide, WorkerSide};
use crate::plan::{Answer, Order, Plan, Reads, WorkerEnd};
use crate::reorder_buffer::{Committed, InOrder, PendingNotices};
use crate::requests::{RequestClient, RequestServer, ServerPresence, request_channel};
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, SyncSender};
use crate::turn_lock::TurnLock;
use crate::watch::{Buffers, Watch};

/// Why a step ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A chunk could not be read or processed.
    Chunk(u64),
    NotifyFailed,
    Lost,
    Left,
    NotStarted,
    /// All workers have left, and none said why.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    More,
    Last,
    Failed,
}

struct ReadChunk {
    number: u64,
    buffers: Buffers,
    end: End,
}

impl ReadChunk {
    fn is_taken_after(&self, taken: u64) -> bool {
        self.end != End::Last || self.number == taken
    }
}

struct ProcessedChunk {
    read_chunk: ReadChunk,
    lane: usize,
}

enum FromWorker {
    Ready,
    Processed(ProcessedChunk),
    NotifyFailed,
    Lost,
    Request(SyncSender<bool>),
}

type WorkerChannel = WorkerSide<Buffers, FromWorker>;

/// The reader, and the state of the chunks read from it.
struct ChunkReader {
    plan: Plan,
    watch: Arc<Watch>,
    number: u64,
    ended: bool,
    /// It could not be reopened.
    is_gone: bool,
    /// It failed when it was notified of a commit.
    notify_failed: bool,
    pending: PendingNotices<u64>,
}

impl ChunkReader {
    fn new(plan: &Plan, watch: &Arc<Watch>) -> Self {
        Self {
            plan: plan.clone(),
            watch: Arc::clone(watch),
            number: 0,
            ended: false,
            is_gone: false,
            notify_failed: false,
            pending: PendingNotices::new(),
        }
    }

    fn notify_committed(&mut self, commits: u64) -> Result<(), Why> {
        if self.is_gone {
            return Ok(());
        }
        self.pending.notify(commits, |number| {
            if self.plan.notify_fails == Some(number) {
                self.notify_failed = true;
                return Err(Why::NotifyFailed);
            }
            self.watch.notify(number);
            Ok(())
        })
    }

    fn read_chunk(&mut self, buffers: Buffers, reopen: impl FnOnce() -> Option<bool>) -> Option<ReadChunk> {
        if !self.is_gone && !self.notify_failed {
            self.watch.assert_notified(buffers.published);
        }
        if self.ended {
            return None;
        }
        let number = self.number;
        let is_open = self.plan.request_at(number).is_none() || reopen() == Some(true);
        let end = match number == self.plan.last {
            _ if !is_open => End::Failed,
            false => End::More,
            true if self.plan.reader_fails => End::Failed,
            true => End::Last,
        };
        self.number += 1;
        self.ended = end != End::More;
        self.is_gone = !is_open;
        if end != End::Failed {
            self.pending.push(number);
        }
        Some(ReadChunk { number, buffers, end })
    }
}

/// Supplies a worker with chunks.
enum Supply {
    SharedReader(Arc<TurnLock<ChunkReader>>),
    ReaderThread(RequestClient<Buffers, ReadChunk>),
}

impl Supply {
    fn next(&self, channel: &WorkerChannel, buffers: Buffers, cancelled: &AtomicBool) -> Option<ReadChunk> {
        match self {
            Self::SharedReader(shared) => {
                let (mut reader, commits) = shared.lock();
                if cancelled.load(Ordering::Relaxed) {
                    return None;
                }
                if reader.notify_committed(commits).is_err() {
                    channel.send(FromWorker::NotifyFailed);
                    return None;
                }
                reader.read_chunk(buffers, || channel.request(FromWorker::Request))
            }
            Self::ReaderThread(client) => client.request(buffers),
        }
    }
}

fn run_reader_thread(
    mut reader: ChunkReader,
    mut requests: RequestServer<Buffers, ReadChunk>,
    commits: &AtomicU64,
) -> Result<(), Why> {
    requests.serve(|buffers| {
        reader.notify_committed(commits.load(Ordering::Acquire))?;
        Ok(reader.read_chunk(buffers, || None))
    })?;
    reader.notify_committed(commits.load(Ordering::Acquire))
}

struct Worker {
    plan: Plan,
    watch: Arc<Watch>,
    cancelled: Arc<AtomicBool>,
    channel: WorkerChannel,
    supply: Supply,
}

impl Worker {
    fn run(self) {
        self.channel.send(FromWorker::Ready);
        let sender = self.channel.sender().clone();
        if self.work().is_err() {
            sender.send(FromWorker::Lost);
        }
    }

    fn work(self) -> Result<(), Why> {
        let Self { plan, watch, cancelled, channel, supply } = self;
        loop {
            let was_gone = watch.step_thread_left.load(Relaxed);
            let Some(mut buffers) = channel.next_buffers() else { return Ok(()) };
            assert!(!was_gone, "a worker begins a chunk that is not wanted");
            assert_eq!(buffers.lane, channel.number, "buffers of another worker");
            buffers.published = watch.published.load(Relaxed);
            let Some(mut read_chunk) = supply.next(&channel, buffers, &cancelled) else { return Ok(()) };
            let planned_end = plan.worker_end(read_chunk.number);
            match planned_end {
                Some(WorkerEnd::IsLost) => return Err(Why::Lost),
                Some(WorkerEnd::Fails) => read_chunk.end = End::Failed,
                None => {}
            }
            if !channel.send(FromWorker::Processed(ProcessedChunk { read_chunk, lane: channel.number }))
                || planned_end.is_some()
            {
                return Ok(());
            }
        }
    }
}

/// The step thread's end of a shared reader. Dropping it notifies the reader of all commits, however the step
/// ends.
struct SharedReaderHandle(Arc<TurnLock<ChunkReader>>);

impl SharedReaderHandle {
    fn notify(&self) -> Result<(), Why> {
        let (mut reader, commits) = self.0.lock();
        reader.notify_committed(commits)
    }
}

impl Drop for SharedReaderHandle {
    fn drop(&mut self) {
        let _ = self.notify();
    }
}

/// The step thread's handle to the reader.
enum ReaderHandle {
    SharedReader(SharedReaderHandle),
    ReaderThread { presence: Option<ServerPresence<Buffers>>, commits: Arc<AtomicU64> },
}

struct StepThread {
    plan: Plan,
    watch: Arc<Watch>,
    channels: StepSide<Buffers, FromWorker>,
    /// Dropped right after the channels.
    _leaving: Leaving,
    reader: ReaderHandle,
    chunks: InOrder<ProcessedChunk>,
    taken: u64,
    /// The chunk whose commit is in flight.
    sent: Option<ProcessedChunk>,
    /// Noticed when nobody waited for a chunk.
    failed: Option<Why>,
    committed: Committed<Buffers>,
}

impl StepThread {
    fn wait_until_ready(&mut self, threads: usize) -> Result<(), Why> {
        let mut answers = 0;
        while answers < threads {
            match self.channels.recv().ok_or(Why::Gone)? {
                FromWorker::Ready => answers += 1,
                message => self.handle(message)?,
            }
        }
        Ok(())
    }

    fn handle(&mut self, message: FromWorker) -> Result<(), Why> {
        match message {
            FromWorker::Ready => {}
            FromWorker::Processed(done) => self.chunks.insert(done.read_chunk.number, done),
            FromWorker::NotifyFailed => return Err(Why::NotifyFailed),
            FromWorker::Lost => return Err(Why::Lost),
            FromWorker::Request(reply) => {
                let (_, answer) = self.plan.reopens.expect("only a planned request is made");
                match answer {
                    Answer::Opened | Answer::Refused => {
                        let _ = reply.send(answer == Answer::Opened);
                    }
                    Answer::None => {}
                    Answer::Leaves => return Err(Why::Left),
                }
            }
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<ProcessedChunk, Why> {
        loop {
            if let Some(why) = self.failed.take() {
                return Err(why);
            }
            let taken = self.taken;
            let done = match self.plan.order {
                Order::OfInput => self.chunks.pop(),
                Order::AsDone => self.chunks.pop_any(|done| done.read_chunk.is_taken_after(taken)),
            };
            if let Some(done) = done {
                self.taken += 1;
                return Ok(done);
            }
            let message = self.channels.recv().ok_or(Why::Gone)?;
            self.handle(message)?;
        }
    }

    fn is_next_clean(&mut self) -> bool {
        while self.failed.is_none()
            && let Some(message) = self.channels.try_recv()
        {
            self.failed = self.handle(message).err();
        }
        let taken = self.taken;
        let next = match self.plan.order {
            Order::OfInput => self.chunks.peek(),
            Order::AsDone => self.chunks.peek_any(|done| done.read_chunk.is_taken_after(taken)),
        };
        self.failed.is_none() && next.is_some_and(|done| done.read_chunk.end != End::Failed)
    }

    fn goes_ahead(&mut self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.read_chunk.end != End::Last) && self.is_next_clean()
    }

    /// Returns true if the chunk was the last one.
    fn settle_sent(&mut self) -> Result<bool, Why> {
        let Some(sent) = self.sent.take() else { return Ok(false) };
        let is_last = sent.read_chunk.end == End::Last;
        self.commit(sent)?;
        Ok(is_last)
    }

    fn commit(&mut self, ProcessedChunk { read_chunk, lane }: ProcessedChunk) -> Result<(), Why> {
        let ReadChunk { number, buffers, .. } = read_chunk;
        let room = self.plan.max_ahead + (self.plan.workers * self.plan.each) as u64;
        self.watch.take(number, room);
        let first = self.committed.insert(number);
        self.watch.committed.store(first, Relaxed);
        match &self.reader {
            ReaderHandle::SharedReader(shared) => {
                if let Some(mut reader) = shared.0.committed(first) {
                    reader.notify_committed(first)?;
                }
            }
            ReaderHandle::ReaderThread { commits, .. } => commits.store(first, Ordering::Release),
        }
        self.watch.published.store(first, Relaxed);
        for (lane, buffers) in self.committed.release(number, lane, buffers) {
            self.channels.return_buffers(lane, buffers);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Why> {
        self.channels.close();
        if let ReaderHandle::ReaderThread { presence, .. } = &mut self.reader {
            *presence = None;
        }
        while let Some(message) = self.channels.recv() {
            match message {
                FromWorker::NotifyFailed => return Err(Why::NotifyFailed),
                FromWorker::Lost => return Err(Why::Lost),
                FromWorker::Ready | FromWorker::Processed(_) | FromWorker::Request(_) => {}
            }
        }
        match &self.reader {
            ReaderHandle::SharedReader(shared) => shared.notify(),
            ReaderHandle::ReaderThread { .. } => Ok(()),
        }
    }

    fn run(mut self, threads: usize) -> Result<(), Why> {
        self.wait_until_ready(threads)?;
        loop {
            if !self.goes_ahead() && self.settle_sent()? {
                return self.close();
            }
            if self.plan.leaves == Some(self.taken) {
                self.settle_sent()?;
                return Err(Why::Left);
            }
            let done = self.next_chunk()?;
            let ReadChunk { number, end, .. } = done.read_chunk;
            if end == End::Failed {
                return Err(Why::Chunk(number));
            }
            self.settle_sent()?;
            if self.plan.pipelines {
                self.sent = Some(done);
                continue;
            }
            self.commit(done)?;
            if end == End::Last {
                return self.close();
            }
        }
    }
}

struct Leaving(Arc<Watch>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.step_thread_left.store(true, Relaxed);
    }
}

/// Runs the step. Returns when all of its threads have ended.
pub(crate) fn run(plan: &Plan, watch: &Arc<Watch>) -> Result<(), Why> {
    shuttle::thread::scope(|threads| {
        let mut made = 0;
        let (channels, ends) = StepSide::new(plan.workers, plan.each, 4, || {
            made += 1;
            Buffers::new(watch, (made - 1) / plan.each)
        });
        let cancelled = channels.cancelled();
        let (reader, supplies, readers) = match plan.reads {
            Reads::SharedReader => {
                let reader = Arc::new(TurnLock::new(ChunkReader::new(plan, watch)));
                let supplies: Vec<_> =
                    ends.iter().map(|_| Supply::SharedReader(Arc::clone(&reader))).collect();
                (ReaderHandle::SharedReader(SharedReaderHandle(reader)), supplies, 0)
            }
            Reads::ReaderThread => {
                let (requests, clients, presence) = request_channel(plan.workers);
                let commits = Arc::new(AtomicU64::new(0));
                let handle =
                    ReaderHandle::ReaderThread { presence: Some(presence), commits: Arc::clone(&commits) };
                let reader = ChunkReader::new(plan, watch);
                let sender = ends[0].sender().clone();
                threads.spawn(move || {
                    sender.send(FromWorker::Ready);
                    if run_reader_thread(reader, requests, &commits).is_err() {
                        sender.send(FromWorker::NotifyFailed);
                    }
                });
                (handle, clients.into_iter().map(Supply::ReaderThread).collect(), 1)
            }
        };
        let step_thread = StepThread {
            plan: plan.clone(),
            watch: Arc::clone(watch),
            channels,
            _leaving: Leaving(Arc::clone(watch)),
            reader,
            chunks: InOrder::new(),
            taken: 0,
            sent: None,
            failed: None,
            committed: Committed::new(plan.max_ahead),
        };
        for (channel, supply) in ends.into_iter().zip(supplies) {
            if channel.number == plan.started {
                return Err(Why::NotStarted);
            }
            let (plan, watch, cancelled) = (plan.clone(), Arc::clone(watch), Arc::clone(&cancelled));
            threads.spawn(move || Worker { plan, watch, cancelled, channel, supply }.run());
        }
        step_thread.run(plan.workers + readers)
    })
}
