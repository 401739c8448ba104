//! Runs a step according to a plan, with a reader and processors that do only what is planned.
//!
//! The waiting is the runtime's own code. The code around it (`read_chunks.rs`, `worker.rs`, `feed.rs`) is
//! modelled here line by line.

use std::sync::atomic::Ordering::Relaxed;

use crate::channels::{WorkerChannel, WorkerChannels};
use crate::plan::{Answer, Fall, Order, Plan, Reads};
use crate::reorder_buffer::{Committed, InOrder, PendingNotices};
use crate::requests::{RequestClient, RequestServer, ServerPresence, serving};
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, SyncSender};
use crate::turn_lock::TurnLock;
use crate::watch::{Buffers, Watch};

/// Why a step ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A chunk that could not be read or processed.
    Chunk(u64),
    Unheard,
    Lost,
    Left,
    NotStarted,
    /// All threads are gone without a reason.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    More,
    Last,
    Failed,
}

struct Unit {
    number: u64,
    buffers: Buffers,
    end: End,
}

struct Done {
    unit: Unit,
    channel: usize,
}

enum FromWorker {
    Ready,
    Done(Done),
    Unheard,
    Lost,
    RequestClient(SyncSender<bool>),
}

type WorkersChannel = WorkerChannel<Buffers, FromWorker>;

/// The reader, and the facts known about its chunks.
struct Reading {
    plan: Plan,
    watch: Arc<Watch>,
    number: u64,
    ended: bool,
    /// True if it could not be reopened.
    is_gone: bool,
    /// True if it failed at the notification of a commit.
    is_deaf: bool,
    unnotified: PendingNotices<u64>,
}

impl Reading {
    fn new(plan: &Plan, watch: &Arc<Watch>) -> Self {
        Self {
            plan: plan.clone(),
            watch: Arc::clone(watch),
            number: 0,
            ended: false,
            is_gone: false,
            is_deaf: false,
            unnotified: PendingNotices::new(),
        }
    }

    fn hear_of(&mut self, commits: u64) -> Result<(), Why> {
        if self.is_gone {
            return Ok(());
        }
        self.unnotified.tell(commits, |number| {
            if self.plan.unheard == Some(number) {
                self.is_deaf = true;
                return Err(Why::Unheard);
            }
            self.watch.tell(number);
            Ok(())
        })
    }

    fn unit(&mut self, buffers: Buffers, reopen: impl FnOnce() -> Option<bool>) -> Option<Unit> {
        if !self.is_gone && !self.is_deaf {
            self.watch.has_heard(buffers.noted);
        }
        if self.ended {
            return None;
        }
        let number = self.number;
        let is_open = self.plan.asks(number).is_none() || reopen() == Some(true);
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
            self.unnotified.put(number);
        }
        Some(Unit { number, buffers, end })
    }
}

/// How a worker gets its chunks.
enum Supply {
    SharedReader(Arc<TurnLock<Reading>>),
    ReaderThread(RequestClient<Buffers, Unit>),
}

impl Supply {
    fn next(&self, channel: &WorkersChannel, buffers: Buffers, over: &AtomicBool) -> Option<Unit> {
        match self {
            Self::SharedReader(turns) => {
                let (mut reading, commits) = turns.take();
                if over.load(Ordering::Relaxed) {
                    return None;
                }
                if reading.hear_of(commits).is_err() {
                    channel.say(FromWorker::Unheard);
                    return None;
                }
                reading.unit(buffers, || channel.ask(FromWorker::RequestClient))
            }
            Self::ReaderThread(asks) => asks.ask(buffers),
        }
    }
}

fn read_apart(
    mut reading: Reading,
    mut requests: RequestServer<Buffers, Unit>,
    commits: &AtomicU64,
) -> Result<(), Why> {
    requests.serve(|buffers| {
        reading.hear_of(commits.load(Ordering::Acquire))?;
        Ok(reading.unit(buffers, || None))
    })?;
    reading.hear_of(commits.load(Ordering::Acquire))
}

struct Worker {
    plan: Plan,
    watch: Arc<Watch>,
    over: Arc<AtomicBool>,
    channel: WorkersChannel,
    supply: Supply,
}

impl Worker {
    fn run(self) {
        self.channel.say(FromWorker::Ready);
        let voice = self.channel.voice().clone();
        if self.work().is_err() {
            voice.say(FromWorker::Lost);
        }
    }

    fn work(self) -> Result<(), Why> {
        let Self { plan, watch, over, channel, supply } = self;
        loop {
            let was_gone = watch.taker_is_gone.load(Relaxed);
            let Some(mut buffers) = channel.next() else { return Ok(()) };
            assert!(!was_gone, "a chunk is begun that nobody takes");
            assert_eq!(buffers.channel, channel.number, "buffers on the lane of another");
            buffers.noted = watch.noted.load(Relaxed);
            let Some(mut unit) = supply.next(&channel, buffers, &over) else { return Ok(()) };
            let fall = plan.falls(unit.number);
            match fall {
                Some(Fall::IsLost) => return Err(Why::Lost),
                Some(Fall::Fails) => unit.end = End::Failed,
                None => {}
            }
            if !channel.say(FromWorker::Done(Done { unit, channel: channel.number })) || fall.is_some() {
                return Ok(());
            }
        }
    }
}

/// Notifies the reader of commits, however the thread of the step ends.
struct TellsInTurns(Arc<TurnLock<Reading>>);

impl TellsInTurns {
    fn tell(&self) -> Result<(), Why> {
        let (mut reading, commits) = self.0.take();
        reading.hear_of(commits)
    }
}

impl Drop for TellsInTurns {
    fn drop(&mut self) {
        let _ = self.tell();
    }
}

/// How the thread of the step notifies the reader.
enum Hearing {
    SharedReader(TellsInTurns),
    ReaderThread { stays: Option<ServerPresence<Buffers>>, commits: Arc<AtomicU64> },
}

struct Taker {
    plan: Plan,
    watch: Arc<Watch>,
    channels: WorkerChannels<Buffers, FromWorker>,
    /// Dropped right after the channels.
    _leaving: Leaving,
    reader: Hearing,
    chunks: InOrder<Done>,
    taken: u64,
    committed: Committed<Buffers>,
}

impl Taker {
    fn ready(&mut self, threads: usize) -> Result<(), Why> {
        let mut answers = 0;
        while answers < threads {
            match self.channels.hear().ok_or(Why::Gone)? {
                FromWorker::Ready => answers += 1,
                said => self.note(said)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, said: FromWorker) -> Result<(), Why> {
        match said {
            FromWorker::Ready => {}
            FromWorker::Done(done) => self.chunks.put(done.unit.number, done),
            FromWorker::Unheard => return Err(Why::Unheard),
            FromWorker::Lost => return Err(Why::Lost),
            FromWorker::RequestClient(reply) => {
                let (_, answer) = self.plan.reopen.expect("nobody asks unless it is planned");
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

    fn take(&mut self) -> Result<Done, Why> {
        loop {
            let taken = self.taken;
            let done = match self.plan.order {
                Order::OfInput => self.chunks.take(),
                Order::AsDone => {
                    self.chunks.take_any(|done| done.unit.end != End::Last || done.unit.number == taken)
                }
            };
            if let Some(done) = done {
                self.taken += 1;
                return Ok(done);
            }
            let said = self.channels.hear().ok_or(Why::Gone)?;
            self.note(said)?;
        }
    }

    fn commit(&mut self, Done { unit, channel }: Done) -> Result<(), Why> {
        let Unit { number, buffers, .. } = unit;
        let room = self.plan.far + (self.plan.workers * self.plan.each) as u64;
        self.watch.take(number, room);
        let first = self.committed.put(number);
        self.watch.committed.store(first, Relaxed);
        match &self.reader {
            Hearing::SharedReader(turns) => {
                if let Some(mut reading) = turns.0.committed(first) {
                    reading.hear_of(first)?;
                }
            }
            Hearing::ReaderThread { commits, .. } => commits.store(first, Ordering::Release),
        }
        self.watch.noted.store(first, Relaxed);
        for (channel, buffers) in self.committed.give_back(number, channel, buffers) {
            self.channels.give_back(channel, buffers);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Why> {
        self.channels.close();
        if let Hearing::ReaderThread { stays, .. } = &mut self.reader {
            *stays = None;
        }
        while let Some(said) = self.channels.hear() {
            match said {
                FromWorker::Unheard => return Err(Why::Unheard),
                FromWorker::Lost => return Err(Why::Lost),
                FromWorker::Ready | FromWorker::Done(_) | FromWorker::RequestClient(_) => {}
            }
        }
        match &self.reader {
            Hearing::SharedReader(turns) => turns.tell(),
            Hearing::ReaderThread { .. } => Ok(()),
        }
    }

    fn run(mut self, threads: usize) -> Result<(), Why> {
        self.ready(threads)?;
        loop {
            if self.plan.leaves == Some(self.taken) {
                return Err(Why::Left);
            }
            let done = self.take()?;
            let Unit { number, end, .. } = done.unit;
            if end == End::Failed {
                return Err(Why::Chunk(number));
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
        self.0.taker_is_gone.store(true, Relaxed);
    }
}

/// Runs the step; returns when all of its threads have ended.
pub(crate) fn run(plan: &Plan, watch: &Arc<Watch>) -> Result<(), Why> {
    shuttle::thread::scope(|threads| {
        let mut made = 0;
        let (channels, ends) = WorkerChannels::new(plan.workers, plan.each, 4, || {
            made += 1;
            Buffers::new(watch, (made - 1) / plan.each)
        });
        let over = channels.over();
        let (reader, supplies, readers) = match plan.reads {
            Reads::SharedReader => {
                let reading = Arc::new(TurnLock::new(Reading::new(plan, watch)));
                let supplies: Vec<_> =
                    ends.iter().map(|_| Supply::SharedReader(Arc::clone(&reading))).collect();
                (Hearing::SharedReader(TellsInTurns(reading)), supplies, 0)
            }
            Reads::ReaderThread => {
                let (requests, asks, stays) = serving(plan.workers);
                let commits = Arc::new(AtomicU64::new(0));
                let reader = Hearing::ReaderThread { stays: Some(stays), commits: Arc::clone(&commits) };
                let reading = Reading::new(plan, watch);
                let voice = ends[0].voice().clone();
                threads.spawn(move || {
                    voice.say(FromWorker::Ready);
                    if read_apart(reading, requests, &commits).is_err() {
                        voice.say(FromWorker::Unheard);
                    }
                });
                (reader, asks.into_iter().map(Supply::ReaderThread).collect(), 1)
            }
        };
        let taker = Taker {
            plan: plan.clone(),
            watch: Arc::clone(watch),
            channels,
            _leaving: Leaving(Arc::clone(watch)),
            reader,
            chunks: InOrder::new(),
            taken: 0,
            committed: Committed::none(plan.far),
        };
        for (channel, supply) in ends.into_iter().zip(supplies) {
            if channel.number == plan.started {
                return Err(Why::NotStarted);
            }
            let (plan, watch, over) = (plan.clone(), Arc::clone(watch), Arc::clone(&over));
            threads.spawn(move || Worker { plan, watch, over, channel, supply }.run());
        }
        taker.run(plan.workers + readers)
    })
}
