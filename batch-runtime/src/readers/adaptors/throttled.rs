//! Slows a reader down to a rate that it shares with others.

use std::fmt;

use super::forward::forward_split;
use crate::definition::{BoxError, Progress, RateLimit, Reader, Splittable, StopSignal};

/// Reads no faster than a [`RateLimit`] allows; [`throttled`](super::ReaderExt::throttled) creates it.
///
/// Every record takes a turn, bad ones included. Clones of the limit share their turns, so the partitions of a step are
/// together as fast as the limit says. The wait for a turn ends when the job is asked to stop; the step then ends as
/// STOPPED, and a restart continues after the last commit.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::Throttled;
/// use batch_runtime::{InvalidRate, RateLimit};
///
/// /// The database that is read belongs to others.
/// #[resource]
/// fn courtesy() -> Result<RateLimit, InvalidRate> {
///     RateLimit::new(500, "1s")
/// }
///
/// #[reader]
/// fn orders(input: PathBuf, courtesy: &RateLimit) -> Result<Throttled<JsonLinesReader<u32>>, ReadError> {
///     Ok(JsonLinesReader::open(input)?.throttled(courtesy))
/// }
/// # fn main() {}
/// ```
pub struct Throttled<R> {
    inner: R,
    rate: RateLimit,
    stop: StopSignal,
    /// Whether the inner reader steps over its last error, noted before the error was boxed.
    steps_over: bool,
    /// The record that the error concerns.
    record: Option<String>,
}

impl<R> Throttled<R> {
    pub(super) fn new(inner: R, rate: RateLimit) -> Self {
        Self { inner, rate, stop: StopSignal::new(), steps_over: true, record: None }
    }
}

impl<R: Reader> Reader for Throttled<R> {
    type Item = R::Item;
    type Position = R::Position;
    type Error = BoxError;

    /// Returns the kind of the inner reader, because the positions are the same.
    fn kind() -> String {
        R::kind()
    }

    fn read(&mut self) -> Result<Option<R::Item>, BoxError> {
        if let Err(stopped) = self.rate.wait(&self.stop) {
            (self.steps_over, self.record) = (false, None);
            return Err(stopped.into());
        }
        self.inner.read().map_err(|error| {
            self.steps_over = self.inner.steps_over(&error);
            self.record = if self.steps_over { self.inner.record(&error) } else { None };
            error.into()
        })
    }

    const RECYCLES: bool = R::RECYCLES;

    #[inline]
    fn recycle(&mut self, item: R::Item) {
        self.inner.recycle(item);
    }

    fn position(&self) -> R::Position {
        self.inner.position()
    }

    fn resume(&mut self, position: R::Position) -> Result<(), BoxError> {
        self.inner.resume(position).map_err(Into::into)
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.stop = stop.clone();
        self.inner.stops_with(stop);
    }

    fn committed(&mut self, position: &R::Position) -> Result<(), BoxError> {
        self.inner.committed(position).map_err(Into::into)
    }

    fn steps_over(&self, _: &BoxError) -> bool {
        self.steps_over
    }

    fn record(&self, _: &BoxError) -> Option<String> {
        self.record.clone()
    }

    fn may_end_chunk(&self) -> bool {
        self.inner.may_end_chunk()
    }

    fn progress(&self) -> Option<Progress> {
        self.inner.progress()
    }

    fn location(&self) -> Option<String> {
        self.inner.location()
    }
}

impl<R: Splittable> Splittable for Throttled<R> {
    forward_split!(self => self.inner);
}

impl<R: fmt::Debug> fmt::Debug for Throttled<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttled")
            .field("inner", &self.inner)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use crate::definition::{Failure, RateLimit, Reader, StopSignal};
    use crate::engine::Pause;
    use crate::readers::tests::{Faulty, rest, restarts_everywhere, splits_everywhere};
    use crate::readers::{ReaderExt, VecReader};

    /// A clock that advances only when something waits.
    #[derive(Debug, Clone)]
    struct Clock {
        begin: Instant,
        waits: Arc<Mutex<Vec<Duration>>>,
    }

    impl Clock {
        fn new() -> Self {
            Self { begin: Instant::now(), waits: Arc::default() }
        }

        fn passed(&self) -> Duration {
            self.waits.lock().unwrap().iter().sum()
        }
    }

    impl Pause for Clock {
        fn pause(&self, wait: Duration, stop: &StopSignal) -> bool {
            self.waits.lock().unwrap().push(wait);
            !stop.is_raised()
        }

        fn random(&self) -> f64 {
            0.5
        }

        fn now(&self) -> Instant {
            self.begin + self.passed()
        }
    }

    fn rate(clock: &Clock) -> RateLimit {
        RateLimit::new(3, "1s").unwrap().pause(clock.clone())
    }

    #[test]
    fn it_reads_and_splits_as_the_inner_reader_does() {
        let clock = Clock::new();
        let rate = rate(&clock);
        restarts_everywhere(|| Faulty::new("1x2x34").throttled(&rate), &[1, 2, 3, 4]);
        restarts_everywhere(|| VecReader::new([1, 2, 3]).throttled(&rate).prefetch(2), &[1, 2, 3]);
        splits_everywhere(|| VecReader::new((0..7).collect::<Vec<_>>()).throttled(&rate));
        let mut reader = Faulty::new("1!2").throttled(&rate);
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error) && reader.location().as_deref() == Some("word 1"));
    }

    #[test]
    fn readers_with_clones_of_one_limit_share_its_turns() {
        let clock = Clock::new();
        let rate = rate(&clock);
        let mut readers: Vec<_> =
            (0..4).map(|_| VecReader::new([1, 2, 3]).throttled(&rate.clone())).collect();
        for _ in 0..3 {
            for reader in &mut readers {
                reader.read().unwrap();
            }
        }
        assert_eq!(clock.passed(), Duration::from_secs(3), "12 items, 3 a second, the first at once");
    }

    #[test]
    fn a_wait_ends_at_a_stop_with_the_position_after_the_last_item() {
        let clock = Clock::new();
        let mut reader = Faulty::new("x123456").throttled(&rate(&clock));
        let stop = StopSignal::new();
        reader.stops_with(&stop);
        for _ in 0..3 {
            drop(reader.read());
        }
        let before = reader.position();
        stop.raise();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error) && reader.record(&error).is_none());
        assert!(Failure::new(error).is_interrupted(), "the step ends as STOPPED");
        let mut restarted = Faulty::new("x123456").throttled(&rate(&clock));
        restarted.resume(before).unwrap();
        assert_eq!(rest(&mut restarted), [3, 4, 5, 6]);
    }
}
