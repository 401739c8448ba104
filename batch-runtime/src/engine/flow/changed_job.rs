//! Checks that a job still fits what an instance has done, because the job may have been edited in the meantime.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::engine::flow::journal::{FAILED, Journal};
use crate::engine::flow::journal_walk::{Halt, Replay};
use crate::engine::flow::renames::{Renames, name_in};
use crate::engine::flow::step_form::Form;
use crate::engine::flow::steps::steps_by_name;
use crate::engine::flow::walk::{Region, walk};
use crate::graph::{Activity, Node};
use crate::repository::{JournalEntry, Renamed, SoFar, UnfinishedStep};

/// Checks that the body still fits what an instance has done. Returns the steps that have another name now. `passed`
/// holds the places that a replay does not run again; it is empty if this is not a replay.
///
/// # Errors
/// The first place that was passed and is no longer reached, or the first step that was begun and that the body cannot
/// continue.
pub(crate) fn check(
    nodes: &'static [Node],
    passed: &[JournalEntry],
    so_far: &SoFar<'_>,
) -> Result<Vec<Renamed>, String> {
    let renames = Renames::of(nodes);
    let recorded = so_far.journal.iter().map(|entry| entry.path.as_str());
    let needed = renames.needed(recorded.chain(so_far.unfinished.iter().map(|step| step.step.as_str())))?;
    let entries = passed
        .iter()
        .chain(so_far.journal)
        .map(|entry| renames.entry(entry))
        .collect::<Result<Vec<_>, _>>()?;
    let journal = Journal::new(entries.iter().cloned());
    let mut replay = Replay::of(&journal);
    if let Err(Halt::Mismatch(what)) = walk(nodes, &mut replay) {
        return Err(what);
    }
    // Once an outcome has changed, places that were passed after it may be ahead of where the job continues.
    let ahead = journal.rerouted.then(|| Region::all(nodes));
    let is_ahead = |path: &str| ahead.as_ref().is_some_and(|ahead| ahead.contains(path));
    let mut entries = journal.entries().into_iter();
    if let Some(entry) = entries.find(|entry| !replay.met.contains(&entry.path) && !is_ahead(&entry.path)) {
        return Err(format!(
            "it has passed `{}` ({}), which the job no longer reaches",
            entry.path, entry.outcome
        ));
    }
    let steps = steps_by_name(nodes);
    for step in so_far.unfinished {
        let path = renames.path(&step.step)?;
        let known = steps.get(name_in(&path)).copied();
        let is_known = match journal.at(&path) {
            Some(entry) if entry.outcome == FAILED => replay.failed.contains(&path),
            Some(_) => known.is_some_and(|step| step.options.allow_start_if_complete),
            None => is_ahead(&path),
        };
        let activity = match (is_known, known) {
            (true, Some(known)) => Some(Activity::Step(known)),
            // A nested job checks its own journal.
            (true, None) => continue,
            // The step was passed and does not run again, so nothing continues from its checkpoint.
            (false, _) if journal.at(&path).is_some() => continue,
            (false, _) => replay.fronts.get(&path).copied(),
        };
        check_continues(nodes, step, activity, &replay.fronts)?;
    }
    Ok(needed)
}

/// Fails if the body does not continue a step that was begun, or if the step now has another form.
fn check_continues(
    nodes: &'static [Node],
    step: &UnfinishedStep,
    activity: Option<Activity>,
    fronts: &BTreeMap<String, Activity>,
) -> Result<(), String> {
    let was = step.form.as_deref().map(Form::parse);
    let elsewhere = was.as_ref().is_some_and(|was| was.as_ref().is_none_or(Form::commits_elsewhere));
    if !step.has_committed && !elsewhere {
        return Ok(());
    }
    let done = match (step.commits, step.written) {
        (0, _) => "was begun".to_owned(),
        (1, written) => format!("has committed one chunk with {written} items"),
        (commits, written) => format!("has committed {commits} chunks with {written} items"),
    };
    let name = &step.step;
    let Some(activity) = activity else {
        return Err(if steps_by_name(nodes).contains_key(name_in(name)) {
            format!("step `{name}` {done}, but the job now reaches it by another path")
        } else {
            let hint = rename_hint(nodes, name, fronts);
            format!("step `{name}` {done}, but the job no longer has a step of that name{hint}")
        });
    };
    match (was, Form::of(activity)) {
        (Some(None), _) => Err(format!(
            "step `{name}` {done}, but it was begun by a version of the framework that records steps differently"
        )),
        (Some(Some(was)), Some(now)) => match was.differs(&now) {
            Some(differs) => Err(format!("step `{name}` {done}; it {differs}")),
            None => Ok(()),
        },
        (None, _) | (_, None) => Ok(()),
    }
}

/// A hint that one of the next steps may be the missing step under a new name.
fn rename_hint(nodes: &'static [Node], gone: &str, fronts: &BTreeMap<String, Activity>) -> String {
    let steps = steps_by_name(nodes);
    let next: Vec<_> =
        fronts.keys().map(|path| name_in(path)).filter(|name| steps.contains_key(name)).collect();
    if next.is_empty() {
        return String::new();
    }
    let gone = name_in(gone);
    format!(
        "; if `{}` is its new name, write `#[step(renamed_from = \"{gone}\")]` there, or name it `{gone}` again",
        next.join("` or `")
    )
}
