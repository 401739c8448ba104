//! Runs the driver's futures on the thread that waits for them, without an async runtime. Between two polls the
//! thread sleeps in `poll(2)` until the socket is ready.
//!
//! The loop therefore works on any thread, including tokio's worker threads, and blocks the thread as an `SQLite`
//! query does.

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

/// Alternates between polling the driver and waiting for the socket.
#[derive(Debug)]
pub(super) struct PollLoop {
    socket: Arc<Socket>,
    woken: Arc<Woken>,
    waker: Waker,
}

impl PollLoop {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        let woken = Arc::new(Woken::default());
        Self { socket, waker: Waker::from(Arc::clone(&woken)), woken }
    }

    /// Polls, and repeats the poll as long as it has woken a future: that future can progress without the socket.
    pub(super) fn poll<T>(&self, mut poll_once: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let mut context = Context::from_waker(&self.waker);
        loop {
            self.woken.0.store(false, Relaxed);
            let done = poll_once(&mut context);
            if done.is_ready() || !self.woken.0.load(Relaxed) {
                return done;
            }
        }
    }

    /// Whether the last write found no room in the socket.
    pub(super) fn is_full(&self) -> bool {
        self.socket.is_full()
    }

    /// Waits until the socket is ready, for at most `at_most`.
    pub(super) fn sleep(&self, at_most: Option<Duration>) {
        let mut wanted = PollFlags::POLLIN;
        wanted.set(PollFlags::POLLOUT, self.is_full());
        let timeout = at_most.map_or(PollTimeout::NONE, |wait| {
            // Round up, so that the last millisecond is not a busy wait.
            let wait = wait.checked_add(Duration::from_millis(1)).unwrap_or(wait);
            PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(self.socket.as_fd(), wanted)], timeout) {
            // After a signal, the waiting thread just polls again.
            Ok(_) | Err(Errno::EINTR) => {}
            // The socket is valid, so the only other error is that the system is out of memory.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }

    /// Polls until a poll is ready, or until the deadline passes.
    pub(super) fn poll_until<T>(
        &self,
        deadline: Instant,
        mut poll_once: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        loop {
            if let Poll::Ready(done) = self.poll(&mut poll_once) {
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
