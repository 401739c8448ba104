//! The commands that show executions, jobs and profiles: `executions`, `show`, `metrics`, `profile` and `graph`.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::shared::{OPTIONS, execution, option, status};
use crate::frontend::times;
use crate::graph::GraphFormat;
use crate::repository::SkippedKey;

pub(super) fn executions(command: Command) -> Command {
    command
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

pub(super) fn show(command: Command) -> Command {
    command
        .about("Shows an execution: its parameters, its steps, and why it failed")
        .arg(execution())
        .args([
            option("follow", 1)
                .action(ArgAction::SetTrue)
                .conflicts_with("skipped")
                .help("Follows a running execution until it ends, and exits as `run` does; Ctrl-C ends only the display, and the execution goes on"),
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
                .help("Shows the next page: begins after item number NO of the step execution STEP (an ID)"),
            option("compare", 6)
                .value_name("ID2")
                .conflicts_with_all(["follow", "skipped"])
                .value_parser(clap::value_parser!(i64))
                .help("Shows another execution beside it: the parameters that differ, and the counters and times of all steps"),
        ])
}

pub(super) fn metrics(command: Command) -> Command {
    command.about("Prints totals over all executions, in the text format of Prometheus").arg(
        Arg::new("textfile")
            .long("textfile")
            .value_name("FILE")
            .value_parser(clap::value_parser!(OsString))
            .help_heading(OPTIONS)
            .display_order(1)
            .help("Writes the totals to this file, and replaces it as a whole; the textfile collector of node_exporter reads it if its name ends in `.prom`"),
    )
}

pub(super) fn profiles(command: Command) -> Command {
    let file = |name: &'static str, help: &'static str| {
        let file = Arg::new(name).value_name(name.to_uppercase()).required(true);
        file.value_parser(clap::value_parser!(OsString)).help(help)
    };
    command
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
                        .help("Also writes a flame graph of the later run, red where it takes a larger share of the time and blue where it takes a smaller one"),
                ]),
        )
}

pub(super) fn graph(command: Command) -> Command {
    command
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
                    "Draws the job of this execution with the states of its steps; `text` and `svg` also show the path that it took",
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
