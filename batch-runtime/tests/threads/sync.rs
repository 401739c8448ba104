//! The model checker's synchronization primitives.
//!
//! Its channels differ from those of `std` in two ways that matter here: messages in the channel are not
//! dropped with the receiver, and no other thread can run right before an end is dropped. The wrappers here
//! make up for both.

pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::sync::mpsc::{self, RecvError, SendError, TryRecvError};
pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};
pub(crate) use shuttle::thread::{ThreadId, current};

pub(crate) struct SyncSender<T>(mpsc::SyncSender<T>);

pub(crate) struct Receiver<T>(mpsc::Receiver<T>);

pub(crate) fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::sync_channel(bound);
    (SyncSender(sender), Receiver(receiver))
}

/// Lets other threads run here.
pub(crate) fn step() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

impl<T> SyncSender<T> {
    pub(crate) fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.0.send(item)
    }
}

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        self.0.recv()
    }

    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        // Lets the senders run first.
        step();
        self.0.try_recv()
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Drop for SyncSender<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            step();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // No other thread runs between the last `try_recv` and the drop of the receiver.
            while self.0.try_recv().is_ok() {}
        }
    }
}
