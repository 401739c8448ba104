//! Says in one line where the time of a step went.

use crate::observe::words;
use crate::repository::{ComponentTime, Profile, StepUsage};

/// A component mostly waits if it computes for less than a third of its time, and takes at least `LONG_ENOUGH`
/// nanoseconds.
const MOSTLY_WAITS: u64 = 3;
const LONG_ENOUGH: u64 = 50_000_000;
/// Growth of the memory is reported if it is at least `GROWTH_PERCENT` of the peak memory and at least
/// `GROWTH_BYTES`.
const GROWTH_PERCENT: u64 = 25;
const GROWTH_BYTES: u64 = 16 << 20;

/// The components of a step with their shares of its time, and what else it did. With several threads the shares may
/// add up to more than 100 %, as those of the programs in `top` do.
pub(super) fn shares(profile: &Profile) -> Option<String> {
    let parts = parts(profile)?;
    let parts: Vec<String> =
        parts.iter().map(|part| format!("{} {} %{}", part.name, part.percent, part.remark)).collect();
    let parts = parts.join(", ");
    let Some(usage) = &profile.usage else { return Some(parts) };
    let threads = match usage.threads {
        0 => String::new(),
        1 => " (on 1 more thread)".to_owned(),
        threads => format!(" (on {threads} more threads)"),
    };
    Some(format!("{parts}{threads}{}", growth(usage)))
}

/// A part of the time of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// `reader`, `processor`, `classifier`, `writer` or `commit`; empty if no component did this part.
    #[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the page has colours for it"))]
    pub(crate) role: String,
    /// The time of this part, in nanoseconds.
    #[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the page shows it"))]
    pub(crate) time: u64,
    pub(crate) percent: u64,
    pub(crate) remark: &'static str,
}

/// The parts of the time of a step: its components in their order, then what else it did.
pub(crate) fn parts(profile: &Profile) -> Option<Vec<Part>> {
    let Profile { read, process, write, commit, components, usage, .. } = profile;
    let part = |name: &str, role: &str, time, percent| {
        let (name, role) = (name.to_owned(), role.to_owned());
        Part { name, role, time, percent, remark: "" }
    };
    let Some(usage) = usage else {
        let times = [*read, *process, *write, *commit];
        let names = ["reading", "processing", "writing", "committing"];
        let roles = ["reader", "processor", "writer", "commit"];
        let all = names.iter().zip(roles).zip(times).zip(words::percents(&times)?);
        return Some(all.map(|(((name, role), time), percent)| part(name, role, time, percent)).collect());
    };
    let percents = percents(components, usage)?;
    let mut parts: Vec<Part> = Vec::new();
    for (component, percent) in components.iter().zip(&percents) {
        let remark = remark(component, *percent);
        parts.push(Part { remark, ..part(&shown(component), &component.role, component.wall, *percent) });
    }
    let others = others(components, usage).into_iter().zip(&percents[components.len()..]);
    let others = others.filter(|(_, percent)| **percent > 0);
    parts.extend(others.map(|((name, time), percent)| part(name, "", time, *percent)));
    Some(parts)
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
