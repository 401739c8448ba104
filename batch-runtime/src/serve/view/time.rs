//! Shows where the time of a step went, in one execution and in the last executions of a job.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Column, chart, legend, split};
use super::parts::{self, encoded};
use super::tabs::head;
use super::{Place, View};
use crate::definition::{ExecutionId, JobInfo};
use crate::engine::steps_by_name;
use crate::observe::advice::words::{advice, followed};
use crate::observe::words;
use crate::repository::{ExecutionFilter, JobExecution, StepExecution};
use crate::serve::page::Page;
use crate::serve::request::RequestError;

/// The number of executions that are drawn.
const LAST: u32 = 50;

/// The time of the steps of an execution.
pub(in crate::serve) fn of_execution(page: &Page, id: ExecutionId) -> Result<View, RequestError> {
    let details = page.operator.show(id)?;
    let job = &details.execution.instance.job;
    let steps = details.steps.iter().filter(|step| !step.name.contains(":partition"));
    let steps: Vec<_> = steps.filter(|step| step.profile.is_some()).collect();
    let mut others = executions(page, job)?;
    others.retain(|other| other.id != id);
    let live = html! {
        @if steps.is_empty() { p.empty { "No step with chunks has ended." } } @else { (legend()) }
        @for step in steps {
            section {
                h2 { (step.name) " " span.soft.number { (parts::duration(took(step))) } }
                @if let Some(profile) = &step.profile {
                    (split(profile))
                    @if let Some(usage) = &profile.usage {
                        p.soft {
                            @if usage.threads > 0 { (usage.threads) " more threads, " }
                            @if let Some(peak) = usage.peak_memory { "at most " (peak >> 20) " MiB of memory, " }
                            (parts::duration(Some(Duration::from_nanos(usage.cpu)))) " on " (usage.cores) " cores"
                        }
                    }
                    @for line in profile.followed.map(followed).into_iter().chain(profile.advice.as_ref().map(advice)) {
                        p.outlook { (parts::coded(&line)) }
                    }
                }
            }
        }
        @if !others.is_empty() {
            form.filter.compare method="get" action={ (parts::path(id)) "/compare" } {
                label {
                    span { "Compare with" }
                    select name="with" {
                        @for other in &others { option value=(other.id) { (option_of(other)) } }
                    }
                }
                div.send {
                    button { "Compare" }
                    a href={ "/jobs/" (encoded(job)) "/time" } { "All executions of the job" }
                }
            }
        }
    };
    Ok(View {
        title: format!("Time of {job} {id}"),
        place: Place::Elsewhere,
        fixed: head(page, &details, "time"),
        live,
        follows: false,
    })
}

fn option_of(execution: &JobExecution) -> String {
    let took = parts::duration(parts::took(execution, None, execution.updated));
    format!("{}: {} {took}", execution.id, execution.status.as_str().to_lowercase())
}

fn took(step: &StepExecution) -> Option<Duration> {
    Some(words::between(step.started?, step.ended?))
}

/// A step with its executions, oldest first.
struct StepRuns {
    name: String,
    ran: Vec<(JobExecution, StepExecution)>,
}

/// The last executions of a job, latest first.
pub(in crate::serve) fn executions(page: &Page, job: &str) -> Result<Vec<JobExecution>, RequestError> {
    let filter =
        ExecutionFilter { job: Some(job.to_owned()), limit: Some(LAST), ..ExecutionFilter::default() };
    Ok(page.operator.executions(&filter)?)
}

/// The time of the steps of a job in its last executions.
pub(in crate::serve) fn of_job(page: &Page, job: &str) -> Result<View, RequestError> {
    let operator = &page.operator;
    let mut executions = executions(page, job)?;
    executions.reverse();
    let mut steps: Vec<StepRuns> = Vec::new();
    for execution in &executions {
        for step in operator.repository().steps(execution.id)? {
            if step.profile.is_none() || step.name.contains(":partition") {
                continue;
            }
            let ran = (execution.clone(), step);
            match steps.iter_mut().find(|of| of.name == ran.1.name) {
                Some(of) => of.ran.push(ran),
                None => steps.push(StepRuns { name: ran.1.name.clone(), ran: vec![ran] }),
            }
        }
    }
    let info = operator.jobs().iter().find(|info| info.name == job);
    let live = html! {
        @if steps.is_empty() { p.empty { "No step with chunks has ended." } } @else { (legend()) }
        @for step in &steps { (of_step(step, info)) }
    };
    let fixed = html! {
        h1 { "Time of " a href={ "/executions?job=" (encoded(job)) } { (job) } }
        @if executions.len() == 1 {
            p.soft { "The only execution." }
        } @else {
            p.soft { "The last " (executions.len()) " executions, oldest first." }
        }
    };
    Ok(View { title: format!("Time of {job}"), place: Place::Elsewhere, fixed, live, follows: false })
}

fn of_step(step: &StepRuns, job: Option<&&'static JobInfo>) -> Markup {
    let columns: Vec<Column<'_>> = step
        .ran
        .iter()
        .filter_map(|(execution, step)| {
            let took = took(step)?;
            Some(Column { execution: execution.id, took, profile: step.profile.as_ref() })
        })
        .collect();
    let last = step.ran.last().and_then(|(_, step)| step.profile.as_ref());
    html! {
        section {
            h2 { (step.name) }
            @if let Some(settings) = job.and_then(|job| settings(job, &step.name)) { p.soft { "now " (settings) } }
            @if let Some(line) = last.and_then(|profile| profile.advice.as_ref()).map(advice) {
                p.outlook { (parts::coded(&line)) }
            }
            div.chart { (chart(&columns)) }
            details #{ "table-" (step.name) } {
                summary { "Figures" }
                (figures(step))
            }
        }
    }
}

/// The current settings of the step in this program.
fn settings(job: &JobInfo, name: &str) -> Option<String> {
    let bare = name.split('[').next().unwrap_or(name);
    let options = &steps_by_name(job.flow).get(bare)?.options;
    let mut settings = vec![format!("chunk = {}", words::count(options.chunk as u64))];
    if options.threads > 1 {
        settings.push(format!("threads = {}", options.threads));
    }
    if let Some(partitions) = options.partitioning.and_then(|partitioning| partitioning.partitions) {
        settings.push(format!("partitions = {partitions}"));
    }
    Some(settings.join(", "))
}

fn figures(step: &StepRuns) -> Markup {
    html! {
        div.table {
            table {
                thead {
                    tr {
                        th.number { "Execution" } th { "Started" } th.number { "Took" } th.number { "Read" }
                        th.number { "Items/s" } th.number { "More threads" } th.number { "Memory" } th.wide { "Split" }
                    }
                }
                tbody {
                    @for (execution, step) in step.ran.iter().rev() {
                        @let usage = step.profile.as_ref().and_then(|profile| profile.usage.as_ref());
                        @let rate = took(step).and_then(|took| words::rate(step.counters.read, took));
                        tr {
                            td.number { (parts::execution(execution.id)) }
                            td { (parts::time(step.started)) }
                            td.number { (parts::duration(took(step))) }
                            td.number { (words::count(step.counters.read)) }
                            td.number { @if let Some(rate) = rate { (words::count(rate)) } }
                            td.number { @if let Some(usage) = usage { (usage.threads) } }
                            td.number {
                                @if let Some(peak) = usage.and_then(|usage| usage.peak_memory) { (peak >> 20) " MiB" }
                            }
                            td.wide { @if let Some(profile) = &step.profile { (split(profile)) } }
                        }
                    }
                }
            }
        }
    }
}
