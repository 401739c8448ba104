//! One call of the program: the command, and its arguments as typed values.

#[cfg(feature = "schedule")]
mod schedule;

use std::ffi::OsString;
use std::time::Duration;

use clap::ArgMatches;

#[cfg(feature = "schedule")]
use super::arguments::Backfill;
#[cfg(feature = "serve")]
use super::arguments::ServeArguments;
use super::arguments::{
    ExecutionsArguments, ProfileDiff, PurgeArguments, RunArguments, TelemetryArguments, given_by_param,
    job_named_or_only,
};
use super::options::parameter_id;
use crate::definition::{ExecutionId, JobInfo};
use crate::frontend::parameter::has_flag;
use crate::frontend::refusal::Refusal;
use crate::graph::GraphFormat;
use crate::operator::RestartFrom;
use crate::repository::work_queue::WorkerId;
use crate::repository::{SkippedFilter, SkippedKey, SkippedOf};

#[cfg(feature = "schedule")]
pub(super) use schedule::ScheduleInvocation;

/// A command.
#[derive(Debug)]
pub(super) enum Invocation {
    Jobs,
    Run {
        job: &'static JobInfo,
        next: bool,
        run: RunArguments,
    },
    /// Replays an execution. If `job` is given, the execution must belong to that job.
    Replay {
        execution: ExecutionId,
        job: Option<&'static JobInfo>,
        run: RunArguments,
    },
    /// Runs what is due.
    #[cfg(feature = "schedule")]
    Due {
        job: &'static JobInfo,
        run: RunArguments,
    },
    /// Runs the job for the scheduled times of past days.
    #[cfg(feature = "schedule")]
    Backfill {
        job: &'static JobInfo,
        backfill: Backfill,
        run: RunArguments,
    },
    #[cfg(feature = "schedule")]
    Schedule(ScheduleInvocation),
    Restart {
        execution: ExecutionId,
        from: Option<RestartFrom>,
        run: RunArguments,
    },
    /// Runs partitions for managers in other processes.
    Worker {
        slots: u32,
        idle_exit: Option<Duration>,
        broker: Option<String>,
        telemetry: TelemetryArguments,
    },
    /// Runs partitions for the manager that has started this process.
    AttachedWorker {
        telemetry: TelemetryArguments,
    },
    Workers,
    Drain(WorkerId),
    Stop(ExecutionId),
    Abandon(ExecutionId),
    Recover {
        on_end: Option<String>,
    },
    Purge(PurgeArguments),
    Doctor,
    #[cfg(feature = "serve")]
    Serve(ServeArguments),
    Completions(clap_complete::Shell),
    Executions(ExecutionsArguments),
    /// Prints metrics, or writes them to this file.
    Metrics(Option<OsString>),
    ProfileDiff(ProfileDiff),
    Show(ExecutionId),
    Compare(ExecutionId, ExecutionId),
    Follow(ExecutionId),
    Skipped {
        page: SkippedFilter,
        csv: bool,
    },
    Graph {
        job: &'static JobInfo,
        format: GraphFormat,
    },
    GraphOf {
        execution: ExecutionId,
        format: GraphFormat,
    },
}

impl Invocation {
    pub(super) fn of(matches: &ArgMatches, jobs: &[&'static JobInfo]) -> Result<Self, Refusal> {
        let Some((name, matches)) = matches.subcommand() else {
            return Err(Refusal::usage("a command is required; `--help` lists the commands"));
        };
        Ok(match name {
            "jobs" => Self::Jobs,
            "run" => Self::run(matches, jobs)?,
            "restart" => Self::Restart {
                execution: execution(matches),
                from: matches
                    .get_one::<String>("from")
                    .map(|step| RestartFrom::step(step).force(matches.get_flag("force"))),
                run: RunArguments::of(matches, given_by_param(matches)?)?,
            },
            "worker" if matches.get_flag("attached") => {
                Self::AttachedWorker { telemetry: TelemetryArguments::of(matches) }
            }
            "worker" => Self::Worker {
                slots: matches.get_one::<u32>("slots").copied().unwrap_or(1),
                idle_exit: matches.get_one::<Duration>("idle-exit").copied(),
                broker: matches.get_one::<String>("broker").cloned(),
                telemetry: TelemetryArguments::of(matches),
            },
            "workers" => match matches.subcommand() {
                Some(("drain", matches)) => {
                    Self::Drain(WorkerId(matches.get_one::<i64>("worker").copied().unwrap_or_default()))
                }
                _ => Self::Workers,
            },
            #[cfg(feature = "schedule")]
            "schedule" => Self::Schedule(ScheduleInvocation::of(matches, jobs)?),
            "stop" => Self::Stop(execution(matches)),
            "abandon" => Self::Abandon(execution(matches)),
            "recover" => Self::Recover { on_end: matches.get_one::<String>("on-end").cloned() },
            "purge" => Self::Purge(PurgeArguments::of(matches)),
            "doctor" => Self::Doctor,
            #[cfg(feature = "serve")]
            "serve" => Self::Serve(ServeArguments::of(matches)),
            "completions" => match matches.get_one::<clap_complete::Shell>("shell") {
                Some(shell) => Self::Completions(*shell),
                None => return Err(Refusal::usage("`completions` needs the name of a shell")),
            },
            "executions" => Self::Executions(ExecutionsArguments::of(matches)),
            "show" if matches.get_flag("skipped") => Self::Skipped {
                page: SkippedFilter {
                    of: SkippedOf::InstanceOf(execution(matches)),
                    after: matches.get_one::<SkippedKey>("after").copied(),
                    limit: matches.get_one::<u32>("limit").copied(),
                },
                csv: matches.get_flag("csv"),
            },
            "metrics" => Self::Metrics(matches.get_one::<OsString>("textfile").cloned()),
            "profile" => match matches.subcommand() {
                Some(("diff", matches)) => Self::ProfileDiff(ProfileDiff::of(matches)),
                _ => return Err(Refusal::usage("`profile` needs a command: `profile diff BEFORE AFTER`")),
            },
            "show" if matches.get_flag("follow") => Self::Follow(execution(matches)),
            "show" => match matches.get_one::<i64>("compare") {
                Some(other) => Self::Compare(execution(matches), ExecutionId(*other)),
                None => Self::Show(execution(matches)),
            },
            "graph" => {
                let name = matches.get_one::<String>("job").map(String::as_str);
                let format = matches.get_one::<String>("format").and_then(|name| name.parse().ok());
                let format = format.unwrap_or_default();
                match matches.get_one::<i64>("execution").copied().map(ExecutionId) {
                    Some(execution) => Self::GraphOf { execution, format },
                    None => Self::Graph { job: job_named_or_only(jobs, name, "graph")?, format },
                }
            }
            other => return Err(Refusal::usage(format!("there is no command `{other}`"))),
        })
    }

    fn run(matches: &ArgMatches, jobs: &[&'static JobInfo]) -> Result<Self, Refusal> {
        let (name, inner) = matches.subcommand().unzip();
        let replayed = inner.unwrap_or(matches).get_one::<i64>("replay").copied().map(ExecutionId);
        if let (Some(execution), None, true) = (replayed, name, jobs.len() > 1) {
            // Parameters are known only after the name of their job.
            let run = RunArguments::of(matches, Vec::new())?;
            return Ok(Self::Replay { execution, job: None, run });
        }
        let job = job_named_or_only(jobs, name, "run")?;
        let mut given = Vec::new();
        // The flags of a job are known before its name only if the program has no other job.
        let outer = (jobs.len() == 1).then_some(matches);
        for matches in outer.into_iter().chain(inner) {
            for spec in job.parameters.iter().filter(|spec| has_flag(spec)) {
                let texts = matches.get_many::<OsString>(&parameter_id(spec)).into_iter().flatten();
                given.extend(texts.map(|text| (spec.name.to_owned(), text.clone())));
            }
            given.extend(given_by_param(matches)?);
        }
        let run = RunArguments::of(inner.unwrap_or(matches), given)?;
        if let Some(execution) = replayed {
            return Ok(Self::Replay { execution, job: Some(job), run });
        }
        #[cfg(feature = "schedule")]
        if crate::frontend::schedule::is_used(jobs) {
            let matches = inner.unwrap_or(matches);
            if run.profile.is_given() && (matches.get_flag("due") || matches.contains_id("backfill")) {
                return Err(Refusal::usage(
                    "`--profile` profiles a single run: leave out `--due` and `--backfill`",
                ));
            }
            if let Some(backfill) = Backfill::of(matches) {
                return Ok(Self::Backfill { job, backfill, run });
            }
            if matches.get_flag("due") {
                return Ok(Self::Due { job, run });
            }
        }
        Ok(Self::Run { job, next: inner.unwrap_or(matches).get_flag("next"), run })
    }
}

fn execution(matches: &ArgMatches) -> ExecutionId {
    ExecutionId(matches.get_one::<i64>("execution").copied().unwrap_or_default())
}
