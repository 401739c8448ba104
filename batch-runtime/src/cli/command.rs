//! Builds the clap command line for the jobs of a program.

mod housekeeping;

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::{parameter, times};
use crate::definition::{JobInfo, nearest};
use crate::graph::GraphFormat;
use crate::repository::{BatchStatus, SkippedKey};

/// The heading of the options of the framework, which follow the parameters of the job in the help.
const OPTIONS: &str = "Options";

const EXIT_CODES: &str = "Exit codes: 0 success, 1 the job failed, 2 wrong command line or unusable repository, \
    3 the job was stopped, 4 refused";

/// The whole command line. The jobs must have different names.
pub(super) fn command(program: &str, jobs: &[&'static JobInfo], width: Option<usize>) -> Command {
    let about = match jobs {
        [job] if !job.doc.is_empty() => parameter::plain(job.doc),
        _ => "Runs and manages the jobs of this program.".to_owned(),
    };
    let command = Command::new(program.to_owned())
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_flag(true)
        .after_help(EXIT_CODES)
        .args(globals())
        .subcommands([
            Command::new("jobs").about("Lists the jobs of this program and their parameters"),
            run(program, jobs),
            restart(),
            Command::new("stop")
                .about("Asks a running execution to stop after its current chunk")
                .arg(execution()),
            Command::new("abandon")
                .about("Abandons an execution for good: its instance cannot be restarted")
                .arg(execution()),
            worker(),
            workers(),
            Command::new("recover")
                .about("Ends executions whose process is dead, so that they can be restarted")
                .arg(on_end()),
            executions(),
            graph(),
            show(),
            metrics(),
            profiles(),
            housekeeping::purge(),
            housekeeping::doctor(),
            housekeeping::completions(),
        ]);
    #[cfg(feature = "serve")]
    let command = command.subcommand(super::serve::command());
    #[cfg(feature = "schedule")]
    let command =
        if super::schedule::is_used(jobs) { command.subcommand(super::schedule::command()) } else { command };
    match width {
        Some(width) => command.term_width(width),
        None => command.max_term_width(100),
    }
}

fn run(program: &str, jobs: &[&'static JobInfo]) -> Command {
    let run = Command::new("run")
        .about("Runs a job, or resumes a failed or stopped run after its last commit")
        .disable_help_subcommand(true)
        .subcommand_value_name("JOB")
        .subcommand_help_heading("Jobs")
        .subcommands(
            jobs.iter().map(|job| of_job(Command::new(job.name), program, job).hide(jobs.len() == 1)),
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
    let run = if super::schedule::is_used(jobs) { run.args(super::schedule::of_run()) } else { run };
    run.args([next, replay, durability().global(true), recovery().global(true)])
        .args([parameters_file(), on_end()].map(|arg| arg.global(true)))
        .args(of_workers().into_iter().chain(telemetry()).chain(profile()).map(|arg| arg.global(true)))
}

/// The options of a run that choose its workers.
fn of_workers() -> [Arg; 7] {
    let arg =
        |name: &'static str, order| Arg::new(name).long(name).help_heading(OPTIONS).display_order(order);
    let number = || clap::value_parser!(u32).range(1..);
    [
        arg("workers", 5)
            .value_name("WORKERS")
            .help("Runs partitions in other processes: `local:N` starts up to N child processes, `remote` uses processes that were started with the command `worker`, and any other value is a command that starts a worker, such as 'ssh {host} /opt/etl/job {worker}' [default: threads of this process]"),
        arg("hosts", 6)
            .value_name("HOSTS")
            .requires("workers")
            .help("The values of {host} in the command: `a,b*2` starts one worker on a and two on b"),
        arg("most-workers", 7)
            .value_name("N")
            .requires("workers")
            .conflicts_with("hosts")
            .value_parser(number())
            .help("The largest number of workers that a command without {host} starts [default: 1]"),
        arg("worker-slots", 8)
            .value_name("N")
            .requires("workers")
            .value_parser(number())
            .help("The number of partitions that each worker of this run runs at the same time [default: 1]"),
        arg("workers-wait", 9)
            .value_name("TIME")
            .requires("workers")
            .value_parser(super::times::duration)
            .help("Fails a step if no worker has run any of its partitions for this time, such as 60s [default: never]"),
        broker(10).requires("workers"),
        arg("replies", 11)
            .value_name("on|off")
            .requires("workers")
            .value_parser(PossibleValuesParser::new(["on", "off"]))
            .hide_possible_values(true)
            .help("Lets RabbitMQ notify the run when a partition has ended (on), or lets the run only poll the repository (off) [default: on]"),
    ]
}

/// The option that names the server that wakes managers and workers.
fn broker(order: usize) -> Arg {
    Arg::new("broker")
        .long("broker")
        .value_name("URL")
        .help_heading(OPTIONS)
        .display_order(order)
        .help("The RabbitMQ server that wakes idle workers and the manager immediately, and carries the chunks of steps with `remote`: amqp://USER:PASSWORD@HOST/VHOST [environment: BATCH_BROKER]")
}

/// The options for the log and the trace of a run.
pub(super) fn telemetry() -> [Arg; 3] {
    let arg =
        |name: &'static str, order| Arg::new(name).long(name).help_heading(OPTIONS).display_order(order);
    [
        arg("log", 12).value_name("FILE").value_parser(clap::value_parser!(OsString)).help(
            "Appends the events of the run to this file, as lines of JSON, each with its execution and step",
        ),
        arg("log-filter", 13)
            .value_name("FILTER")
            .requires("log")
            .help("The events to log, as in `warn` or `info,my_crate=debug` [default: info]"),
        arg("otlp", 13)
            .value_name("URL")
            .help("Sends the trace of the run and the metrics of the repository to this OpenTelemetry collector, such as http://localhost:4318 [environment: OTEL_EXPORTER_OTLP_ENDPOINT]"),
    ]
}

/// The options that profile a run.
fn profile() -> [Arg; 3] {
    let arg =
        |name: &'static str, order| Arg::new(name).long(name).help_heading(OPTIONS).display_order(order);
    [
        arg("profile", 15)
            .value_name("cpu,heap")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("cpu")
            .value_delimiter(',')
            .value_parser(PossibleValuesParser::new(["cpu", "heap"]))
            .hide_possible_values(true)
            .conflicts_with("workers")
            .help("Shows which functions took the CPU time of the run, and writes a flame graph to JOB-ID.svg and folded stacks to JOB-ID.folded; with `=heap`, shows where the memory at the peak of the run was allocated, and writes JOB-ID.heap.json; `--profile` alone means `--profile=cpu`"),
        arg("profile-folder", 16)
            .value_name("FOLDER")
            .requires("profile")
            .value_parser(clap::value_parser!(OsString))
            .help("The folder for these files [default: the current one]"),
        arg("profile-rate", 17)
            .value_name("HERTZ")
            .requires("profile")
            .value_parser(clap::value_parser!(i32).range(1..=1_000))
            .help("The number of samples for each second of CPU time [default: 99]"),
    ]
}

fn profiles() -> Command {
    let file = |name: &'static str, help: &'static str| {
        let file = Arg::new(name).value_name(name.to_uppercase()).required(true);
        file.value_parser(clap::value_parser!(OsString)).help(help)
    };
    Command::new("profile")
        .about("Compares the profiles of two runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("diff")
                .about("Shows the functions whose shares of the CPU time, or whose memory, changed most")
                .args([
                    file("before", "The file of a run: JOB-ID.folded, or JOB-ID.heap.json"),
                    file("after", "The file of a later run"),
                    Arg::new("svg")
                        .long("svg")
                        .value_name("FILE")
                        .value_parser(clap::value_parser!(OsString))
                        .help_heading(OPTIONS)
                        .help("Also writes a flame graph of the later run, red where it takes more time and blue where it takes less"),
                ]),
        )
}

fn worker() -> Command {
    Command::new("worker")
        .about("Runs partitions of jobs that were started with `run --workers remote`")
        .long_about(
            "Runs partitions of jobs that were started with `run --workers remote` on the same repository, by the same \
             program. On Ctrl-C or SIGTERM the worker finishes its current chunks, hands its partitions back, and ends. A \
             second signal ends it at once, and nothing is lost: another worker resumes each partition after its last \
             commit.",
        )
        .arg(
            Arg::new("slots")
                .long("slots")
                .value_name("N")
                .default_value("1")
                .value_parser(clap::value_parser!(u32).range(1..))
                .help_heading(OPTIONS)
                .display_order(1)
                .help("Runs N partitions at the same time"),
        )
        .arg(
            Arg::new("idle-exit")
                .long("idle-exit")
                .value_name("TIME")
                .value_parser(super::times::duration)
                .help_heading(OPTIONS)
                .display_order(2)
                .help("Ends after it has had nothing to do for this time, such as 90s, 5m or 1h [default: never]"),
        )
        .arg(broker(3))
        .args(telemetry())
        .arg(Arg::new("attached").long("attached").action(ArgAction::SetTrue).hide(true))
}

fn workers() -> Command {
    Command::new("workers")
        .about("Lists the workers and the partitions that they hold")
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("drain")
                .about("Asks a worker to finish its current chunks, hand its partitions back, and end")
                .arg(
                    Arg::new("worker")
                        .value_name("ID")
                        .required(true)
                        .value_parser(clap::value_parser!(i64))
                        .help("The ID of the worker, as `workers` lists it"),
                ),
        )
}

/// Adds the parameters of a job to a command.
fn of_job(command: Command, program: &str, job: &'static JobInfo) -> Command {
    let required = job.parameters.iter().filter(|spec| parameter::is_required(spec)).map(parameter::usage);
    let words = [program.to_owned(), "run".to_owned(), job.name.to_owned()].into_iter().chain(required);
    let usage = words.chain(["[OPTIONS]".to_owned()]).collect::<Vec<_>>().join(" ");
    let command = command
        .override_usage(usage)
        .args(parameter::arguments(job))
        .arg(parameter::param_option(Some(job)).help_heading(OPTIONS).display_order(2));
    match parameter::plain(job.doc) {
        doc if doc.is_empty() => command,
        doc => command.about(parameter::first_paragraph(job.doc)).long_about(doc),
    }
}

fn restart() -> Command {
    Command::new("restart")
        .about("Resumes an execution after its last commit")
        .long_about(
            "Resumes an execution after its last commit, with the same parameters. \
             Secrets are never stored: pass them again.\n\n\
             With `--from STEP` the restart begins at that step. Everything before the step stays as it is. The step and all \
             later steps run again in full, even complete ones, and write their rows and files a second time. Decisions \
             after the step are made again.",
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
        .arg(parameter::param_option(None).help_heading(OPTIONS).display_order(2))
        .args([parameters_file(), durability(), recovery(), on_end()])
        .args(of_workers())
        .args(telemetry())
        .args(profile())
}

fn executions() -> Command {
    let option =
        |name: &'static str, order| Arg::new(name).long(name).help_heading(OPTIONS).display_order(order);
    Command::new("executions")
        .about("Lists executions, newest first")
        .arg(Arg::new("job").value_name("JOB").help("Lists only the executions of this job"))
        .args([
            option("limit", 1)
                .value_name("N")
                .default_value("20")
                .value_parser(clap::value_parser!(u32).range(1..))
                .help("Lists at most N executions"),
            option("after", 2)
                .value_name("ID")
                .value_parser(clap::value_parser!(i64))
                .help("Lists the next page: only executions that are older than this one"),
            option("running", 3)
                .action(ArgAction::SetTrue)
                .help("Lists only running executions, with the progress of their steps"),
            option("status", 4)
                .value_name("STATUS")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(status)
                .help("Lists only executions with this status, such as `failed`, or one of several: `failed,stopped`"),
            option("since", 5)
                .value_name("TIME")
                .value_parser(times::time)
                .help("Lists only executions that have not ended, or that ended at this time or later; a time is 2026-11-28T18:30 (UTC), 2026-11-28, or 2h for two hours ago"),
            option("until", 6)
                .value_name("TIME")
                .value_parser(times::time)
                .help("Lists only executions that ended before this time"),
            option("parameter", 7)
                .value_name("TEXT")
                .help("Lists only executions with a parameter that contains this text, such as `year=2026` or a file's name"),
        ])
}

/// Parses a status as people write it, in upper or lower case.
fn status(text: &str) -> Result<BatchStatus, String> {
    let words = BatchStatus::ALL.map(|status| status.as_str().to_lowercase());
    text.to_uppercase().parse().map_err(|_| {
        let known = words.iter().map(String::as_str);
        match nearest(text, known.clone()) {
            Some(nearest) => format!("there is no status `{text}`; did you mean `{nearest}`?"),
            None => format!("there is no status `{text}`, only {}", known.collect::<Vec<_>>().join(", ")),
        }
    })
}

fn show() -> Command {
    let option =
        |name: &'static str, order| Arg::new(name).long(name).help_heading(OPTIONS).display_order(order);
    Command::new("show")
        .about("Shows an execution: its parameters, its steps, and why it failed")
        .arg(execution())
        .args([
            option("follow", 1)
                .action(ArgAction::SetTrue)
                .conflicts_with("skipped")
                .help("Follows a running execution until it ends, and exits as `run` does; Ctrl-C stops following, not the execution"),
            option("skipped", 2)
                .action(ArgAction::SetTrue)
                .help("Shows the items that all executions of its instance skipped, and why"),
            option("csv", 3)
                .action(ArgAction::SetTrue)
                .requires("skipped")
                .conflicts_with("json")
                .help("Prints the skipped items in full, as CSV"),
            option("limit", 4)
                .value_name("N")
                .requires("skipped")
                .value_parser(clap::value_parser!(u32).range(1..))
                .help("Shows at most N skipped items [default: all]"),
            option("after", 5)
                .value_name("STEP:NO")
                .requires("skipped")
                .value_parser(|text: &str| text.parse::<SkippedKey>())
                .help("Shows the next page: only the skipped items after this one, whose step execution has the ID STEP and whose number is NO"),
            option("compare", 6)
                .value_name("ID2")
                .conflicts_with_all(["follow", "skipped"])
                .value_parser(clap::value_parser!(i64))
                .help("Shows another execution beside it: the parameters that differ, and the counters and times of all steps"),
        ])
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

/// The option that runs a command after the job.
pub(super) fn on_end() -> Arg {
    Arg::new("on-end")
        .long("on-end")
        .value_name("COMMAND")
        .help_heading(OPTIONS)
        .display_order(14)
        .help("Runs this shell command after the end of an execution, with the document of `--json` on its standard input and the status in $BATCH_STATUS; kills it after 30 s [environment: BATCH_ON_END]")
}

fn metrics() -> Command {
    Command::new("metrics").about("Prints totals over all executions, in the text format of Prometheus").arg(
        Arg::new("textfile")
            .long("textfile")
            .value_name("FILE")
            .value_parser(clap::value_parser!(OsString))
            .help_heading(OPTIONS)
            .display_order(1)
            .help("Writes the totals to this file, and replaces it as a whole; the textfile collector of node_exporter reads it if its name ends in `.prom`"),
    )
}

fn graph() -> Command {
    Command::new("graph")
        .about("Draws a job: its steps and the decisions between them")
        .arg(Arg::new("job").value_name("JOB").help("The job; optional if the program has only one"))
        .arg(
            Arg::new("execution")
                .long("execution")
                .value_name("ID")
                .conflicts_with("job")
                .value_parser(clap::value_parser!(i64))
                .help_heading(OPTIONS)
                .display_order(2)
                .help(
                    "Draws the job of this execution with the states of its steps and the path that it took",
                ),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("text|svg|mermaid|dot")
                .value_parser(PossibleValuesParser::new(GraphFormat::ALL.map(GraphFormat::name)))
                .default_value(GraphFormat::default().name())
                .hide_possible_values(true)
                .help_heading(OPTIONS)
                .display_order(1)
                .help(
                    "Prints a drawing in characters, an SVG picture, a Mermaid flowchart or a Graphviz graph",
                ),
        )
}

fn globals() -> [Arg; 5] {
    let flag = |name, short, order| {
        let arg = Arg::new(name).long(name).global(true).help_heading(OPTIONS).display_order(order);
        let arg = if name == "help" { arg.action(ArgAction::Help) } else { arg.action(ArgAction::SetTrue) };
        if short == ' ' { arg } else { arg.short(short) }
    };
    [
        Arg::new("repository")
            .long("repository")
            .value_name("URL")
            .value_parser(clap::value_parser!(OsString))
            .global(true)
            .help_heading(OPTIONS)
            .display_order(20)
            .help("The repository that records all runs: the PATH of a SQLite file, or postgres://USER@HOST/DATABASE?schema=NAME [default: batch.db; environment: BATCH_REPOSITORY]"),
        flag("json", ' ', 21).help("Prints one JSON document instead of text"),
        flag("quiet", 'q', 22).help("Prints only errors"),
        flag("verbose", 'v', 23)
            .conflicts_with("quiet")
            .help("Logs step starts and ends to stderr"),
        flag("help", 'h', 24).help("Prints help; `--help` shows more detail than `-h`"),
    ]
}

fn execution() -> Arg {
    Arg::new("execution")
        .value_name("ID")
        .required(true)
        .allow_negative_numbers(true)
        .value_parser(|text: &str| {
            text.parse::<i64>().map_err(|_| "expected the ID of an execution; `executions` lists them")
        })
        .help("The ID of the execution")
}

pub(super) fn durability() -> Arg {
    Arg::new("durability")
        .long("durability")
        .value_name("machine|process")
        .value_parser(PossibleValuesParser::new(["machine", "process"]))
        .default_value("machine")
        .hide_possible_values(true)
        .help_heading(OPTIONS)
        .display_order(3)
        .help(
            "Commits survive a crash of the machine (`machine`), or only of the process (`process`, faster)",
        )
}

pub(super) fn recovery() -> Arg {
    Arg::new("recovery")
        .long("recovery")
        .value_name("strict|detect|force")
        .value_parser(PossibleValuesParser::new(["strict", "detect", "force"]))
        .default_value("detect")
        .hide_possible_values(true)
        .help_heading(OPTIONS)
        .display_order(4)
        .help("When to take over an execution that is still marked as running: never (`strict`), if its process is known to be dead (`detect`), or always (`force`)")
}
