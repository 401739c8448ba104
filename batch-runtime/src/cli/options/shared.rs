//! The options that several commands have.

use std::ffi::OsString;

use clap::Arg;
use clap::builder::PossibleValuesParser;

use crate::definition::nearest;
use crate::repository::BatchStatus;

/// The heading of the options of the framework, which follow the parameters of the job in the help.
pub(super) const OPTIONS: &str = "Options";

/// An option of the framework.
pub(super) fn option(name: &'static str, order: usize) -> Arg {
    Arg::new(name).long(name).help_heading(OPTIONS).display_order(order)
}

pub(super) fn execution() -> Arg {
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
        .help("When to take over an execution that is still marked as running: never (`strict`), if its process is dead or its lease has expired (`detect`), or always (`force`)")
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

/// The option that names the server that wakes managers and workers.
pub(super) fn broker(order: usize) -> Arg {
    Arg::new("broker")
        .long("broker")
        .value_name("URL")
        .help_heading(OPTIONS)
        .display_order(order)
        .help("The RabbitMQ server that wakes idle workers and the manager immediately, and carries the chunks of steps with `remote`: amqp://USER:PASSWORD@HOST/VHOST [environment: BATCH_BROKER]")
}

/// The options for the log and the trace of a run.
pub(super) fn telemetry() -> [Arg; 3] {
    [
        option("log", 12).value_name("FILE").value_parser(clap::value_parser!(OsString)).help(
            "Appends the events of the run to this file, as lines of JSON, each with its execution and step",
        ),
        option("log-filter", 13)
            .value_name("FILTER")
            .requires("log")
            .help("The events to log, as in `warn` or `info,my_crate=debug` [default: info]"),
        option("otlp", 13)
            .value_name("URL")
            .help("Sends the trace of the run and the metrics of the repository to this OpenTelemetry collector, such as http://localhost:4318 [environment: OTEL_EXPORTER_OTLP_ENDPOINT]"),
    ]
}

/// Parses a status as people write it, in upper or lower case.
pub(super) fn status(text: &str) -> Result<BatchStatus, String> {
    let words = BatchStatus::ALL.map(|status| status.as_str().to_lowercase());
    text.to_uppercase().parse().map_err(|_| {
        let known = words.iter().map(String::as_str);
        match nearest(text, known.clone()) {
            Some(nearest) => format!("there is no status `{text}`; did you mean `{nearest}`?"),
            None => format!("there is no status `{text}`, only {}", known.collect::<Vec<_>>().join(", ")),
        }
    })
}
