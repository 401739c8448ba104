//! Measures where the time of a step goes: by component, on all of its threads.
//!
//! Every thread of a step books its own time with a [`Profiler`]. Short chunks are sampled, so that reading the clock
//! costs almost nothing. When a step ends, [`StepWatch`] adds up its threads.

mod clock;
mod lanes;
mod laps;
mod step_watch;
mod usage;

use clock::Stopwatch;
pub(crate) use lanes::{CallsWatch, LaneWatch, Lanes};
pub(crate) use laps::{Laps, Timed, in_writer, writing};
pub(crate) use step_watch::StepWatch;

/// If a measured chunk took longer than this many nanoseconds, the next chunk is measured too. Otherwise, as many
/// chunks are passed over as would take about this long in total.
const WORTH_MEASURING: u64 = 20_000;

/// One in this many measured chunks is timed item by item, to tell the components of a chain apart.
const ITEMS_ONE_IN: u32 = 16;
/// One in this many measured chunks is timed by its CPU time too.
const CPU_ONE_IN: u32 = 64;
/// For each of the two clocks, timing single items takes at most one part in this many of a thread's time. Chunks of
/// cheap items are therefore timed item by item less often.
const COST_ONE_IN: u64 = 400;

/// The activity of a thread of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Waiting for another thread, or for calls in flight.
    Wait,
    /// Reading and processing, item by item.
    Fill,
    /// Reading.
    Read,
    /// Decoding records that were detached from the reader, while other threads may use the reader.
    Decode,
    /// Processing.
    Process,
    /// Writing.
    Write,
    /// Making a chunk durable and committing it.
    Commit,
}

/// The time of each activity, in nanoseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times([u64; 7]);

impl Times {
    pub(crate) fn of(&self, activity: Activity) -> u64 {
        self.0[activity as usize]
    }

    fn add(&mut self, activity: Activity, time: u64) {
        self.0[activity as usize] += time;
    }

    fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add_all(&mut self, other: &Self, weight: u64) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            *to += from * weight;
        }
    }

    /// Returns times in the same proportions whose sum is about `to`.
    fn scaled(&self, to: u64) -> Self {
        let sum = self.sum();
        Self(self.0.map(|time| share(to, time, sum)))
    }
}

/// The times of the chunk that a thread works on. Empty if the chunk is not measured: all methods then do nothing.
#[derive(Debug, Default)]
pub(crate) struct ChunkTimes {
    watch: Option<Stopwatch>,
    times: Times,
    cpu: Option<(Stopwatch, Times)>,
    /// The laps of reader and processors, if the chunk is timed item by item.
    pub(crate) items: Option<Laps>,
    /// The laps of the writers.
    pub(crate) writers: Option<Laps>,
}

impl ChunkTimes {
    /// Books the time since the last booking.
    #[inline]
    pub(crate) fn book(&mut self, activity: Activity) {
        if let Some(watch) = &mut self.watch {
            self.times.add(activity, watch.lap());
            if let Some((watch, times)) = &mut self.cpu {
                times.add(activity, watch.lap());
            }
        }
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.watch.is_some()
    }
}

/// Decides which chunks of a thread are measured, and adds up their times. The time of a measured chunk also counts
/// for the unmeasured chunks before it.
#[derive(Debug, Default)]
pub(crate) struct Profiler {
    /// The number of chunks until the next measured one.
    wait: u32,
    /// For how many chunks the time of the next measured one counts.
    weight: u32,
    measured: u32,
    /// How many nanoseconds must pass before items are timed again, by the wall clock and by CPU time.
    until_items: u64,
    until_cpu: u64,
    /// True if some chunks were not measured.
    is_sampled: bool,
    wall: Clocked,
    cpu: Clocked,
}

/// The times by one of the clocks.
#[derive(Debug, Default)]
struct Clocked {
    times: Times,
    /// The times of reader and processors, and of the writers, in chunks that are timed item by item. Only their
    /// proportions count.
    items: Vec<u64>,
    writers: Vec<u64>,
}

/// How a profiler measures the next chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detail {
    /// About how many items a chunk has.
    pub(crate) items: usize,
    /// Whether there are several writers to tell apart.
    pub(crate) writers: bool,
}

impl Profiler {
    /// Begins a chunk.
    #[inline]
    pub(crate) fn next(&mut self, detail: Detail) -> ChunkTimes {
        self.weight += 1;
        if self.wait > 0 {
            self.wait -= 1;
            self.is_sampled = true;
            return ChunkTimes::default();
        }
        let is_cpu_due = self.measured % CPU_ONE_IN == 1 && self.until_cpu == 0;
        let are_items_due = self.measured.is_multiple_of(ITEMS_ONE_IN) && self.until_items == 0;
        let cpu = is_cpu_due.then(|| (Stopwatch::cpu(), Times::default()));
        let closely = is_cpu_due || are_items_due;
        let watch = Stopwatch::wall();
        let of_laps = cpu.map_or(watch, |(watch, _)| watch);
        ChunkTimes {
            watch: Some(watch),
            times: Times::default(),
            cpu,
            items: closely.then(|| Laps::over(detail.items, of_laps)),
            writers: (closely && detail.writers).then(|| Laps::all(of_laps)),
        }
    }

    /// Ends the chunk.
    pub(crate) fn add(&mut self, chunk: &ChunkTimes) {
        if !chunk.is_measured() {
            return;
        }
        self.measured = self.measured.wrapping_add(1);
        let mut times = chunk.times;
        if let Some(laps) = &chunk.items {
            let filling = if times.of(Activity::Fill) > 0 { Activity::Fill } else { Activity::Process };
            let Times(by_activity) = &mut times;
            let time = &mut by_activity[filling as usize];
            *time = time.saturating_sub(laps.total_cost());
        }
        let by_laps = if chunk.cpu.is_some() { &mut self.cpu } else { &mut self.wall };
        for (sums, laps) in [(&mut by_laps.items, &chunk.items), (&mut by_laps.writers, &chunk.writers)] {
            add_shares(sums, laps.as_ref().map_or(&[], Laps::times));
        }
        if let Some((_, times)) = &chunk.cpu {
            self.cpu.times.add_all(times, 1);
        }
        let weight = u64::from(std::mem::take(&mut self.weight));
        self.wall.times.add_all(&times, weight);
        let passed = times.sum().saturating_mul(weight);
        self.until_items = self.until_items.saturating_sub(passed);
        self.until_cpu = self.until_cpu.saturating_sub(passed);
        if let Some(laps) = &chunk.items {
            let until = if chunk.cpu.is_some() { &mut self.until_cpu } else { &mut self.until_items };
            *until = laps.total_cost().saturating_mul(COST_ONE_IN);
        }
        self.wait = u32::try_from(WORTH_MEASURING / times.sum().max(1)).unwrap_or(u32::MAX);
    }

    /// Splits the time of a thread whose loop took `elapsed` in total, `cpu` of it on a core.
    pub(crate) fn split(&self, elapsed: u64, cpu: u64) -> Split {
        let times = &self.wall.times;
        // Measuring makes short chunks longer, and measured chunks also count for unmeasured ones, so scale the sum
        // to the real time.
        let times = if self.is_sampled || times.sum() > elapsed { times.scaled(elapsed) } else { *times };
        let by_cpu = if self.cpu.times.sum() == 0 { &self.wall } else { &self.cpu };
        Split {
            wall: Parts::of(times, &self.wall),
            cpu: Parts::of(by_cpu.times.scaled(cpu), by_cpu),
            locked: times.of(Activity::Read),
        }
    }
}

fn add_shares(sums: &mut Vec<u64>, times: &[u64]) {
    if sums.len() < times.len() {
        sums.resize(times.len(), 0);
    }
    for (sum, time) in sums.iter_mut().zip(times) {
        *sum += time;
    }
}

/// Where the time of one thread went, by both clocks.
#[derive(Debug, Default, Clone)]
pub(crate) struct Split {
    pub(crate) wall: Parts,
    pub(crate) cpu: Parts,
    /// The wall time of reading during which no other thread could read.
    pub(crate) locked: u64,
}

/// The times of the components, by one clock.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) wait: u64,
    pub(crate) read: u64,
    /// The time of each processor, in their order.
    pub(crate) processors: Vec<u64>,
    /// The time of each writer, in their order. A classifier comes before the writers of its arms.
    pub(crate) writers: Vec<u64>,
    pub(crate) commit: u64,
}

impl Parts {
    fn of(times: Times, shares: &Clocked) -> Self {
        let (first, later) = shares.items.split_first().unwrap_or((&0, &[]));
        let all = first + later.iter().sum::<u64>();
        let fill = times.of(Activity::Fill);
        let filled = if all == 0 { fill } else { share(fill, *first, all) };
        Self {
            wait: times.of(Activity::Wait),
            read: filled + times.of(Activity::Read) + times.of(Activity::Decode),
            processors: divided(fill - filled + times.of(Activity::Process), later),
            writers: divided(times.of(Activity::Write), &shares.writers),
            commit: times.of(Activity::Commit),
        }
    }

    /// Adds the times of another thread.
    fn add(&mut self, other: &Self) {
        self.wait += other.wait;
        self.read += other.read;
        add_shares(&mut self.processors, &other.processors);
        add_shares(&mut self.writers, &other.writers);
        self.commit += other.commit;
    }
}

/// Divides a time in these proportions. If there are none, the first part is the whole time.
fn divided(time: u64, shares: &[u64]) -> Vec<u64> {
    let all: u64 = shares.iter().sum();
    if all == 0 {
        return if time == 0 { Vec::new() } else { vec![time] };
    }
    let mut parts: Vec<u64> = shares.iter().map(|part| share(time, *part, all)).collect();
    // Rounding loses a few nanoseconds, which must not be missing in the sum.
    let rest = time - parts.iter().sum::<u64>();
    if let Some(largest) = parts.iter_mut().max() {
        *largest += rest;
    }
    parts
}

/// `part / whole` of `of`; `part` is at most `whole`.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    u64::try_from(u128::from(of) * u128::from(part) / u128::from(whole)).unwrap_or(of)
}

#[cfg(test)]
mod tests;
