//! `jobs` and `show`: print the jobs of the program, or an execution, as tables or as JSON.

use super::arguments::Globals;
use super::console::Console;
use super::output::print_json;
use crate::definition::{ExecutionId, JobInfo};
use crate::frontend::refusal::Refusal;
use crate::frontend::times::moment;
use crate::frontend::{json, parameter};
use crate::observe::table::{Align, Table};
use crate::observe::{StepProgress, Summary, words};
use crate::operator::{ExecutionDetails, JobOperator};
use crate::repository::{Counters, OwnerState};

/// `jobs`
pub(super) fn jobs(jobs: &[&'static JobInfo], globals: &Globals, console: &Console) {
    if globals.json {
        return print_json(&json::Jobs::of(jobs), console);
    }
    let mut table = Table::new(&[("job", Align::Left), ("description and parameters", Align::Left)]);
    for job in jobs {
        let lines = [parameter::first_paragraph(job.doc), parameter::usages(job)];
        let mut name = job.name.to_owned();
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            table.row([std::mem::take(&mut name), line]);
        }
        if !name.is_empty() {
            table.row([name, String::new()]);
        }
    }
    console.out.put(table);
}

/// `show`
pub(super) fn show(
    operator: &JobOperator,
    execution: ExecutionId,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let details = operator.show(execution)?;
    if globals.json {
        print_json(&json::Details::from(&details), console);
    } else {
        print(&details, console);
    }
    Ok(())
}

/// Prints an execution for a person.
pub(super) fn print(details: &ExecutionDetails, console: &Console) {
    let execution = details.execution.id;
    let summary = Summary::from(details);
    console.out.put(format_args!("{}\n{}", summary.headline(), facts(details)));
    let running = details.running.iter().map(StepProgress::line_of).collect::<Vec<_>>().join("\n");
    for part in [summary.tables(), running, summary.causes().join("\n")] {
        if !part.is_empty() {
            console.out.put(format_args!("\n{}\n", part.trim_end()));
        }
    }
    if details.owner_state == Some(OwnerState::Dead) {
        console.out.line(format_args!(
            "\nits process died before it could record an end: `restart {execution}` resumes it after its last commit"
        ));
    }
    let before: u64 = details.before.values().map(Counters::skips).sum();
    let skips = before + details.steps.iter().map(|step| step.counters.skips()).sum::<u64>();
    if skips > 0 {
        let all = if before > 0 { " in all executions of this instance" } else { "" };
        let skips = words::count(skips);
        console.out.line(format_args!("\nskipped {skips}{all}: `show {execution} --skipped` lists them"));
    }
}

/// The lines between the headline and the tables.
fn facts(details: &ExecutionDetails) -> String {
    let execution = &details.execution;
    let mut facts = vec![("instance", format!("{}, key {}", execution.instance.id, execution.instance.key))];
    for parameter in &execution.parameters {
        let note = if parameter.identifying { "" } else { " (does not identify the run)" };
        facts.push(("parameter", format!("{} = {}{note}", parameter.name, parameter.value)));
    }
    facts.extend(execution.started.map(|time| ("started", format!("{} UTC", moment(time)))));
    match execution.ended {
        Some(time) => facts.push(("ended", format!("{} UTC", moment(time)))),
        None => facts.push(("last commit", format!("{} UTC", moment(execution.updated)))),
    }
    facts.extend(
        execution.owner.as_ref().map(|owner| ("owner", format!("process {} on {}", owner.pid, owner.host))),
    );
    let lines = facts.iter().map(|(name, fact)| format!("  {name:<12} {}\n", words::line(fact, 2_500)));
    lines.collect()
}
