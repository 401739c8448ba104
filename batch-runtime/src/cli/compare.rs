//! `show ID --compare ID2`: two executions side by side.

use std::collections::BTreeSet;

use super::arguments::Globals;
use super::console::Console;
use super::output::print_json;
use crate::definition::ExecutionId;
use crate::frontend::json;
use crate::frontend::refusal::Refusal;
use crate::observe::table::{Align, Table};
use crate::observe::words;
use crate::operator::{ExecutionDetails, JobOperator};
use crate::repository::StepExecution;

/// Prints what differs between two executions: their parameters, and the steps with their counters and times.
pub(super) fn show(
    operator: &JobOperator,
    one: ExecutionId,
    other: ExecutionId,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let (one, other) = (operator.show(one)?, operator.show(other)?);
    if globals.json {
        let executions = vec![json::Details::from(&one), json::Details::from(&other)];
        print_json(&json::DetailsList { executions }, console);
        return Ok(());
    }
    let both = [&one, &other];
    console.out.put(facts(both));
    let parameters = parameters(both);
    if !parameters.is_empty() {
        console.out.put(format_args!("\n{parameters}"));
    }
    let steps = steps(both);
    if !steps.is_empty() {
        console.out.put(format_args!("\n{steps}"));
    }
    Ok(())
}

fn title(details: &ExecutionDetails) -> String {
    format!("execution {}", details.execution.id)
}

fn facts(both: [&ExecutionDetails; 2]) -> String {
    let [one, other] = both.map(title);
    let mut table = Table::new(&[("", Align::Left), (&one, Align::Left), (&other, Align::Left)]);
    let mut row = |name: &str, fact: &dyn Fn(&ExecutionDetails) -> String| {
        let [one, other] = both.map(fact);
        table.row([name.to_owned(), one, other]);
    };
    row("job", &|details| words::line(&details.execution.instance.job, 60));
    row("status", &|details| details.execution.status.as_str().to_lowercase());
    row("time", &|details| match (details.execution.started, details.execution.ended) {
        (Some(started), Some(ended)) => words::time(words::between(started, ended)),
        _ => String::new(),
    });
    table.to_string()
}

/// The parameters that differ.
fn parameters(both: [&ExecutionDetails; 2]) -> String {
    let value = |details: &ExecutionDetails, name: &str| {
        let found = details.execution.parameters.iter().find(|parameter| parameter.name == name);
        found.map(|parameter| words::line(&parameter.value.to_string(), 60)).unwrap_or_default()
    };
    let names: BTreeSet<&str> =
        both.iter().flat_map(|details| &details.execution.parameters).map(|it| it.name.as_str()).collect();
    let [one, other] = both.map(title);
    let mut table = Table::new(&[("parameter", Align::Left), (&one, Align::Left), (&other, Align::Left)]);
    let mut any = false;
    for name in names {
        let values = both.map(|details| value(details, name));
        if values[0] != values[1] {
            any = true;
            let [one, other] = values;
            table.row([name.to_owned(), one, other]);
        }
    }
    if any { table.to_string() } else { String::new() }
}

/// The steps of both executions, in the order in which they began, with the items that they read and wrote, and their
/// times.
fn steps(both: [&ExecutionDetails; 2]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for step in both.iter().flat_map(|details| &details.steps) {
        if !names.contains(&step.name.as_str()) && !step.name.contains(":partition") {
            names.push(&step.name);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        ("step", Align::Left),
        ("read", Align::Right),
        ("", Align::Right),
        ("written", Align::Right),
        ("", Align::Right),
        ("time", Align::Right),
        ("", Align::Right),
        ("change", Align::Right),
    ]);
    for name in names {
        let found = both.map(|details| details.steps.iter().find(|step| step.name == name));
        let cell =
            |fact: &dyn Fn(&StepExecution) -> String| found.map(|step| step.map(fact).unwrap_or_default());
        let [read, read_other] = cell(&|step| words::count(step.counters.read));
        let [written, written_other] = cell(&|step| words::count(step.counters.write));
        let took = found.map(|step| {
            let step = step?;
            Some(words::between(step.started?, step.ended?))
        });
        let [time, time_other] = took.map(|took| took.map(words::time).unwrap_or_default());
        let change = match took {
            [Some(this), Some(other)] if !other.is_zero() => {
                format!("{:+.0} %", (this.as_secs_f64() / other.as_secs_f64() - 1.0) * 100.0)
            }
            _ => String::new(),
        };
        table.row([
            words::line(name, 60),
            read,
            read_other,
            written,
            written_other,
            time,
            time_other,
            change,
        ]);
    }
    table.to_string()
}
