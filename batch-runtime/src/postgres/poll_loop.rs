//! Runs the driver's futures on the thread that waits for them, without an async runtime. Between two turns the
//! thread sleeps in `poll(2)` until the socket is ready.
//!
//! So it works on any thread, including tokio's worker threads, and blocks the thread as a query of `SQLite` does.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::socket::Socket;

/// Notes that a future can make progress. All futures run on one thread, so nothing needs to be woken.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Alternates between polling the driver and waiting for the socket. A turn is one poll.
#[derive(Debug)]
pub(super) struct Turns {
    socket: Arc<Socket>,
    woken: Arc<Woken>,
    waker: Waker,
}

impl Turns {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        let woken = Arc::new(Woken::default());
        Self { socket, waker: Waker::from(Arc::clone(&woken)), woken }
    }

    /// Takes a turn, and repeats it while it wakes a future that need not wait for the socket.
    pub(super) fn go<T>(&self, mut turn: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let mut context = Context::from_waker(&self.waker);
        loop {
            self.woken.0.store(false, Relaxed);
            let done = turn(&mut context);
            if done.is_ready() || !self.woken.0.load(Relaxed) {
                return done;
            }
        }
    }

    /// Waits until the socket is ready, for at most `at_most`.
    pub(super) fn sleep(&self, at_most: Option<Duration>) {
        let mut wanted = PollFlags::POLLIN;
        wanted.set(PollFlags::POLLOUT, self.socket.is_full());
        let timeout = at_most.map_or(PollTimeout::NONE, |wait| {
            // Round up, so that the last millisecond is not a busy wait.
            let wait = wait.checked_add(Duration::from_millis(1)).unwrap_or(wait);
            PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(self.socket.as_fd(), wanted)], timeout) {
            // After a signal, the waiting thread just polls again.
            Ok(_) | Err(Errno::EINTR) => {}
            // The only other error is that the system is out of memory, because the socket is valid.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }

    /// Takes turns until one is done, or until the deadline.
    pub(super) fn until<T>(
        &self,
        deadline: Instant,
        mut turn: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        loop {
            if let Poll::Ready(done) = self.go(&mut turn) {
                return Some(done);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.sleep(Some(left));
        }
    }
}
