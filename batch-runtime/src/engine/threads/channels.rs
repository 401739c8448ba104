//! The channels between the workers and the thread of the step. Each worker receives empty buffers over a
//! channel of its own, and all workers send filled buffers over a common one.
//!
//! The number of buffers is fixed at the start. No thread waits here for one that has left: a worker wakes up
//! when the step's thread sends or leaves, and the step's thread when a worker sends or the last one leaves. A
//! worker that leaves early sends the reason, because the step's thread may be waiting for its chunk.

use super::sync::{Arc, AtomicBool, Ordering, Receiver, SyncSender, sync_channel};

/// The end of the channels that the step's thread holds.
pub(super) struct WorkerChannels<B, S> {
    messages: Receiver<S>,
    /// The channels for buffers, by worker. Empty once no more chunks are wanted.
    buffers: Vec<SyncSender<B>>,
    cancelled: Arc<AtomicBool>,
}

/// The end of the channels that a worker holds.
pub(crate) struct WorkerChannel<B, S> {
    pub(super) number: usize,
    buffers: Receiver<B>,
    sender: WorkerSender<S>,
    cancelled: Arc<AtomicBool>,
}

/// Sends messages to the step's thread.
pub(super) struct WorkerSender<S>(SyncSender<S>);

impl<S> Clone for WorkerSender<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B, S> WorkerChannels<B, S> {
    /// Makes the channels of `channels` workers, with `each` sets of buffers for each worker. A thread may send
    /// `extra` messages besides its chunks.
    pub(super) fn new(
        channels: usize,
        each: usize,
        extra: usize,
        mut new_buffers: impl FnMut() -> B,
    ) -> (Self, Vec<WorkerChannel<B, S>>) {
        // There is room for every message, so that sending never blocks.
        let (send, messages) = sync_channel(channels * (each + extra) + extra);
        let cancelled = Arc::new(AtomicBool::new(false));
        let sender = WorkerSender(send);
        let (buffers, channels) = (0..channels)
            .map(|number| {
                let (give, buffers) = sync_channel(each);
                for _ in 0..each {
                    let _ = give.send(new_buffers());
                }
                (
                    give,
                    WorkerChannel {
                        number,
                        buffers,
                        sender: sender.clone(),
                        cancelled: Arc::clone(&cancelled),
                    },
                )
            })
            .unzip();
        (Self { messages, buffers, cancelled }, channels)
    }

    /// Returns the flag that is true once the step's thread has left.
    pub(super) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Waits for the next message; `None` once every other thread has left.
    pub(super) fn recv(&self) -> Option<S> {
        self.messages.recv().ok()
    }

    /// Returns buffers to their worker.
    pub(super) fn return_buffers(&self, channel: usize, buffers: B) {
        if let Some(channel) = self.buffers.get(channel) {
            // If the worker has left, its message says why.
            let _ = channel.send(buffers);
        }
    }

    /// Stops returning buffers: each worker leaves once it has none.
    pub(super) fn close(&mut self) {
        self.buffers.clear();
    }
}

impl<B, S> Drop for WorkerChannels<B, S> {
    fn drop(&mut self) {
        // A worker in the middle of a chunk sees the flag. A worker that waits finds its channel closed.
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl<B, S> WorkerChannel<B, S> {
    /// Waits for buffers; `None` once no more chunks are wanted.
    pub(super) fn next_buffers(&self) -> Option<B> {
        // The channel may still hold buffers after the step's thread has left.
        self.buffers.recv().ok().filter(|_| !self.cancelled.load(Ordering::Relaxed))
    }

    /// Sends a message. Returns false if the step's thread has left.
    pub(super) fn send(&self, message: S) -> bool {
        self.sender.send(message)
    }

    /// Sends a request to the step's thread and waits for the answer; `None` if that thread leaves without
    /// one.
    pub(super) fn request<A>(&self, request: impl FnOnce(SyncSender<A>) -> S) -> Option<A> {
        let (reply, answer) = sync_channel(1);
        // The message owns the sender of the reply, so the wait also ends when the message is dropped.
        self.send(request(reply)).then(|| answer.recv().ok()).flatten()
    }

    pub(super) fn sender(&self) -> &WorkerSender<S> {
        &self.sender
    }
}

impl<S> WorkerSender<S> {
    /// Sends a message. Returns false if the step's thread has left.
    pub(super) fn send(&self, message: S) -> bool {
        self.0.send(message).is_ok()
    }
}
