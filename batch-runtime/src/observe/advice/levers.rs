//! The levers that could make a step faster, each with the predicted time of the step.

use super::resource_demands::{Demands, Settings};
use crate::repository::Lever;

/// A change of a lever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) lever: Lever,
    /// The component that the lever changes.
    pub(super) component: Option<String>,
    /// The new value of the setting; 0 if there is no setting.
    pub(super) setting: u64,
    /// How long the step would take after the change.
    pub(super) time: u64,
}

/// A larger chunk is offered if commits without rows would take at least this part of the time, in percent. The chunk
/// is large enough if they then take at most `COMMITS_LEFT` percent.
const COMMITS_COST: u64 = 10;
const COMMITS_LEFT: u64 = 3;
const LARGER: [u64; 3] = [2, 5, 10];
/// A processor mostly waits if it computes for less than this part of its time, in percent. Its calls are worth
/// running concurrently if it takes at least `WORTH_WAITING_FOR` percent of the step's time.
const COMPUTES: u64 = 30;
const WORTH_WAITING_FOR: u64 = 20;
/// No more concurrent calls than this are proposed, because the called service has to cope with them.
const MOST_CALLS: u64 = 64;
const MOST_THREADS: u64 = 16;
/// A step that computes for less than this part of its time, in percent, gets twice the threads that it needs on
/// average.
const MOSTLY_COMPUTES: u64 = 70;
/// Threads that compute on all cores make each other wait: for this part of the time, in percent, and also for
/// `HANDOVER` nanoseconds before each finished chunk is written. Both values were measured on two cores.
const CROWDED: u64 = 5;
const HANDOVER: u64 = 100_000;
/// If no lever helps, the largest activity is named if it takes at least this part of the time, in percent.
const MUCH_WRITING: u64 = 40;
const MUCH_READING: u64 = 50;
/// A thread or a core that is busy for at least this part of the time, in percent, has no capacity left.
const BUSY: u64 = 90;
const CORES_BUSY: u64 = 80;

/// Returns the levers that help, ordered by the size of the change, the smallest first.
pub(super) fn offers(demands: &Demands, settings: &Settings) -> Vec<Offer> {
    let alone = settings.threads <= 1 && !settings.is_concurrent;
    let levers = [
        larger_chunk(demands, settings),
        if alone { threads(demands, settings) } else { more_threads(demands, settings) },
        if alone { concurrency(demands) } else { None },
    ];
    let offers: Vec<_> = levers.into_iter().flatten().collect();
    if offers.iter().any(|offer| offer.time < demands.elapsed / 10 * 9) {
        return offers;
    }
    bound(demands).into_iter().collect()
}

/// Offers a larger `chunk`, which saves commits.
fn larger_chunk(demands: &Demands, settings: &Settings) -> Option<Offer> {
    // A commit without rows cannot cost more than the commits of this step, which have rows.
    let empty = settings.empty_commit.min(demands.commit / demands.commits);
    let all = empty * demands.commits;
    if settings.has_own_ends || demands.share(all) < COMMITS_COST {
        return None;
    }
    let left = |times: u64| empty * demands.commits.div_ceil(times);
    let times = LARGER.into_iter().find(|times| demands.share(left(*times)) <= COMMITS_LEFT).unwrap_or(10);
    let saved = all - left(times);
    // With threads, commits count only as far as the other threads wait for them.
    let time = match demands.threads {
        0 => demands.elapsed.saturating_sub(saved),
        _ => demands.elapsed.saturating_sub(saved.min(own(demands).saturating_sub(busiest_thread(demands)))),
    };
    Some(Offer { lever: Lever::Chunk, component: None, setting: settings.chunk * times, time })
}

/// The time of the work that only the thread of the step does.
fn own(demands: &Demands) -> u64 {
    demands.write + demands.commit
}

/// The demand on the busiest of the other resources of a step with threads.
fn busiest_thread(demands: &Demands) -> u64 {
    let busy = demands.threads_elapsed.saturating_sub(demands.threads_wait) / demands.threads.max(1);
    busy.max(demands.locked).max(demands.cpu / demands.cores)
}

/// Offers `threads`: the smallest number that brings nearly all of the gain.
fn threads(demands: &Demands, settings: &Settings) -> Option<Offer> {
    if settings.has_state || demands.cores < 2 {
        return None;
    }
    let time = |threads: u64| {
        let filling = (demands.read + demands.process()) / threads;
        // Readers that can be shared read one chunk at a time.
        demands.read.max(filling).max(own(demands)).max(on_cores(demands, threads)) + demands.fixed
    };
    let candidates = 2..=demands.cores.max(4);
    let least = candidates.clone().map(time).min()?;
    let least = candidates.into_iter().find(|threads| time(*threads) <= least + least / 20)?;
    // Waiting threads leave cores to others, but not always at the moment when the others need them. A processor that
    // mostly waits gets `concurrency` instead, because calls in flight cost less than threads.
    let waits = demands.share(demands.cpu) < MOSTLY_COMPUTES && concurrency(demands).is_none();
    let threads = if waits { (2 * least).min(MOST_THREADS) } else { least };
    Some(Offer { lever: Lever::Threads, component: None, setting: threads, time: time(threads) })
}

/// The time that the cores need for everything that this many threads and the thread of the step compute.
fn on_cores(demands: &Demands, threads: u64) -> u64 {
    let time = demands.cpu / (threads + 1).min(demands.cores);
    if threads < demands.cores {
        return time;
    }
    time + time / 100 * CROWDED + demands.commits * HANDOVER
}

/// Offers more `threads`, if the present ones are busy and the cores are not.
fn more_threads(demands: &Demands, settings: &Settings) -> Option<Offer> {
    if demands.threads == 0 || settings.is_concurrent {
        return None;
    }
    let busy = demands.threads_elapsed.saturating_sub(demands.threads_wait);
    let workers = busy * 100 / demands.threads_elapsed.max(1);
    let cores = demands.share(demands.cpu / demands.cores);
    if workers < BUSY || cores >= CORES_BUSY {
        return None;
    }
    let others = demands.locked.max(own(demands));
    let limit = others.max(demands.cpu / demands.cores).max(1);
    let threads = busy.div_ceil(limit).clamp(demands.threads + 1, MOST_THREADS.max(demands.threads + 1));
    let time = others.max(busy / threads).max(on_cores(demands, threads));
    Some(Offer { lever: Lever::Threads, component: None, setting: threads, time: time + demands.fixed })
}

/// Offers `concurrency` for a processor that mostly waits.
fn concurrency(demands: &Demands) -> Option<Offer> {
    let waits = |(_, wall, cpu): &&(String, u64, u64)| {
        *cpu * 100 < *wall * COMPUTES && demands.share(*wall) >= WORTH_WAITING_FOR
    };
    let (name, wall, _) = demands.processors.iter().filter(waits).max_by_key(|(_, wall, _)| *wall)?;
    let rest = demands.elapsed.saturating_sub(*wall).saturating_sub(demands.fixed);
    // Offer twice as many calls as are in flight on average, because calls do not end at regular intervals.
    let calls = (2 * wall).div_ceil(rest.max(1)).clamp(2, MOST_CALLS);
    // The calls compute on other threads.
    let time = rest.max(wall / calls).max(demands.cpu / demands.cores) + demands.fixed;
    Some(Offer { lever: Lever::Concurrency, component: Some(name.clone()), setting: calls, time })
}

/// Names the largest activity, for a step that no setting makes faster.
fn bound(demands: &Demands) -> Option<Offer> {
    let (read, write) = (demands.share(demands.read), demands.share(demands.write));
    let (lever, component, time) = if write >= MUCH_WRITING && write >= read {
        (Lever::Writer, &demands.writer, demands.write)
    } else if read >= MUCH_READING && demands.threads == 0 {
        (Lever::Reader, &demands.reader, demands.read)
    } else {
        return None;
    };
    let time = demands.elapsed.saturating_sub(time);
    Some(Offer { lever, component: Some(component.clone()), setting: 0, time })
}
