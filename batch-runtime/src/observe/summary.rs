//! Summarises a job execution, from the engine's report or from the repository: a headline, a table of its
//! steps, and the cause of a failure.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::table::{Align, Table};
use super::{JobReport, words};
use crate::definition::{Durability, ExecutionId};
use crate::operator::ExecutionDetails;
use crate::repository::{BatchStatus, Counters, ExitStatus, Owner, OwnerState, Profile};

/// The summary of an execution for a person; [`Display`](fmt::Display) prints it.
///
/// ```text
/// flight_delays completed in 1.9 s (execution 2, continues execution 1)
///
/// step         status        read  filtered  written  skipped  commits   time  items/s
/// load_delays  completed  196,776   190,000    6,776        0      197  1.9 s  103,566
///   before                140,000   136,000    4,000        0      140
///   in all                336,776   326,000   10,776        0      337
///
/// time         reading  processing  writing  committing
/// load_delays     61 %         9 %     12 %        18 %
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    job: String,
    execution: ExecutionId,
    continues: Option<ExecutionId>,
    recovered: Option<Owner>,
    status: BatchStatus,
    exit: ExitStatus,
    durability: Durability,
    elapsed: Option<Duration>,
    owner: Option<RunningOwner>,
    steps: Vec<StepLine>,
    passed: Vec<String>,
}

/// The owner of an execution that has not ended.
#[derive(Debug, Clone, PartialEq)]
struct RunningOwner {
    state: OwnerState,
    process: Option<Owner>,
}

#[derive(Debug, Clone, PartialEq)]
struct StepLine {
    name: String,
    status: BatchStatus,
    exit: ExitStatus,
    counters: Counters,
    before: Counters,
    profile: Option<Profile>,
    elapsed: Option<Duration>,
}

impl From<&JobReport> for Summary {
    fn from(report: &JobReport) -> Self {
        let steps = report.steps.iter().map(|step| StepLine {
            name: step.name.clone(),
            status: step.status,
            exit: step.exit.clone(),
            counters: step.counters,
            before: step.before,
            profile: step.profile,
            elapsed: Some(step.elapsed),
        });
        Self {
            job: report.job.clone(),
            execution: report.execution,
            continues: report.restarted_from,
            recovered: report.recovered.clone(),
            status: report.status,
            exit: report.exit.clone(),
            durability: report.durability,
            elapsed: Some(report.elapsed),
            owner: None,
            steps: steps.collect(),
            passed: report.passed.clone(),
        }
    }
}

impl From<&ExecutionDetails> for Summary {
    fn from(details: &ExecutionDetails) -> Self {
        let execution = &details.execution;
        // A dead process did nothing after its last write.
        let lasts = matches!(details.owner_state, Some(OwnerState::Alive | OwnerState::Unknown));
        let end = |ended: Option<Timestamp>, updated: Timestamp| {
            ended.unwrap_or(if lasts { details.seen } else { updated })
        };
        let steps = details.steps.iter().map(|step| StepLine {
            name: step.name.clone(),
            status: step.status,
            exit: step.exit.clone(),
            counters: step.counters,
            before: details.before.get(&step.name).copied().unwrap_or_default(),
            profile: step.profile,
            elapsed: step.started.map(|start| words::between(start, end(step.ended, step.updated))),
        });
        Self {
            job: execution.instance.job.clone(),
            execution: execution.id,
            continues: details.continues,
            recovered: None,
            status: execution.status,
            exit: execution.exit.clone(),
            durability: execution.durability,
            elapsed: execution
                .started
                .map(|start| words::between(start, end(execution.ended, execution.updated))),
            owner: details.owner_state.map(|state| RunningOwner { state, process: execution.owner.clone() }),
            steps: steps.collect(),
            passed: Vec::new(),
        }
    }
}

impl RunningOwner {
    fn in_words(&self) -> Option<String> {
        let Owner { pid, host, .. } = self.process.as_ref()?;
        let host = words::line(host, 100);
        Some(match self.state {
            OwnerState::Dead => format!("its process {pid} on {host} is dead"),
            OwnerState::Alive => format!("process {pid} on {host}"),
            OwnerState::Unknown => format!("process {pid} on {host}, if it is alive"),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        for part in [self.tables(), self.causes().join("\n")] {
            if !part.is_empty() {
                writeln!(f, "\n{}", part.trim_end())?;
            }
        }
        Ok(())
    }
}

impl Summary {
    /// `flight_delays completed in 1.9 s (execution 2, continues execution 1)`
    #[must_use]
    pub fn headline(&self) -> String {
        let verb = match self.status {
            _ if self.owner_is_dead() => "was cut off after",
            BatchStatus::Completed if self.exit.code == "COMPLETED" => "completed in",
            BatchStatus::Completed => &format!("completed as {} in", words::line(&self.exit.code, 100)),
            BatchStatus::Failed => "failed after",
            BatchStatus::Stopped => "stopped after",
            BatchStatus::Abandoned => "was abandoned after",
            BatchStatus::Stopping => "is stopping after",
            BatchStatus::Starting | BatchStatus::Started => "has been running for",
            BatchStatus::Unknown => "ended in an unknown state after",
        };
        let mut facts = vec![format!("execution {}", self.execution)];
        facts.extend(self.continues.map(|earlier| format!("continues execution {earlier}")));
        facts.extend(self.owner.as_ref().and_then(RunningOwner::in_words));
        facts.extend(self.recovered.as_ref().map(|owner| {
            format!("taken over from the dead process {} on {}", owner.pid, words::line(&owner.host, 100))
        }));
        if self.durability == Durability::Process {
            facts.push("commits survive a crash of the process, but not of the machine".to_owned());
        }
        let elapsed = self.elapsed.map_or_else(|| "no time".to_owned(), words::time);
        format!("{} {verb} {elapsed} ({})", words::line(&self.job, 100), facts.join(", "))
    }

    /// Returns whether it is recorded as running although its process is dead.
    fn owner_is_dead(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.state == OwnerState::Dead)
    }

    /// The steps that ran, with their counters and times.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut tables = Vec::new();
        if !self.passed.is_empty() {
            let passed = words::line(&self.passed.join(", "), 1_000);
            tables.push(format!("already complete: {passed}\n"));
        }
        if !self.steps.is_empty() {
            tables.push(self.work().to_string());
        }
        tables.extend(self.times().map(|times| times.to_string()));
        tables.join("\n")
    }

    /// The failures and other noteworthy facts about steps, one line each.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = self
            .steps
            .iter()
            .filter(|step| step.status == BatchStatus::Failed && !step.exit.description.is_empty())
            .filter(|step| !self.is_reported_by_a_step_within(step))
            .map(|step| format!("{} failed: {}", step.name, step.exit.description))
            .collect();
        // For a completed step, this is what its counters do not show.
        causes.extend(
            self.steps
                .iter()
                .filter(|step| step.status == BatchStatus::Completed && !step.exit.description.is_empty())
                .map(|step| format!("{}: {}", step.name, step.exit.description)),
        );
        let reason = self.exit.description.as_str();
        let verb = match self.status {
            BatchStatus::Failed | BatchStatus::Unknown => "failed",
            BatchStatus::Stopped => "stopped",
            _ => "ended",
        };
        // The description of the job repeats that of the failed step.
        let reported = self
            .steps
            .iter()
            .any(|step| !step.exit.description.is_empty() && reason.contains(&step.exit.description));
        let rest = if reported { self.remaining_description() } else { reason.to_owned() };
        if !rest.is_empty() {
            causes.push(format!("{} {verb}: {rest}", self.job));
        }
        causes.iter().map(|cause| words::line(cause, 2_500)).collect()
    }

    /// The part of the job's description that its steps do not contain: branches of a split may end for
    /// several reasons.
    fn remaining_description(&self) -> String {
        let failed = self.steps.iter().filter(|step| step.status == BatchStatus::Failed);
        let mut reported: Vec<_> =
            failed.map(|step| format!("step `{}`: {}", step.name, step.exit.description)).collect();
        // A nested job comes before the step whose description it repeats.
        reported.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let rest = reported.iter().fold(self.exit.description.clone(), |rest, text| rest.replace(text, ""));
        if rest == self.exit.description {
            return String::new();
        }
        rest.split("; ").filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// A nested job repeats the description of the step that failed it.
    fn is_reported_by_a_step_within(&self, nested: &StepLine) -> bool {
        self.steps.iter().any(|step| {
            step.name.strip_prefix(&nested.name).is_some_and(|rest| rest.starts_with('/'))
                && !step.exit.description.is_empty()
                && nested.exit.description.contains(&step.exit.description)
        })
    }

    fn work(&self) -> Table {
        let mut table = Table::new(&[
            ("step", Align::Left),
            ("status", Align::Left),
            ("read", Align::Right),
            ("filtered", Align::Right),
            ("written", Align::Right),
            ("skipped", Align::Right),
            ("commits", Align::Right),
            ("time", Align::Right),
            ("items/s", Align::Right),
        ]);
        for step in &self.steps {
            let status = match step.status {
                BatchStatus::Abandoned => "failed, handled".to_owned(),
                status => status.as_str().to_lowercase(),
            };
            let time = step.elapsed.map(words::time).unwrap_or_default();
            let rate = step
                .elapsed
                .filter(|_| step.counters.read > 0)
                .and_then(|elapsed| words::rate(step.counters.read, elapsed));
            let rate = rate.map(words::count).unwrap_or_default();
            let name = words::line(&step.name, 60);
            table.row([name, status].into_iter().chain(counts(&step.counters)).chain([time, rate]));
            if step.before != Counters::default() {
                let mut all = step.before;
                all += step.counters;
                for (label, counters) in [("  before", step.before), ("  in all", all)] {
                    let label = [label.to_owned(), String::new()];
                    table.row(label.into_iter().chain(counts(&counters)));
                }
            }
        }
        table
    }

    fn times(&self) -> Option<Table> {
        let mut table = Table::new(&[
            ("time", Align::Left),
            ("reading", Align::Right),
            ("processing", Align::Right),
            ("writing", Align::Right),
            ("committing", Align::Right),
        ]);
        let mut any = false;
        for step in &self.steps {
            let Some(Profile { read, process, write, commit }) = step.profile else { continue };
            let Some(shares) = words::percents([read, process, write, commit]) else { continue };
            any = true;
            let shares = shares.into_iter().map(|percent| format!("{percent} %"));
            table.row([words::line(&step.name, 60)].into_iter().chain(shares));
        }
        any.then_some(table)
    }
}

fn counts(counters: &Counters) -> [String; 5] {
    [counters.read, counters.filter, counters.write, counters.skips(), counters.commit].map(words::count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{InstanceId, StepExecutionId};
    use crate::observe::StepReport;

    fn counters(read: u64, write: u64, commit: u64) -> Counters {
        Counters { read, filter: read - write, write, commit, ..Counters::default() }
    }

    fn load() -> StepReport {
        StepReport {
            name: "load_delays".to_owned(),
            id: StepExecutionId(1),
            status: BatchStatus::Completed,
            exit: ExitStatus::code("COMPLETED"),
            counters: counters(196_776, 6_776, 197),
            before: Counters::default(),
            profile: Some(Profile { read: 610, process: 90, write: 120, commit: 180 }),
            elapsed: Duration::from_millis(1_900),
            remedy: None,
            failure: None,
        }
    }

    fn report(steps: Vec<StepReport>) -> JobReport {
        JobReport {
            job: "flight_delays".to_owned(),
            instance: InstanceId(1),
            execution: ExecutionId(2),
            restarted_from: None,
            recovered: None,
            status: BatchStatus::Completed,
            exit: ExitStatus::code("COMPLETED"),
            durability: Durability::Machine,
            steps,
            passed: Vec::new(),
            elapsed: Duration::from_millis(1_940),
        }
    }

    fn failed(why: &str) -> ExitStatus {
        ExitStatus::code("FAILED").because(why)
    }

    #[test]
    fn a_restarted_step_shows_earlier_and_total_work() {
        let step = StepReport { before: counters(140_000, 4_000, 140), ..load() };
        let report = JobReport { restarted_from: Some(ExecutionId(1)), ..report(vec![step]) };
        assert_eq!(
            Summary::from(&report).to_string(),
            "\
flight_delays completed in 1.9 s (execution 2, continues execution 1)

step         status        read  filtered  written  skipped  commits   time  items/s
load_delays  completed  196,776   190,000    6,776        0      197  1.9 s  103,566
  before                140,000   136,000    4,000        0      140
  in all                336,776   326,000   10,776        0      337

time         reading  processing  writing  committing
load_delays     61 %         9 %     12 %        18 %
"
        );
    }

    #[test]
    fn the_cause_of_a_failure_is_reported_once() {
        let why = "reading in `flights`: flights.csv, line 17: a number is expected";
        let step = StepReport { status: BatchStatus::Failed, exit: failed(why), ..load() };
        let report = JobReport {
            status: BatchStatus::Failed,
            exit: failed(&format!("load_delays: {why}")),
            ..report(vec![step])
        };
        assert_eq!(Summary::from(&report).causes(), [format!("load_delays failed: {why}")]);
    }

    #[test]
    fn the_cause_of_a_nested_jobs_failure_is_reported_once() {
        let step = |name: &str, why: &str| StepReport {
            name: name.to_owned(),
            status: BatchStatus::Failed,
            exit: failed(why),
            ..load()
        };
        let steps = vec![step("nightly/load", "bad line"), step("nightly", "step `nightly/load`: bad line")];
        let report = JobReport {
            status: BatchStatus::Failed,
            exit: failed("step `nightly`: step `nightly/load`: bad line"),
            ..report(steps)
        };
        assert_eq!(Summary::from(&report).causes(), ["nightly/load failed: bad line"]);
    }

    #[test]
    fn the_failure_of_another_branch_is_reported_with_the_failed_step() {
        let step = StepReport { status: BatchStatus::Failed, exit: failed("bad line; and more"), ..load() };
        let report = JobReport {
            status: BatchStatus::Failed,
            exit: failed("step `load_delays`: bad line; and more; too many are late"),
            ..report(vec![step])
        };
        assert_eq!(
            Summary::from(&report).causes(),
            ["load_delays failed: bad line; and more", "flight_delays failed: too many are late"]
        );
    }

    #[test]
    fn a_failure_outside_of_steps_is_the_jobs() {
        let report = JobReport {
            status: BatchStatus::Failed,
            exit: failed("too many are late"),
            ..report(vec![load()])
        };
        assert_eq!(Summary::from(&report).causes(), ["flight_delays failed: too many are late"]);
    }

    #[test]
    fn a_failure_that_the_job_handled_is_not_its_cause() {
        let step = StepReport { status: BatchStatus::Abandoned, exit: failed("bad line"), ..load() };
        let summary = Summary::from(&report(vec![step]));
        assert_eq!(summary.causes(), Vec::<String>::new());
        assert!(summary.tables().contains("load_delays  failed, handled"), "{}", summary.tables());
    }

    #[test]
    fn a_headline_names_unusual_facts() {
        let owner = Owner {
            uuid: String::new(),
            host: "host-7".to_owned(),
            pid: 4_711,
            start_ticks: 0,
            boot_id: String::new(),
        };
        let report = JobReport {
            recovered: Some(owner),
            durability: Durability::Process,
            exit: ExitStatus::code("NOTHING_NEW"),
            ..report(Vec::new())
        };
        assert_eq!(
            Summary::from(&report).headline(),
            "flight_delays completed as NOTHING_NEW in 1.9 s (execution 2, taken over from the dead process 4711 \
             on host-7, commits survive a crash of the process, but not of the machine)"
        );
    }

    #[test]
    fn steps_that_were_complete_are_named() {
        let report =
            JobReport { passed: vec!["extract".to_owned(), "load".to_owned()], ..report(Vec::new()) };
        assert_eq!(Summary::from(&report).tables(), "already complete: extract, load\n");
    }

    #[test]
    fn a_step_that_was_never_measured_has_no_shares_of_time() {
        let step = StepReport { profile: None, counters: counters(0, 0, 1), ..load() };
        assert_eq!(
            Summary::from(&report(vec![step])).tables(),
            "\
step         status     read  filtered  written  skipped  commits   time  items/s
load_delays  completed     0         0        0        0        1  1.9 s
"
        );
    }
}
