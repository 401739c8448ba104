//! `show --follow`: watches an execution that is running in another process, until the execution has ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arguments::Globals;
use super::console::Console;
use super::run::code_of;
use super::show;
use crate::definition::{ExecutionId, StepExecutionId, StopSignal};
use crate::frontend::json;
use crate::frontend::refusal::{Refusal, exit};
use crate::observe::progress::Show;
use crate::observe::step_progress::ended;
use crate::observe::{Observer as _, Progress, StepLive, StepProgress, Summary, words};
use crate::operator::{ExecutionDetails, JobOperator};
use crate::repository::{OwnerState, RunningStep};

/// The time between two queries of the repository.
const BARS_INTERVAL: Duration = Duration::from_millis(500);
const LINES_INTERVAL: Duration = Duration::from_secs(1);
/// The time between two checks for a signal.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);
/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// `show --follow`. Returns the code that `run` would return.
pub(super) fn follow(
    operator: &JobOperator,
    id: ExecutionId,
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    let mut shown = match (globals.json, console.bars && console.is_terminal()) {
        (true, _) => Shown::Json { last: String::new() },
        (false, true) => Shown::bars(console),
        (false, false) => Shown::Lines { last: None, running: BTreeMap::new() },
    };
    loop {
        let details = operator.show(id)?;
        let is_over = matches!(details.owner_state, None | Some(OwnerState::Dead));
        if is_over {
            shown.end(&details, console);
            if !globals.json {
                show::print(&details, console);
            }
            return Ok(match details.owner_state {
                None => code_of(details.execution.status),
                Some(_) => exit::FAILED,
            });
        }
        shown.show(&details, console);
        let until = Instant::now() + shown.pause();
        while Instant::now() < until {
            if console.stop.is_raised() {
                return Ok(INTERRUPTED);
            }
            std::thread::sleep(SIGNAL_INTERVAL);
        }
    }
}

/// A way of showing the execution, with the state that it showed last.
enum Shown {
    Bars {
        progress: Progress,
        running: BTreeMap<StepExecutionId, Arc<StepLive>>,
    },
    /// The headline without its time, and the line of each running step.
    Lines {
        last: Option<OwnerStatus>,
        running: BTreeMap<StepExecutionId, String>,
    },
    /// One document per line.
    Json {
        last: String,
    },
}

/// Everything in the headline except the time.
type OwnerStatus = (crate::repository::BatchStatus, Option<OwnerState>);

impl Shown {
    fn bars(console: &Console) -> Self {
        // Ctrl-C ends only the display, so it does not announce the stop of a job.
        let progress = Progress::new(Show::Bars, false, StopSignal::new(), Box::new(console.err.clone()));
        Self::Bars { progress, running: BTreeMap::new() }
    }

    fn pause(&self) -> Duration {
        if matches!(self, Self::Bars { .. }) { BARS_INTERVAL } else { LINES_INTERVAL }
    }

    fn show(&mut self, details: &ExecutionDetails, console: &Console) {
        let steps = || details.running.iter().filter(|step| !is_partition(step, &details.running));
        match self {
            Self::Json { last } => {
                let document = json::Recorded::of(&details.execution, details.owner_state, &details.running);
                print_if_new(serde_json::to_string(&document), last, console);
            }
            Self::Bars { progress, running } => {
                running.retain(|id, live| {
                    let runs = steps().any(|step| step.id == *id);
                    if !runs {
                        progress.forget(live.name());
                    }
                    runs
                });
                for step in steps() {
                    running.entry(step.id).or_insert_with(|| {
                        let live = Arc::new(StepLive::of_other(step, details.seen));
                        progress.step_started(&live);
                        live
                    });
                    running[&step.id].follow(step);
                }
            }
            Self::Lines { last, running } => {
                let now = (details.execution.status, details.owner_state);
                if *last != Some(now) {
                    *last = Some(now);
                    console.out.line(Summary::from(details).headline());
                }
                say_what_ended(running, details, console);
                for step in steps() {
                    let line = StepProgress::line_of(step);
                    if running.get(&step.id) != Some(&line) {
                        console.out.line(&line);
                        running.insert(step.id, line);
                    }
                }
            }
        }
    }

    /// Shows the last changes.
    fn end(&mut self, details: &ExecutionDetails, console: &Console) {
        match self {
            Self::Json { last } => {
                print_if_new(serde_json::to_string(&json::Details::from(details)), last, console);
            }
            Self::Bars { progress, .. } => progress.finish(),
            Self::Lines { running, .. } => say_what_ended(running, details, console),
        }
    }
}

fn print_if_new(document: serde_json::Result<String>, last: &mut String, console: &Console) {
    match document {
        Ok(text) if text == *last => {}
        Ok(text) => {
            console.out.line(&text);
            *last = text;
        }
        Err(error) => console.err.line(format_args!("error: cannot print the answer as JSON: {error}")),
    }
}

/// Reports the steps that were running and are no longer.
fn say_what_ended(
    running: &mut BTreeMap<StepExecutionId, String>,
    details: &ExecutionDetails,
    console: &Console,
) {
    let ended_now =
        |id: &StepExecutionId| details.steps.iter().find(|step| step.id == *id && step.ended.is_some());
    running.retain(|id, _| {
        let Some(step) = ended_now(id) else { return true };
        let took = step.started.zip(step.ended).map(|(start, end)| words::between(start, end));
        console.out.line(ended(&step.name, step.status, took.unwrap_or_default(), &step.counters));
        false
    });
}

/// Returns whether the step is a partition of another running step, whose line shows the sum of all partitions.
fn is_partition(step: &RunningStep, running: &[RunningStep]) -> bool {
    let is_of = |other: &RunningStep| {
        step.name.strip_prefix(&other.name).is_some_and(|rest| rest.starts_with(":partition"))
    };
    running.iter().any(|other| other.partitions.is_some() && is_of(other))
}
