//! The commands that run a job: `run` and `restart`.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::Parts;
use super::parameters;
use super::shared::{OPTIONS, broker, durability, execution, on_end, option, recovery, telemetry};
use crate::definition::JobInfo;
#[cfg(feature = "schedule")]
use crate::frontend::schedule::is_used;
use crate::frontend::{parameter, times};

pub(super) fn run(command: Command, program: &str, jobs: &[&'static JobInfo], parts: Parts<'_>) -> Command {
    let run = command
        .about("Runs a job, or resumes a failed or stopped run after its last commit")
        .disable_help_subcommand(true)
        .subcommand_value_name("JOB")
        .subcommand_help_heading("Jobs")
        .subcommands(
            jobs.iter()
                .filter(|job| parts.include(job.name))
                .map(|job| of_job(Command::new(job.name), program, job).hide(jobs.len() == 1)),
        );
    // The parameters come first: help orders its headings by their first argument.
    let run = match jobs {
        [only] => of_job(run, program, only),
        _ => run.override_usage(format!("{program} run JOB [OPTIONS]")),
    };
    let next = Arg::new("next")
        .long("next")
        .global(true)
        .action(ArgAction::SetTrue)
        .help_heading(OPTIONS)
        .display_order(1)
        .help(
            "Starts a new instance, even if one with these parameters is complete, by incrementing `run.id`",
        );
    let replay = Arg::new("replay")
        .long("replay")
        .global(true)
        .value_name("ID")
        .conflicts_with("next")
        .value_parser(clap::value_parser!(i64))
        .help_heading(OPTIONS)
        .display_order(1)
        .help("Reads again the records that this execution skipped, then runs all later steps in full");
    #[cfg(feature = "schedule")]
    let run = if is_used(jobs) { run.args(super::schedule::of_run()) } else { run };
    run.args([next, replay, durability().global(true), recovery().global(true)])
        .args([parameters_file(), on_end()].map(|arg| arg.global(true)))
        .args(of_workers().into_iter().chain(telemetry()).chain(profile()).map(|arg| arg.global(true)))
}

pub(super) fn restart(command: Command) -> Command {
    command
        .about("Resumes an execution after its last commit")
        .long_about(
            "Resumes an execution after its last commit, with the same parameters. \
             Secrets are never stored: pass them again.\n\n\
             With `--from STEP` the restart begins at that step. Everything before the step stays as it is. The step \
             and all later steps run again in full, even complete ones, and write their rows a second time. A file \
             that one of these steps has finished is refused, unless its writer may overwrite it. Decisions after the \
             step are made again.",
        )
        .arg(execution())
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("STEP")
                .help_heading(OPTIONS)
                .display_order(1)
                .help("Runs this step and all later steps again, in full; name a step in a loop as `show` does: page[3]"),
        )
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .requires("from")
                .help_heading(OPTIONS)
                .display_order(2)
                .help("With `--from`: passes over earlier steps that are not complete"),
        )
        .arg(parameters::param_option(None).help_heading(OPTIONS).display_order(2))
        .args([parameters_file(), durability(), recovery(), on_end()])
        .args(of_workers())
        .args(telemetry())
        .args(profile())
}

/// Adds the parameters of a job to a command.
fn of_job(command: Command, program: &str, job: &'static JobInfo) -> Command {
    let required = job.parameters.iter().filter(|spec| parameter::is_required(spec)).map(parameter::usage);
    let words = [program.to_owned(), "run".to_owned(), job.name.to_owned()].into_iter().chain(required);
    let usage = words.chain(["[OPTIONS]".to_owned()]).collect::<Vec<_>>().join(" ");
    let command = command
        .override_usage(usage)
        .args(parameters::arguments(job))
        .arg(parameters::param_option(Some(job)).help_heading(OPTIONS).display_order(2));
    match parameter::plain(job.doc) {
        doc if doc.is_empty() => command,
        doc => command.about(parameter::first_paragraph(job.doc)).long_about(doc),
    }
}

/// The options of a run that choose its workers.
fn of_workers() -> [Arg; 7] {
    let number = || clap::value_parser!(u32).range(1..);
    [
        option("workers", 5)
            .value_name("WORKERS")
            .help("Runs partitions in other processes: `local:N` starts up to N child processes, `remote` uses processes that were started with the command `worker`, and any other value is a command that starts a worker, such as 'ssh {host} /opt/etl/job {worker}' [default: threads of this process]"),
        option("hosts", 6)
            .value_name("HOSTS")
            .requires("workers")
            .help("The values of {host} in the command: `a,b*2` starts one worker on a and two on b"),
        option("most-workers", 7)
            .value_name("N")
            .requires("workers")
            .conflicts_with("hosts")
            .value_parser(number())
            .help("The largest number of workers that a command without {host} starts [default: 1]"),
        option("worker-slots", 8)
            .value_name("N")
            .requires("workers")
            .value_parser(number())
            .help("The number of partitions that each worker of this run runs at the same time [default: 1]"),
        option("workers-wait", 9)
            .value_name("TIME")
            .requires("workers")
            .value_parser(times::duration)
            .help("Fails a step if no worker has run any of its partitions for this time, such as 60s [default: never]"),
        broker(10).requires("workers"),
        option("replies", 11)
            .value_name("on|off")
            .requires("workers")
            .value_parser(PossibleValuesParser::new(["on", "off"]))
            .hide_possible_values(true)
            .help("Lets RabbitMQ notify the run when a partition has ended (on), or lets the run only poll the repository (off) [default: on]"),
    ]
}

/// The options that profile a run.
fn profile() -> [Arg; 3] {
    [
        option("profile", 15)
            .value_name("cpu,heap")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("cpu")
            .value_delimiter(',')
            .value_parser(PossibleValuesParser::new(["cpu", "heap"]))
            .hide_possible_values(true)
            .conflicts_with("workers")
            .help("Shows which functions took the CPU time of the run, and writes a flame graph to JOB-ID.svg and folded stacks to JOB-ID.folded; with `=heap`, shows where the memory at the peak of the run was allocated, and writes JOB-ID.heap.json; `--profile` alone means `--profile=cpu`"),
        option("profile-folder", 16)
            .value_name("FOLDER")
            .requires("profile")
            .value_parser(clap::value_parser!(OsString))
            .help("The folder for these files [default: the current one]"),
        option("profile-rate", 17)
            .value_name("HERTZ")
            .requires("profile")
            .value_parser(clap::value_parser!(i32).range(1..=1_000))
            .help("The number of samples for each second of CPU time [default: 99]"),
    ]
}

/// The option that takes parameters as JSON.
fn parameters_file() -> Arg {
    Arg::new("parameters")
        .long("parameters")
        .value_name("FILE|-")
        .value_parser(clap::value_parser!(OsString))
        .help_heading(OPTIONS)
        .display_order(2)
        .help("Takes parameters from a JSON object, in this file or on standard input (`-`); flags override them. Keeps secrets off the command line, which everybody can read")
}
