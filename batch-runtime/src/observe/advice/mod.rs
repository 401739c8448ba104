//! Finds out what a step spends its time on, and which setting would make the step faster.
//!
//! The model is that of operational analysis (Denning and Buzen, "The Operational Analysis of Queueing Network
//! Models", ACM Computing Surveys 10(3), 1978): a step cannot be faster than its busiest resource. Resources are the
//! reader, the threads that process, the thread of the step, and the cores. Each lever changes how much work a
//! resource has to do. The predicted time is the largest of the resulting demands: an estimate of a lower
//! bound, because the demands are measured under the old setting.

mod levers;
mod resource_demands;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use resource_demands::Demands;
pub(crate) use resource_demands::Settings;

use crate::repository::{Advice, Followed, Lever, Profile};

/// A step that takes less than this, in nanoseconds, is not compared with earlier advice.
pub(crate) const WORTH_A_LOOK: u64 = SHORTEST / 10;
/// A step that takes less than this, in nanoseconds, is fast enough and gets no advice.
const SHORTEST: u64 = 200_000_000;
/// A step with fewer chunks gets no advice, because it would be a guess.
const FEWEST_CHUNKS: u64 = 20;
/// A lever is mentioned if it saves at least this part of the time, in percent.
const LEAST_GAIN: u64 = 10;
/// Of two levers whose times differ by less, in percent, the smaller change is offered.
const AS_GOOD: u64 = 3;
/// If the thread of a step had to wait for a core for longer than this, in percent, the step gets no advice.
const MOST_DELAY: u64 = 20;

/// Returns advice for a step that read this many items, if a change would make it faster.
pub(crate) fn advise(profile: &Profile, settings: &Settings, items: u64, commits: u64) -> Option<Advice> {
    let usage = profile.usage.as_ref()?;
    if usage.elapsed < SHORTEST || commits < FEWEST_CHUNKS || items == 0 {
        return None;
    }
    if usage.delayed.is_some_and(|delayed| delayed > usage.elapsed / 100 * MOST_DELAY) {
        return None;
    }
    let demands = Demands::of(profile, usage, commits);
    let offers = levers::offers(&demands, settings);
    let fastest = offers.iter().map(|offer| offer.time).min()?;
    // The offers are ordered by the size of the change, the smallest first.
    let best = offers.into_iter().find(|offer| offer.time <= fastest + usage.elapsed / 100 * AS_GOOD)?;
    let gain = usage.elapsed.saturating_sub(best.time);
    (gain >= usage.elapsed / 100 * LEAST_GAIN).then_some(Advice {
        lever: best.lever,
        component: best.component,
        setting: best.setting,
        items,
        elapsed: usage.elapsed,
        predicted: best.time,
    })
}

/// Compares advice with an execution that followed it and read this many items.
pub(crate) fn follow(
    advice: &Advice,
    profile: &Profile,
    settings: &Settings,
    items: u64,
) -> Option<Followed> {
    let has = match advice.lever {
        Lever::Chunk => settings.chunk >= advice.setting,
        Lever::Threads => settings.threads >= advice.setting,
        Lever::Concurrency => settings.is_concurrent,
        Lever::Reader | Lever::Writer => false,
    };
    let took = profile.usage.as_ref()?.elapsed;
    let per_item = u128::from(advice.predicted) * u128::from(items);
    let predicted = u64::try_from(per_item / u128::from(advice.items.max(1))).ok()?;
    has.then_some(Followed { predicted, took })
}
