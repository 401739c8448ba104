//! Measures two pieces of work, taking turns in one process.

use std::time::{Duration, Instant};

use crate::Outcome;

/// The same work, done by the framework and by hand, once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) ours: Duration,
    pub(crate) by_hand: Duration,
}

impl Pair {
    pub(crate) fn ratio(self) -> f64 {
        self.ours.as_secs_f64() / self.by_hand.as_secs_f64()
    }

    /// The additional nanoseconds of the framework per item, for this many items.
    pub(crate) fn nanoseconds_more(self, items: u64) -> f64 {
        (self.ours.as_secs_f64() - self.by_hand.as_secs_f64()) * 1e9 / items as f64
    }
}

/// The time that a piece of work takes.
pub(crate) fn time(work: impl FnOnce() -> Outcome) -> Outcome<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

/// Measures both sides this many times, A B B A A B …, so that a machine that slows down does so for both.
///
/// A side times itself, so that its preparation and cleanup do not count. Both run once before, unmeasured.
pub(crate) fn interleaved(
    rounds: usize,
    mut ours: impl FnMut() -> Outcome<Duration>,
    mut by_hand: impl FnMut() -> Outcome<Duration>,
) -> Outcome<Vec<Pair>> {
    ours()?;
    by_hand()?;
    (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                let ours = ours()?;
                Ok(Pair { ours, by_hand: by_hand()? })
            } else {
                let by_hand = by_hand()?;
                Ok(Pair { ours: ours()?, by_hand })
            }
        })
        .collect()
}

/// The median of several measurements, and their spread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(measured: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = measured.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self { median: f64::NAN, min: f64::NAN, max: f64::NAN };
        };
        let half = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) };
        Self { median, min, max }
    }
}

/// The median of the times of one side, in seconds.
pub(crate) fn median_seconds(pairs: &[Pair], side: impl Fn(&Pair) -> Duration) -> f64 {
    Spread::of(pairs.iter().map(|pair| side(pair).as_secs_f64())).median
}
