//! Receives: the jobs of a program. Gives: its command line as clap knows it.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::parameter;
use crate::definition::JobInfo;

/// The whole command line. Jobs must have different names.
pub(super) fn command(program: &str, jobs: &[&'static JobInfo], width: Option<usize>) -> Command {
    let about = match jobs {
        [job] if !job.doc.is_empty() => parameter::plain(job.doc),
        _ => "Runs the jobs of this program, and looks after them.".to_owned(),
    };
    let command = Command::new(program.to_owned())
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(globals())
        .subcommands([
            Command::new("jobs").about("Lists the jobs of this program with their parameters"),
            run(jobs),
            Command::new("restart")
                .about("Runs the instance of an execution again, behind its last commit")
                .long_about(
                    "Runs the instance of an execution again, behind its last commit, with the parameters it had. \
                     Secrets are never stored: give them again.",
                )
                .arg(execution())
                .arg(parameter::named(None))
                .args([durability(), recovery()]),
            Command::new("stop").about("Asks a running execution to stop behind its chunk").arg(execution()),
            Command::new("abandon")
                .about("Gives an execution up for good: its instance is not started again")
                .arg(execution()),
            Command::new("recover")
                .about("Ends running executions whose process is dead, so that they can be started again"),
            Command::new("executions")
                .about("Lists the executions, newest first")
                .arg(Arg::new("job").value_name("JOB").help("Of this job only"))
                .arg(
                    Arg::new("limit")
                        .long("limit")
                        .value_name("N")
                        .default_value("20")
                        .value_parser(clap::value_parser!(u32).range(1..))
                        .help("At most that many"),
                )
                .arg(
                    Arg::new("running")
                        .long("running")
                        .action(ArgAction::SetTrue)
                        .help("Those that are running only"),
                ),
            Command::new("show")
                .about("Shows an execution: its parameters, its steps, and why it failed")
                .arg(execution()),
        ]);
    match width {
        Some(width) => command.term_width(width),
        None => command.max_term_width(100),
    }
}

fn run(jobs: &[&'static JobInfo]) -> Command {
    let run = Command::new("run")
        .about("Runs a job; one that failed or was stopped goes on behind its last commit")
        .args([
            Arg::new("next")
                .long("next")
                .global(true)
                .action(ArgAction::SetTrue)
                .help("Runs a new instance, whatever ran before, by counting `run.id` on"),
            durability().global(true),
            recovery().global(true),
        ])
        .disable_help_subcommand(true)
        .subcommand_value_name("JOB")
        .subcommand_help_heading("Jobs")
        .subcommands(jobs.iter().copied().map(job));
    match jobs {
        [only] => {
            let usage = usage(only);
            let run =
                run.override_usage(usage).args(parameter::arguments(only)).arg(parameter::named(Some(only)));
            // The job's own text says more than that the command runs it.
            if only.doc.is_empty() { run } else { run.long_about(parameter::plain(only.doc)) }
        }
        _ => run.subcommand_required(true).arg_required_else_help(true),
    }
}

fn job(job: &'static JobInfo) -> Command {
    let about = parameter::first_paragraph(job.doc);
    Command::new(job.name)
        .about(about)
        .long_about(parameter::plain(job.doc))
        .override_usage(usage(job))
        .args(parameter::arguments(job))
        .arg(parameter::named(Some(job)))
}

fn usage(job: &JobInfo) -> String {
    let required = job.parameters.iter().filter(|spec| parameter::is_required(spec)).map(parameter::usage);
    let words = [format!("run {}", job.name)].into_iter().chain(required);
    words.chain(["[OPTIONS]".to_owned()]).collect::<Vec<_>>().join(" ")
}

fn globals() -> [Arg; 4] {
    [
        Arg::new("repository")
            .long("repository")
            .value_name("URL")
            .global(true)
            .help("The record of all runs: a SQLite file, as PATH or sqlite:PATH [default: batch.db; environment: BATCH_REPOSITORY]"),
        Arg::new("json")
            .long("json")
            .global(true)
            .action(ArgAction::SetTrue)
            .help("Prints one JSON document instead of text"),
        Arg::new("quiet")
            .long("quiet")
            .short('q')
            .global(true)
            .action(ArgAction::SetTrue)
            .help("Prints nothing but what went wrong"),
        Arg::new("verbose")
            .long("verbose")
            .short('v')
            .global(true)
            .action(ArgAction::SetTrue)
            .conflicts_with("quiet")
            .help("Tells on standard error when steps begin and end"),
    ]
}

fn execution() -> Arg {
    Arg::new("execution")
        .value_name("ID")
        .required(true)
        .allow_negative_numbers(true)
        .value_parser(|text: &str| {
            text.parse::<i64>()
                .map_err(|_| "the number of an execution is expected, as `executions` lists them")
        })
        .help("The number of the execution")
}

fn durability() -> Arg {
    Arg::new("durability")
        .long("durability")
        .value_name("WHAT")
        .value_parser(PossibleValuesParser::new(["machine", "process"]))
        .default_value("machine")
        .help("The death of what every commit survives; `process` is faster")
}

fn recovery() -> Arg {
    Arg::new("recovery")
        .long("recovery")
        .value_name("HOW")
        .value_parser(PossibleValuesParser::new(["strict", "detect", "force"]))
        .default_value("detect")
        .help("Takes a running execution over: never, where its process is seen to be dead, or in any case")
}
