//! A command line means the same whether all commands are built for it or only those that it names.

use std::ffi::OsString;

use super::fixture::*;
use crate::JobInfo;
use crate::cli::arguments::Globals;
use crate::cli::invocation::Invocation;
use crate::cli::options::{Parts, command};

const ONE: &[&JobInfo] = &[FLIGHT_DELAYS];
const ALL: &[&JobInfo] = &[FLIGHT_DELAYS, UPLOAD, ONCE];

/// Each command, and words that are both values and names of commands or jobs.
const LINES: &[&str] = &[
    "jobs --json",
    "--repository a.db run flight_delays --input a.csv --next -q",
    "run flight_delays --input show --on-end upload",
    "run upload --api-key once --param json=fast --durability process",
    "run once --replay 3 --param a=b",
    "run --replay 3 --recovery force",
    "run --workers local:2 once",
    "restart 3 --from load_delays --force",
    "stop 3",
    "abandon 3",
    "worker --slots 2",
    "worker --attached",
    "workers",
    "workers drain 2",
    "recover --on-end doctor",
    "--repository executions executions upload --status failed,stopped",
    "graph upload",
    "graph --execution 3 --format dot",
    "show 3 --skipped --csv --limit 2",
    "show 3 --compare 4",
    "metrics --textfile metrics",
    "profile diff run run --svg a.svg",
    "purge --older-than 2026-08-30 --job once --yes",
    "doctor --verbose",
    "completions bash",
    #[cfg(feature = "serve")]
    "serve --read-only --host run",
];

/// Returns what the arguments mean, or `None` if the command line does not accept them.
fn meaning(jobs: &[&'static JobInfo], arguments: &[OsString], parts: Parts<'_>) -> Option<String> {
    let matches = command("flights", jobs, Some(100), parts).try_get_matches_from(arguments).ok()?;
    let globals = Globals::of(&matches);
    Some(format!("{globals:?} {:?}", Invocation::of(&matches, jobs).map_err(|refusal| refusal.to_string())))
}

#[track_caller]
fn means_the_same(jobs: &[&'static JobInfo], line: &str) {
    let arguments: Vec<OsString> = ["flights"].into_iter().chain(line.split(' ')).map(Into::into).collect();
    let whole = meaning(jobs, &arguments, Parts::All);
    assert!(whole.is_some(), "{line}");
    assert_eq!(meaning(jobs, &arguments, Parts::NamedIn(&arguments)), whole, "{line}");
}

#[test]
fn the_named_commands_alone_read_a_line_as_the_whole_command_line_does() {
    for line in LINES {
        means_the_same(ALL, line);
    }
}

#[test]
fn the_parameters_of_the_only_job_need_no_name() {
    means_the_same(ONE, "run --input run --min-delay 3 --dry-run");
    means_the_same(ONE, "run --input a.csv flight_delays --param fail_at=3");
}

#[test]
fn a_line_of_every_command_is_compared() {
    let whole = command("flights", ALL, None, Parts::All);
    for name in whole.get_subcommands().map(clap::Command::get_name) {
        assert!(LINES.iter().any(|line| line.split(' ').any(|word| word == name)), "{name}");
    }
}
