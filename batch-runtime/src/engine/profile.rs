//! Measures where the time of a step goes. Short chunks are sampled, so that reading the clock costs almost nothing.

use std::time::{Duration, Instant};

use crate::repository::Profile;

/// A chunk that takes at least this long is always measured. Of shorter chunks one is measured for each group that takes
/// this long in total.
const WORTH_MEASURING: Duration = Duration::from_micros(20);

/// One in this many measured chunks is timed item by item: telling reading from processing takes two readings of the
/// clock for each item.
const ITEMS_ONE_IN: u32 = 16;

/// Decides which chunks are measured, and adds up their times. A measured chunk also stands for the unmeasured chunks
/// before it.
#[derive(Debug, Default)]
pub(crate) struct Profiler {
    /// The number of chunks until the next measured one.
    wait: u32,
    /// How many chunks the next measured one stands for.
    weight: u32,
    measured: u32,
    fill: u64,
    /// The reading time of the chunks that were timed item by item; `item_process` is their processing time.
    item_read: u64,
    item_process: u64,
    write: u64,
    commit: u64,
}

/// How a chunk is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Without reading the clock.
    No,
    /// Timed phase by phase.
    Phases,
    /// Timed item by item, which tells reading from processing.
    Items,
}

/// The phases of one measured chunk.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Phases {
    /// Reading and processing.
    pub(crate) fill: Duration,
    /// Reading alone, in a chunk that is timed item by item.
    pub(crate) read: Duration,
    /// Processing alone, in such a chunk.
    pub(crate) process: Duration,
    /// Writing.
    pub(crate) write: Duration,
    /// Everything else up to the end of the commit.
    pub(crate) commit: Duration,
}

impl Profiler {
    #[inline]
    pub(crate) fn next(&mut self) -> Measure {
        self.weight += 1;
        if self.wait > 0 {
            self.wait -= 1;
            return Measure::No;
        }
        if self.measured.is_multiple_of(ITEMS_ONE_IN) { Measure::Items } else { Measure::Phases }
    }

    pub(crate) fn add(&mut self, measure: Measure, phases: Phases) {
        let weight = u64::from(std::mem::take(&mut self.weight));
        self.fill += nanos(phases.fill) * weight;
        self.write += nanos(phases.write) * weight;
        self.commit += nanos(phases.commit) * weight;
        if measure == Measure::Items {
            self.item_read += nanos(phases.read);
            self.item_process += nanos(phases.process);
        }
        self.measured = self.measured.wrapping_add(1);
        let took = (phases.fill + phases.write + phases.commit).max(Duration::from_nanos(1));
        self.wait = u32::try_from(WORTH_MEASURING.as_nanos() / took.as_nanos()).unwrap_or(u32::MAX);
    }

    /// The shares of the phases in a loop that took `elapsed` in total. Times are scaled down if the measured chunks stand
    /// for more than that, as reading the clock makes short chunks longer.
    pub(crate) fn profile(&self, elapsed: Duration) -> Profile {
        let (measured, elapsed) = (self.fill + self.write + self.commit, nanos(elapsed));
        let scaled = |time: u64| if measured > elapsed { share(time, elapsed, measured) } else { time };
        let fill = scaled(self.fill);
        let read = match self.item_read + self.item_process {
            0 => fill,
            timed => share(fill, self.item_read, timed),
        };
        Profile { read, process: fill - read, write: scaled(self.write), commit: scaled(self.commit) }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// `part / whole` of `of`; `part` is at most `whole`.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole)).unwrap_or(of)
}

/// A stopwatch that reads the clock only if the chunk is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch(Option<Instant>);

impl Watch {
    #[inline]
    pub(crate) fn start(measure: Measure) -> Self {
        Self((measure != Measure::No).then(Instant::now))
    }

    /// A watch that always reads the clock.
    pub(crate) fn started() -> Self {
        Self(Some(Instant::now()))
    }

    /// The time since the last lap.
    #[inline]
    pub(crate) fn lap(&mut self) -> Duration {
        let Some(last) = self.0.as_mut() else { return Duration::ZERO };
        let now = Instant::now();
        let lap = now - *last;
        *last = now;
        lap
    }
}

/// A stopwatch for laps so short that the time for reading the clock must be subtracted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    last: Instant,
    cost: Duration,
}

impl Ticks {
    pub(crate) fn start() -> Self {
        let cost = (0..8).map(|_| Instant::now().elapsed()).min().unwrap_or_default();
        Self { last: Instant::now(), cost }
    }

    /// The time since the last lap, less the time for reading the clock.
    #[inline]
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = (now - self.last).saturating_sub(self.cost);
        self.last = now;
        lap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(fill: u64, read: u64) -> Phases {
        Phases {
            fill: Duration::from_micros(fill),
            read: Duration::from_micros(read),
            process: Duration::from_micros(fill - read),
            write: Duration::from_micros(1),
            commit: Duration::from_micros(2),
        }
    }

    #[test]
    fn all_long_chunks_are_measured_and_split_like_those_timed_item_by_item() {
        let mut profiler = Profiler::default();
        for _ in 0..3 {
            let measure = profiler.next();
            assert_ne!(measure, Measure::No);
            profiler.add(measure, phases(100, 75));
        }
        let profile = profiler.profile(Duration::from_secs(1));
        assert_eq!((profile.read, profile.process), (225_000, 75_000));
        assert_eq!((profile.write, profile.commit), (3_000, 6_000));
    }

    #[test]
    fn a_measured_short_chunk_stands_for_unmeasured_ones() {
        let mut profiler = Profiler::default();
        let mut measured = 0;
        for _ in 0..100 {
            let measure = profiler.next();
            if measure != Measure::No {
                measured += 1;
                profiler.add(measure, Phases { fill: Duration::from_micros(1), ..Phases::default() });
            }
        }
        assert!(measured < 10, "{measured}");
        let fill = |elapsed| {
            let profile = profiler.profile(elapsed);
            profile.read + profile.process
        };
        let unscaled = fill(Duration::from_secs(1));
        assert!((80_000..=100_000).contains(&unscaled), "{unscaled}");
        assert_eq!(fill(Duration::from_micros(40)), 40_000);
    }
}
