//! Receives: threads that make chunks, and one that takes them. Gives: the ways between them: buffers go out to a worker on a lane of
//! its own and come back full, as many as were given out at the begin.
//!
//! Whoever waits here waits for one other thread, and is woken by its leaving as well as by what it sends: the worker by the end of the
//! taker, the taker by the end of the last worker. A worker that leaves before the others says why, as the taker may wait for what it
//! was at.

use super::sync::{Arc, AtomicBool, Ordering, Receiver, SyncSender, sync_channel};

/// The taker's side.
pub(super) struct WorkerChannels<B, S> {
    said: Receiver<S>,
    /// By the lane's number. None is left when nothing more is wanted.
    out: Vec<SyncSender<B>>,
    over: Arc<AtomicBool>,
}

/// A worker's side.
pub(super) struct WorkerChannel<B, S> {
    pub(super) number: usize,
    buffers: Receiver<B>,
    voice: WorkerSender<S>,
    over: Arc<AtomicBool>,
}

/// Speaks to the taker.
pub(super) struct WorkerSender<S>(SyncSender<S>);

impl<S> Clone for WorkerSender<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B, S> WorkerChannels<B, S> {
    /// So many lanes, each with so many buffers on it; a thread may say so much beside what it makes of its buffers.
    pub(super) fn new(
        channels: usize,
        each: usize,
        beside: usize,
        mut buffers: impl FnMut() -> B,
    ) -> (Self, Vec<WorkerChannel<B, S>>) {
        // Room for all that can be said, so that nobody waits to say it.
        let (say, said) = sync_channel(channels * (each + beside) + beside);
        let over = Arc::new(AtomicBool::new(false));
        let voice = WorkerSender(say);
        let (out, channels) = (0..channels)
            .map(|number| {
                let (give, taken) = sync_channel(each);
                for _ in 0..each {
                    let _ = give.send(buffers());
                }
                (
                    give,
                    WorkerChannel { number, buffers: taken, voice: voice.clone(), over: Arc::clone(&over) },
                )
            })
            .unzip();
        (Self { said, out, over }, channels)
    }

    /// True once the taker is gone.
    pub(super) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    /// Waits for what is said next; `None` when every thread has left.
    pub(super) fn hear(&self) -> Option<S> {
        self.said.recv().ok()
    }

    /// Gives buffers back to their lane.
    pub(super) fn give_back(&self, channel: usize, buffers: B) {
        if let Some(channel) = self.out.get(channel) {
            // Where its worker has left, the next wait for it tells why.
            let _ = channel.send(buffers);
        }
    }

    /// Gives out no more buffers: each worker leaves when it has none.
    pub(super) fn close(&mut self) {
        self.out.clear();
    }
}

impl<B, S> Drop for WorkerChannels<B, S> {
    fn drop(&mut self) {
        // Whoever works on a chunk leaves off; whoever waits finds the other side gone.
        self.over.store(true, Ordering::Relaxed);
    }
}

impl<B, S> WorkerChannel<B, S> {
    /// Waits for buffers; `None` when nothing more is wanted.
    pub(super) fn next(&self) -> Option<B> {
        // Some may be left from before.
        self.buffers.recv().ok().filter(|_| !self.over.load(Ordering::Relaxed))
    }

    /// False where nobody hears it any more.
    pub(super) fn say(&self, said: S) -> bool {
        self.voice.say(said)
    }

    /// Asks the taker for something, and waits; `None` where it leaves without an answer.
    pub(super) fn ask<A>(&self, asking: impl FnOnce(SyncSender<A>) -> S) -> Option<A> {
        let (reply, answer) = sync_channel(1);
        // The reply goes where what is said goes: it is gone when nobody is left to hear it.
        self.say(asking(reply)).then(|| answer.recv().ok()).flatten()
    }

    pub(super) fn voice(&self) -> &WorkerSender<S> {
        &self.voice
    }
}

impl<S> WorkerSender<S> {
    /// False where nobody hears it any more.
    pub(super) fn say(&self, said: S) -> bool {
        self.0.send(said).is_ok()
    }
}
