//! Says in one line where the time of a step went.

use crate::observe::words;
use crate::repository::{ComponentTime, Profile, StepUsage};

/// A component mostly waits if it computes for less than a third of its time, and takes at least `LONG_ENOUGH`
/// nanoseconds.
const MOSTLY_WAITS: u64 = 3;
const LONG_ENOUGH: u64 = 50_000_000;
/// Growth of the memory is reported if it is at least this share of the peak memory, in percent, and at least this many
/// bytes.
const GROWTH_PERCENT: u64 = 25;
const GROWTH_BYTES: u64 = 16 << 20;

/// The components of a step with their shares of its time, and what else it did. With several threads the shares add up to
/// more than the whole, as those of the programs in `top` do.
pub(super) fn shares(profile: &Profile) -> Option<String> {
    let Profile { read, process, write, commit, components, usage, .. } = profile;
    let Some(usage) = usage else {
        let shares = words::percents(&[*read, *process, *write, *commit])?;
        let names = ["reading", "processing", "writing", "committing"];
        let shares = names.iter().zip(shares).map(|(name, share)| format!("{name} {share} %"));
        return Some(shares.collect::<Vec<_>>().join(", "));
    };
    let percents = percents(components, usage)?;
    let mut parts: Vec<String> = Vec::new();
    for (component, percent) in components.iter().zip(&percents) {
        parts.push(format!("{} {percent} %{}", shown(component), remark(component, *percent)));
    }
    let mut others: Vec<_> =
        others(components, usage).into_iter().zip(&percents[components.len()..]).collect();
    others.retain(|(_, percent)| **percent > 0);
    parts.extend(others.iter().map(|((name, _), percent)| format!("{name} {percent} %")));
    let threads = match usage.threads {
        0 => String::new(),
        1 => " (on 1 more thread)".to_owned(),
        threads => format!(" (on {threads} more threads)"),
    };
    Some(format!("{}{threads}{}", parts.join(", "), growth(usage)))
}

/// The activities of a step besides its components, with their times.
fn others(components: &[ComponentTime], usage: &StepUsage) -> Vec<(&'static str, u64)> {
    let mut others = vec![("waiting", usage.wait), ("opening", usage.open), ("finishing", usage.finish)];
    if usage.threads == 0 {
        let booked: u64 = components.iter().map(|component| component.wall).sum();
        let booked = booked + usage.wait + usage.open + usage.finish;
        others.push(("other", usage.elapsed.saturating_sub(booked)));
    }
    others
}

/// The shares of the components and of the others, in percent of the time that the step took.
fn percents(components: &[ComponentTime], usage: &StepUsage) -> Option<Vec<u64>> {
    let others = others(components, usage);
    let times = components.iter().map(|component| component.wall).chain(others.iter().map(|(_, time)| *time));
    let times: Vec<u64> = times.collect();
    if usage.threads == 0 {
        return words::percents(&times);
    }
    let percent =
        |time: &u64| (u128::from(*time) * 100 + u128::from(usage.elapsed / 2)) / u128::from(usage.elapsed);
    (usage.elapsed > 0)
        .then(|| times.iter().map(|time| u64::try_from(percent(time)).unwrap_or(u64::MAX)).collect())
}

fn shown(component: &ComponentTime) -> String {
    match component.role.as_str() {
        "commit" => "committing".to_owned(),
        _ => words::line(&component.name, 40),
    }
}

fn remark(component: &ComponentTime, percent: u64) -> &'static str {
    let waits = component.role != "commit"
        && percent >= 10
        && component.wall >= LONG_ENOUGH
        && component.cpu < component.wall / MOSTLY_WAITS;
    if waits { " (mostly waiting)" } else { "" }
}

fn growth(usage: &StepUsage) -> String {
    let grown = usage.memory_growth.and_then(|growth| u64::try_from(growth).ok()).unwrap_or(0);
    let much = usage.peak_memory.unwrap_or(0) / 100 * GROWTH_PERCENT;
    if grown < GROWTH_BYTES.max(much) {
        return String::new();
    }
    format!("; memory grew by {} MB after its first chunks", grown >> 20)
}
