//! `executions`: lists the executions that a filter selects, page by page, as a table or as JSON.

use jiff::Timestamp;

use super::arguments::{ExecutionsArguments, Globals};
use super::console::Console;
use super::output::print_json;
use crate::frontend::executions::{ExecutionPage, elapsed, identity, status};
use crate::frontend::refusal::Refusal;
use crate::frontend::times::moment;
use crate::observe::table::{Align, Table};
use crate::observe::{StepProgress, words};
use crate::operator::JobOperator;
use crate::repository::{OwnerState, RunningStep};

/// `executions`
pub(super) fn list(
    operator: &JobOperator,
    listed: &ExecutionsArguments,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let now = operator.now()?;
    let found = ExecutionPage::of(operator, listed.filter(now), listed.limit)?;
    if globals.json {
        print_json(&found.json(), console);
        return Ok(());
    }
    let Some(last) = found.executions.last() else {
        console.out.line(match listed {
            all if all.is_all() => "no job has been run yet",
            running if running.is_running() => "no execution is running",
            _ => "no execution matches",
        });
        return Ok(());
    };
    console.out.put(if listed.is_running() { table_of_running(&found, now) } else { table(&found, now) });
    if found.more {
        let last = last.id;
        console.out.line(format_args!("older executions are not shown: add `--after {last}` to list them"));
    }
    Ok(())
}

fn table(page: &ExecutionPage, now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("job", Align::Left),
        ("status", Align::Left),
        ("started (UTC)", Align::Left),
        ("time", Align::Right),
        ("parameters", Align::Left),
    ]);
    for (execution, owner) in page.executions.iter().zip(&page.owners) {
        table.row([
            execution.id.to_string(),
            words::line(&execution.instance.job, 100),
            status(execution, *owner),
            execution.started.map(moment).unwrap_or_default(),
            elapsed(execution, *owner, now),
            words::line(&identity(&execution.parameters), 100),
        ]);
    }
    table
}

/// A row for each running step. The first row of an execution also has the cells of the execution.
fn table_of_running(page: &ExecutionPage, now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("job", Align::Left),
        ("status", Align::Left),
        ("process", Align::Left),
        ("time", Align::Right),
        ("parameters", Align::Left),
        ("step", Align::Left),
        ("done", Align::Right),
        ("read", Align::Right),
        ("items/s", Align::Right),
        ("left", Align::Right),
    ]);
    for (execution, owner) in page.executions.iter().zip(&page.owners) {
        let mut of_execution = [
            execution.id.to_string(),
            words::line(&execution.instance.job, 100),
            execution.status.as_str().to_lowercase(),
            match owner {
                Some(OwnerState::Alive) => "alive".to_owned(),
                Some(OwnerState::Dead) => "dead".to_owned(),
                _ => "unknown".to_owned(),
            },
            elapsed(execution, *owner, now),
            words::line(&identity(&execution.parameters), 100),
        ];
        let mut steps: Vec<_> =
            page.running.iter().filter(|step| step.execution == execution.id).map(of_step).collect();
        if steps.is_empty() {
            steps.push(Default::default());
        }
        for step in steps {
            table.row(std::mem::take(&mut of_execution).into_iter().chain(step));
        }
    }
    table
}

/// The cells of a running step.
fn of_step(step: &RunningStep) -> [String; 5] {
    let progress = StepProgress::from(step);
    [
        words::line(&step.name, 60),
        progress.percent().map(|percent| format!("{percent} %")).unwrap_or_default(),
        words::count(step.counters.read),
        progress.rate().map(words::count).unwrap_or_default(),
        progress.left_in_words().unwrap_or_default(),
    ]
}
