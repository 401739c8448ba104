//! The steps of an execution: counters, times, and the progress of running ones.

use maud::{Markup, html};

use super::parts;
use crate::observe::{StepProgress, words};
use crate::operator::ExecutionDetails;
use crate::repository::{Counters, OwnerState, RunningStep, StepExecution};

/// The most partitions that are listed: nobody could read a page with more.
const PARTITIONS: usize = 200;
/// The counters that are shown, in this order.
const COUNTS: [&str; 5] = ["Read", "Filtered", "Written", "Skipped", "Commits"];

/// The table of the steps.
pub(super) fn table(details: &ExecutionDetails) -> Markup {
    let (partitions, steps): (Vec<_>, Vec<_>) =
        details.steps.iter().partition(|step| step.name.contains(":partition"));
    html! {
        @if steps.is_empty() {
            p.empty { "No step has begun." }
        } @else {
            (rows(details, &steps))
        }
        @if !partitions.is_empty() {
            details #partitions {
                summary { (words::count(partitions.len() as u64)) " partitions" }
                (rows(details, &partitions[..partitions.len().min(PARTITIONS)]))
                @if partitions.len() > PARTITIONS {
                    p.soft { "Only the first " (PARTITIONS) " are listed: the JSON has all of them." }
                }
            }
        }
    }
}

fn rows(details: &ExecutionDetails, steps: &[&StepExecution]) -> Markup {
    html! {
        div.table {
            table.cards {
                thead {
                    tr {
                        th { "Step" } th { "Status" } @for label in COUNTS { th.number { (label) } } th.number { "Took" }
                        th.number { "Items/s" }
                    }
                }
                @for step in steps { tbody { (row(details, step)) } }
            }
        }
    }
}

fn row(details: &ExecutionDetails, step: &StepExecution) -> Markup {
    let running = details.running.iter().find(|running| running.id == step.id);
    let counters = running.map_or(step.counters, |running| running.counters);
    let is_dead = details.owner_state == Some(OwnerState::Dead) && step.status.is_running();
    let end = step.ended.unwrap_or(if is_dead { step.updated } else { details.seen });
    let took = step.started.map(|started| words::between(started, end));
    let rate = running.map_or_else(
        || took.filter(|_| counters.read > 0).and_then(|took| words::rate(counters.read, took)),
        |running| StepProgress::from(running).rate(),
    );
    let before = details.before.get(&step.name).copied().unwrap_or_default();
    let mut all = before;
    all += counters;
    html! {
        tr #{ "step-" (step.id) } {
            th scope="row" { (words::line(&step.name, 100)) }
            td { (parts::status(step.status, details.owner_state.filter(|_| is_dead))) }
            (counts(&counters))
            td.number data-label="Took" { (parts::duration(took)) }
            td.number data-label="Items/s" { @if let Some(rate) = rate { (words::count(rate)) } }
        }
        @if let Some(running) = running.filter(|_| !is_dead) { tr.under { td colspan="9" { (progress(running)) } } }
        @if shown(&before).iter().any(|count| *count > 0) {
            @for (label, counters) in [("before", before), ("in all", all)] {
                tr.under.soft { td { (label) } td {} (counts(&counters)) td {} td {} }
            }
        }
    }
}

fn counts(counters: &Counters) -> Markup {
    html! {
        @for (label, count) in COUNTS.iter().zip(shown(counters)) {
            td.number data-label=(label) { (words::count(count)) }
        }
    }
}

fn shown(counters: &Counters) -> [u64; 5] {
    [counters.read, counters.filter, counters.write, counters.skips(), counters.commit]
}

/// The progress of a running step, and how long it will take.
fn progress(running: &RunningStep) -> Markup {
    let progress = StepProgress::from(running);
    html! {
        div.progress {
            @match progress.percent() {
                Some(percent) => { progress max="100" value=(percent) {} span.number { (percent) " %" } }
                None => progress {}
            }
            @if let Some(left) = progress.left_in_words() { span.number { (left) " left" } }
            @if let Some(of) = running.partitions {
                span.number { (of.complete) " of " (of.total) " partitions complete" }
            }
        }
    }
}
