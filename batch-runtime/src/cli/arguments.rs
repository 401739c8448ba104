//! Turns the arguments that clap matched into typed commands.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use clap::ArgMatches;
use jiff::Timestamp;

use super::console::Console;
use super::parameter;
use super::parameters_file;
use super::profile::{ProfileArguments, ProfileDiff};
use super::refusal::Refusal;
use super::telemetry::TelemetryArguments;
use super::times::TypedTime;
use super::workers_option::Workers;
use crate::definition::{Durability, ExecutionId, JobInfo};
use crate::graph::GraphFormat;
use crate::operator::{RestartFrom, job_named};
use crate::repository::work_queue::WorkerId;
use crate::repository::{
    BatchStatus, Between, ExecutionFilter, Recovery, SkippedFilter, SkippedKey, SkippedOf,
};

/// The options of every command.
#[derive(Debug)]
pub(super) struct Globals {
    pub(super) repository: Option<OsString>,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
}

/// The options of the commands that run a job.
#[derive(Debug)]
pub(super) struct RunArguments {
    /// The parameters as typed: a file name need not be valid UTF-8.
    pub(super) given: Vec<(String, OsString)>,
    pub(super) durability: Durability,
    pub(super) recovery: Recovery,
    /// The workers for partitions; `None` for threads of this process.
    pub(super) workers: Option<Workers>,
    /// The largest number of workers that a command without hosts starts.
    pub(super) most_workers: u32,
    /// The number of partitions that a worker runs at the same time.
    pub(super) worker_slots: u32,
    /// The time after which a step fails if no worker has run any of its partitions; `None` waits for ever.
    pub(super) workers_wait: Option<Duration>,
    /// The URL of the server that wakes workers, as typed.
    pub(super) broker: Option<String>,
    /// Whether the server of `broker` also wakes the manager.
    pub(super) replies: bool,
    pub(super) telemetry: TelemetryArguments,
    pub(super) profile: ProfileArguments,
    /// The file with further parameters.
    pub(super) parameters: Option<OsString>,
    /// The command to run after the end.
    pub(super) on_end: Option<String>,
}

/// The options of `purge`.
#[derive(Debug)]
pub(super) struct PurgeArguments {
    pub(super) older_than: TypedTime,
    pub(super) job: Option<String>,
    pub(super) keep: u32,
    pub(super) statuses: Vec<BatchStatus>,
    pub(super) archive: Option<OsString>,
    pub(super) vacuum: bool,
    pub(super) yes: bool,
}

/// The options of `executions`.
#[derive(Debug)]
pub(super) struct ExecutionsArguments {
    filter: ExecutionFilter,
    since: Option<TypedTime>,
    until: Option<TypedTime>,
    pub(super) limit: u32,
}

impl ExecutionsArguments {
    fn of(matches: &ArgMatches) -> Self {
        let text = |name| matches.get_one::<String>(name).cloned();
        let time = |name| matches.get_one::<TypedTime>(name).copied();
        Self {
            filter: ExecutionFilter {
                job: text("job"),
                running: matches.get_flag("running"),
                statuses: matches.get_many("status").into_iter().flatten().copied().collect(),
                parameter: text("parameter"),
                after: matches.get_one::<i64>("after").copied().map(ExecutionId),
                ..ExecutionFilter::default()
            },
            since: time("since"),
            until: time("until"),
            limit: matches.get_one::<u32>("limit").copied().unwrap_or(20),
        }
    }

    /// Returns whether this is the first page of all executions, without any filter.
    pub(super) fn is_all(&self) -> bool {
        let ExecutionFilter { job, running, statuses, parameter, .. } = &self.filter;
        let is_any = job.is_none() && !running && statuses.is_empty() && parameter.is_none();
        is_any && self.since.is_none() && self.until.is_none() && self.filter.after.is_none()
    }

    /// Returns whether only running executions are listed.
    pub(super) fn is_running(&self) -> bool {
        self.filter.running
    }

    /// The filter, with relative times counted back from `now`.
    pub(super) fn filter(&self, now: Timestamp) -> ExecutionFilter {
        let at = |typed: Option<TypedTime>| typed.map(|typed| typed.at(now));
        let ended = Between { from: at(self.since), until: at(self.until) };
        ExecutionFilter { ended, ..self.filter.clone() }
    }
}

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
        backfill: super::schedule::Backfill,
        run: RunArguments,
    },
    #[cfg(feature = "schedule")]
    Schedule(super::schedule::Invocation),
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
    Serve(super::serve::Arguments),
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

impl Globals {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        Self {
            repository: matches.get_one::<OsString>("repository").cloned(),
            json: matches.get_flag("json"),
            quiet: matches.get_flag("quiet"),
            verbose: matches.get_flag("verbose"),
        }
    }
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
            "schedule" => Self::Schedule(super::schedule::Invocation::of(matches, jobs)?),
            "stop" => Self::Stop(execution(matches)),
            "abandon" => Self::Abandon(execution(matches)),
            "recover" => Self::Recover { on_end: matches.get_one::<String>("on-end").cloned() },
            "purge" => Self::Purge(PurgeArguments::of(matches)),
            "doctor" => Self::Doctor,
            #[cfg(feature = "serve")]
            "serve" => Self::Serve(super::serve::Arguments::of(matches)),
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
            for spec in job.parameters.iter().filter(|spec| parameter::has_flag(spec)) {
                let texts = matches.get_many::<OsString>(&parameter::id(spec)).into_iter().flatten();
                given.extend(texts.map(|text| (spec.name.to_owned(), text.clone())));
            }
            given.extend(given_by_param(matches)?);
        }
        let run = RunArguments::of(inner.unwrap_or(matches), given)?;
        if let Some(execution) = replayed {
            return Ok(Self::Replay { execution, job: Some(job), run });
        }
        #[cfg(feature = "schedule")]
        if super::schedule::is_used(jobs) {
            let matches = inner.unwrap_or(matches);
            if run.profile.is_given() && (matches.get_flag("due") || matches.contains_id("backfill")) {
                return Err(Refusal::usage(
                    "`--profile` profiles a single run: leave out `--due` and `--backfill`",
                ));
            }
            if let Some(backfill) = super::schedule::Backfill::of(matches) {
                return Ok(Self::Backfill { job, backfill, run });
            }
            if matches.get_flag("due") {
                return Ok(Self::Due { job, run });
            }
        }
        Ok(Self::Run { job, next: inner.unwrap_or(matches).get_flag("next"), run })
    }
}

impl RunArguments {
    fn of(matches: &ArgMatches, given: Vec<(String, OsString)>) -> Result<Self, Refusal> {
        let word = |name| matches.get_one::<String>(name).map(String::as_str);
        let workers = word("workers").map(|text| Workers::of(text, word("hosts"))).transpose()?;
        Ok(Self {
            workers,
            most_workers: matches.get_one::<u32>("most-workers").copied().unwrap_or(1),
            worker_slots: matches.get_one::<u32>("worker-slots").copied().unwrap_or(1),
            workers_wait: matches.get_one::<Duration>("workers-wait").copied(),
            broker: word("broker").map(str::to_owned),
            replies: word("replies") != Some("off"),
            telemetry: TelemetryArguments::of(matches),
            profile: ProfileArguments::of(matches),
            parameters: matches.get_one::<OsString>("parameters").cloned(),
            on_end: word("on-end").map(str::to_owned),
            given,
            durability: match word("durability") {
                Some("process") => Durability::Process,
                _ => Durability::Machine,
            },
            recovery: match word("recovery") {
                Some("strict") => Recovery::Strict,
                Some("force") => Recovery::Force,
                _ => Recovery::Detect,
            },
        })
    }

    /// Returns the given parameters, the parameters that only the file of `--parameters` has, and the secrets that only
    /// the environment has.
    pub(super) fn all_parameters(
        &self,
        job: &JobInfo,
        console: &Console,
    ) -> Result<Vec<(String, OsString)>, Refusal> {
        let mut given = self.given.clone();
        if let Some(file) = &self.parameters {
            let mut of_file = parameters_file::read(file, console)?;
            let plain = |name: &str| name.replace('-', "_");
            of_file.retain(|(name, _)| !given.iter().any(|(flag, _)| plain(flag) == plain(name)));
            given.append(&mut of_file);
        }
        for (secret, text) in parameter::secrets(job, console.environment) {
            if !given.iter().any(|(name, _)| name.replace('-', "_") == secret) {
                given.push((secret.to_owned(), text));
            }
        }
        Ok(given)
    }
}

impl PurgeArguments {
    fn of(matches: &ArgMatches) -> Self {
        Self {
            older_than: matches.get_one::<TypedTime>("older-than").copied().expect("clap requires it"),
            job: matches.get_one::<String>("job").cloned(),
            keep: matches.get_one::<u32>("keep").copied().unwrap_or(0),
            statuses: matches.get_many("status").into_iter().flatten().copied().collect(),
            archive: matches.get_one::<OsString>("archive").cloned(),
            vacuum: matches.get_flag("vacuum"),
            yes: matches.get_flag("yes"),
        }
    }
}

/// Returns the job with this name. If no name is given, the program must have only one job.
pub(super) fn job_named_or_only(
    jobs: &[&'static JobInfo],
    name: Option<&str>,
    command: &str,
) -> Result<&'static JobInfo, Refusal> {
    match (name, jobs) {
        (Some(name), _) => Ok(job_named(jobs, name)?),
        (None, [only]) => Ok(only),
        (None, _) => Err(Refusal::usage(format!("`{command}` needs the name of a job; `jobs` lists them"))),
    }
}

fn execution(matches: &ArgMatches) -> ExecutionId {
    ExecutionId(matches.get_one::<i64>("execution").copied().unwrap_or_default())
}

/// The parameters that are passed as `--param NAME=VALUE`.
fn given_by_param(matches: &ArgMatches) -> Result<Vec<(String, OsString)>, Refusal> {
    let split = |given: &OsString| {
        let mut parts = given.as_bytes().splitn(2, |byte| *byte == b'=');
        match (parts.next().map(str::from_utf8), parts.next()) {
            (Some(Ok(name)), Some(value)) => Ok((name.to_owned(), OsStr::from_bytes(value).to_owned())),
            // The message does not repeat the text: it may be a secret.
            _ => {
                Err(Refusal::usage("`--param` needs a name and a value, such as `--param input=flights.csv`"))
            }
        }
    };
    matches.get_many::<OsString>("param").into_iter().flatten().map(split).collect()
}
