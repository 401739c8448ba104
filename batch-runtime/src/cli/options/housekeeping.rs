//! The commands that keep a repository in order.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::shared::{option, status};
use crate::frontend::times;
use crate::repository::BatchStatus;

pub(super) fn doctor(command: Command) -> Command {
    command.about("Looks for problems, and exits with 1 if it finds any")
}

pub(super) fn purge(command: Command) -> Command {
    command
        .about("Deletes the record of old instances that are complete or abandoned")
        .long_about(
            "Deletes the record of old instances that are complete or abandoned. Without `--yes`, it only says what it would \
             delete.\n\n\
             An instance is deleted as a whole, if it is COMPLETED or ABANDONED and its last execution ended before the given \
             time. A failed one stays, since it can be restarted: `abandon` it first. The identities stay, so a run with the \
             same parameters is refused as before. The totals of `metrics` stay, too.",
        )
        .args([
            option("older-than", 1)
                .value_name("TIME")
                .required(true)
                .value_parser(times::time)
                .help("Deletes only instances that ended before this time: 90d, which is ninety days ago, or 2026-08-30 (UTC)"),
            option("job", 2).value_name("JOB").help("Deletes only instances of this job"),
            option("keep", 3)
                .value_name("N")
                .value_parser(clap::value_parser!(u32))
                .default_value("0")
                .help("Keeps the N newest instances of each job, however old they are"),
            option("status", 4)
                .value_name("STATUS")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(complete)
                .help("Deletes only instances with this status: `completed` or `abandoned`"),
            option("archive", 5)
                .value_name("FILE")
                .requires("yes")
                .value_parser(clap::value_parser!(OsString))
                .help("Appends each execution to this file before it is deleted, as a line of JSON such as `show --json` prints, and then each item that it skipped"),
            option("vacuum", 6)
                .action(ArgAction::SetTrue)
                .requires("yes")
                .help("Returns the freed space to the disk afterwards; meanwhile, a SQLite file cannot be written"),
            option("yes", 7).action(ArgAction::SetTrue).help("Deletes the instances, instead of only listing them"),
        ])
}

/// Parses the status of an instance that can be purged.
fn complete(text: &str) -> Result<BatchStatus, String> {
    match status(text)? {
        status @ (BatchStatus::Completed | BatchStatus::Abandoned) => Ok(status),
        status => Err(format!(
            "an instance with status `{}` is not purged, only `completed` and `abandoned` ones; `abandon ID` ends one for good",
            status.as_str().to_lowercase()
        )),
    }
}

pub(super) fn completions(command: Command) -> Command {
    command.about("Prints the completion script for a shell").arg(
        Arg::new("shell")
            .value_name("SHELL")
            .required(true)
            .value_parser(clap::value_parser!(clap_complete::Shell))
            .help("The shell"),
    )
}
