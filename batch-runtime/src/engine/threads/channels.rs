//! The channels between the workers and the thread of the step. Each worker receives empty buffers over a
//! channel of its own, and all workers send filled buffers over a common one.
//!
//! The number of buffers is fixed at the start. No thread waits forever for a thread that has left: a worker wakes
//! up when the step's thread sends or leaves, and the step's thread wakes up when a worker sends or the last worker
//! leaves. A worker that leaves early sends the reason, because the step's thread may be waiting for its chunk.

use super::sync::{Arc, AtomicBool, Ordering, Receiver, SyncSender, sync_channel};

/// The side of the channels that the step's thread holds.
pub(super) struct StepSide<B, S> {
    messages: Receiver<S>,
    /// The channels for buffers, by worker. Empty once no more chunks are wanted.
    buffers: Vec<SyncSender<B>>,
    cancelled: Arc<AtomicBool>,
}

/// The side of the channels that a worker holds.
pub(crate) struct WorkerSide<B, S> {
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

impl<B, S> StepSide<B, S> {
    /// Makes the channels for this many lanes, with `buffers_each` sets of buffers per lane. Each worker is a lane.
    /// Each thread may send `extra_messages` messages in addition to its chunks.
    pub(super) fn new(
        lanes: usize,
        buffers_each: usize,
        extra_messages: usize,
        mut new_buffers: impl FnMut() -> B,
    ) -> (Self, Vec<WorkerSide<B, S>>) {
        // There is room for every message, so that sending never blocks.
        let (send, messages) = sync_channel(lanes * (buffers_each + extra_messages) + extra_messages);
        let cancelled = Arc::new(AtomicBool::new(false));
        let sender = WorkerSender(send);
        let (buffers, sides) = (0..lanes)
            .map(|number| {
                let (give, buffers) = sync_channel(buffers_each);
                for _ in 0..buffers_each {
                    let _ = give.send(new_buffers());
                }
                (
                    give,
                    WorkerSide { number, buffers, sender: sender.clone(), cancelled: Arc::clone(&cancelled) },
                )
            })
            .unzip();
        (Self { messages, buffers, cancelled }, sides)
    }

    /// Returns the flag that is true once the step's thread has left.
    pub(super) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Waits for the next message; `None` once every other thread has left.
    pub(super) fn recv(&self) -> Option<S> {
        self.messages.recv().ok()
    }

    /// Returns the next message if it has arrived.
    pub(super) fn try_recv(&self) -> Option<S> {
        self.messages.try_recv().ok()
    }

    /// Returns buffers to the lane with this number.
    pub(super) fn return_buffers(&self, number: usize, buffers: B) {
        if let Some(channel) = self.buffers.get(number) {
            // If the worker has left, its message says why.
            let _ = channel.send(buffers);
        }
    }

    /// Stops returning buffers, so that each worker leaves once it has none left.
    pub(super) fn close(&mut self) {
        self.buffers.clear();
    }
}

impl<B, S> Drop for StepSide<B, S> {
    fn drop(&mut self) {
        // A worker in the middle of a chunk sees the flag. A worker that waits finds its channel closed.
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl<B, S> WorkerSide<B, S> {
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
