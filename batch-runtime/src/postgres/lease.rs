//! [`Lease`]: the time for which a process counts as alive, and with it the longest time for which its sessions wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The leases of this process: one for each repository on a server.
static OF_THIS_PROCESS: Mutex<Vec<Weak<Held>>> = Mutex::new(Vec::new());

/// A lease by the clock of the process that holds it: it runs from the moment when the last confirmed renewal was sent.
/// Clones are the same lease.
#[derive(Debug, Clone)]
pub(crate) struct Lease(Arc<Held>);

#[derive(Debug)]
struct Held {
    duration: Duration,
    /// When the last confirmed renewal was sent; `None` before the first launch.
    renewed: Mutex<Option<Instant>>,
}

/// The lease that bounds the waits of a session.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    /// This lease, for a session with the repository to which it belongs.
    Of(Lease),
    /// The leases of this process, for a session with a database that belongs to no repository. The work of the session
    /// is lost once all these leases are over.
    OfThisProcess,
}

impl Lease {
    pub(crate) fn new(duration: Duration) -> Self {
        let held = Arc::new(Held { duration, renewed: Mutex::default() });
        let mut all = guard(&OF_THIS_PROCESS);
        all.retain(|held| held.strong_count() > 0);
        all.push(Arc::downgrade(&held));
        Self(held)
    }

    pub(crate) fn duration(&self) -> Duration {
        self.0.duration
    }

    /// Returns whether others may have taken over what the process runs.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_over() == Some(true)
    }

    pub(crate) fn renewed_at(&self, sent: Instant) {
        *guard(&self.0.renewed) = Some(sent);
    }

    /// Returns to the state before the first launch.
    pub(crate) fn forget(&self) {
        *guard(&self.0.renewed) = None;
    }
}

impl Held {
    /// Returns whether the lease is over; `None` if it has not begun.
    fn is_over(&self) -> Option<bool> {
        guard(&self.renewed).map(|renewed| renewed.elapsed() >= self.duration)
    }
}

impl Bound {
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Of(lease) => lease.is_over(),
            Self::OfThisProcess => {
                let all = guard(&OF_THIS_PROCESS);
                let mut held =
                    all.iter().filter_map(Weak::upgrade).filter_map(|held| held.is_over()).peekable();
                held.peek().is_some() && held.all(|is_over| is_over)
            }
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
