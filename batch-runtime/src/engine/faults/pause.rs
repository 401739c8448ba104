//! Waits between the attempts of a retried call, and provides the time and the random numbers for jitter. Tests inject
//! their own [`Pause`].

use std::fmt;
use std::time::{Duration, Instant};

use crate::definition::StopSignal;

/// How a step waits between attempts. It is also the clock for `timeout` and `chunk_time`.
pub trait Pause: Send + Sync + fmt::Debug {
    /// Waits. Returns false if `stop` was raised before the wait was over.
    fn pause(&self, wait: Duration, stop: &StopSignal) -> bool;

    /// A random number in `0.0..1.0`, for the jitter of a backoff.
    fn random(&self) -> f64;

    /// The current time.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// Sleeps, and checks the stop signal fifty times a second.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sleep;

impl Pause for Sleep {
    fn pause(&self, wait: Duration, stop: &StopSignal) -> bool {
        stop.pause(wait).is_ok()
    }

    #[expect(clippy::cast_precision_loss, reason = "52 bits are all a jitter needs")]
    fn random(&self) -> f64 {
        (uuid::Uuid::new_v4().as_u128() >> 76) as f64 / (1_u64 << 52) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_at_once_when_the_job_is_asked_to_stop() {
        let stop = StopSignal::new();
        stop.raise();
        for wait in [Duration::from_hours(1), Duration::MAX] {
            assert!(!Sleep.pause(wait, &stop));
        }
    }

    #[test]
    fn random_numbers_are_between_zero_and_one() {
        assert!((0..1000).map(|_| Sleep.random()).all(|random| (0.0..1.0).contains(&random)));
    }
}
