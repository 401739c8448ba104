//! The commands `worker` and `workers`.

use clap::{Arg, ArgAction, Command};

use super::shared::{OPTIONS, broker, telemetry};
use crate::frontend::times;

pub(super) fn worker(command: Command) -> Command {
    command
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
                .value_parser(times::duration)
                .help_heading(OPTIONS)
                .display_order(2)
                .help("Ends after it has had nothing to do for this time, such as 90s, 5m or 1h [default: never]"),
        )
        .arg(broker(3))
        .args(telemetry())
        .arg(Arg::new("attached").long("attached").action(ArgAction::SetTrue).hide(true))
}

pub(super) fn workers(command: Command) -> Command {
    command
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
