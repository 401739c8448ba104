//! The flag of a job parameter and its help text.

use std::ffi::OsString;

use clap::{Arg, ArgAction, value_parser};

use crate::definition::{JobInfo, ParameterRule, ParameterSpec};

/// Flags of the command itself. A parameter with such a name is passed as `--param NAME=VALUE`.
const TAKEN: [&str; 30] = [
    "repository",
    "json",
    "quiet",
    "verbose",
    "help",
    "next",
    "replay",
    "durability",
    "recovery",
    "param",
    "workers",
    "hosts",
    "most-workers",
    "worker-slots",
    "workers-wait",
    "broker",
    "replies",
    "log",
    "log-filter",
    "otlp",
    "profile",
    "profile-folder",
    "profile-rate",
    "due",
    "backfill",
    "failed-only",
    "at-once",
    "yes",
    "parameters",
    "on-end",
];

/// True if the parameter has a flag of its own.
pub(super) fn has_flag(spec: &ParameterSpec) -> bool {
    !TAKEN.contains(&flag(spec).as_str())
}

/// `run-date`
pub(super) fn flag(spec: &ParameterSpec) -> String {
    spec.name.replace('_', "-")
}

/// The ID of the parameter's argument in clap's matches. No other ID starts with `parameter `.
pub(super) fn id(spec: &ParameterSpec) -> String {
    format!("parameter {}", spec.name)
}

/// `BATCH_PARAM_API_KEY`: the environment variable that may hold a secret, to keep it off the command line.
pub(super) fn variable(spec: &ParameterSpec) -> String {
    format!("BATCH_PARAM_{}", spec.name.to_uppercase())
}

/// The secrets of a job that the environment holds, by their names.
pub(super) fn secrets(
    job: &JobInfo,
    environment: fn(&str) -> Option<OsString>,
) -> impl Iterator<Item = (&'static str, OsString)> {
    let secrets = job.parameters.iter().filter(|spec| spec.secret);
    secrets.filter_map(move |spec| environment(&variable(spec)).map(|text| (spec.name, text)))
}

/// `--input PATH`, or `--param json=TEXT`
pub(super) fn usage(spec: &ParameterSpec) -> String {
    if has_flag(spec) {
        format!("--{} {}", flag(spec), value_name(spec))
    } else {
        format!("--param {}={}", spec.name, value_name(spec))
    }
}

/// True if a run must be given a value for the parameter.
pub(crate) fn is_required(spec: &ParameterSpec) -> bool {
    !spec.optional && spec.default.is_none()
}

/// The usage of all parameters of a job for a list: required ones bare, others in brackets.
pub(super) fn usages(job: &JobInfo) -> String {
    let usage = |spec: &ParameterSpec| {
        if is_required(spec) { usage(spec) } else { format!("[{}]", usage(spec)) }
    };
    job.parameters.iter().map(usage).collect::<Vec<_>>().join(" ")
}

/// The flags of a job's parameters.
pub(super) fn arguments(job: &JobInfo) -> impl Iterator<Item = Arg> {
    job.parameters.iter().filter(|spec| has_flag(spec)).map(argument)
}

/// `--param NAME=VALUE`, with the parameters of the job that have no flag of their own.
pub(super) fn param_option(job: Option<&JobInfo>) -> Arg {
    let short = "Sets any parameter by its name; `-` may replace `_`";
    let flagless = job.iter().flat_map(|job| job.parameters).filter(|spec| !has_flag(spec));
    let each = flagless.map(|spec| format!("--param {}={}: {}", spec.name, value_name(spec), text(spec)));
    let long = [short.to_owned()].into_iter().chain(each).collect::<Vec<_>>().join("\n\n");
    Arg::new("param")
        .long("param")
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .value_parser(value_parser!(OsString))
        .allow_negative_numbers(true)
        .help(short)
        .long_help(long)
}

fn argument(spec: &ParameterSpec) -> Arg {
    let argument = Arg::new(id(spec))
        .long(flag(spec))
        .value_name(value_name(spec))
        .action(ArgAction::Append)
        .value_parser(value_parser!(OsString))
        .allow_negative_numbers(true)
        .help_heading("Parameters")
        .help(format!("{} {}", first_paragraph(spec.doc), facts(spec)).trim().to_owned())
        .long_help(text(spec));
    let argument = if spec.name.contains('_') { argument.alias(spec.name) } else { argument };
    if type_name(spec) == "bool" { argument.num_args(0..=1).default_missing_value("true") } else { argument }
}

fn text(spec: &ParameterSpec) -> String {
    match plain(spec.doc) {
        doc if doc.is_empty() => facts(spec),
        doc => format!("{doc}\n{}", facts(spec)),
    }
}

fn type_name(spec: &ParameterSpec) -> &'static str {
    spec.ty.single().name
}

fn value_name(spec: &ParameterSpec) -> String {
    match type_name(spec) {
        "PathBuf" => "PATH".to_owned(),
        "String" => "TEXT".to_owned(),
        "bool" => "true|false".to_owned(),
        "Date" => "DATE".to_owned(),
        "DateTime" => "DATE-TIME".to_owned(),
        "Timestamp" => "INSTANT".to_owned(),
        "f64" | "f32" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64"
        | "u128" | "usize" => "NUMBER".to_owned(),
        other => other.to_uppercase(),
    }
}

/// `[u16; default: 2013; identifies the run]`
pub(crate) fn facts(spec: &ParameterSpec) -> String {
    let several = if spec.list { ", repeated for each value" } else { "" };
    let mut facts = vec![format!("{}{several}", type_name(spec))];
    if !spec.values.is_empty() && type_name(spec) != "bool" {
        facts.push(format!("one of: {}", spec.values.join(", ")));
    }
    for rule in spec.rules {
        facts.push(match rule {
            ParameterRule::Range { text, .. } => format!("in {text}"),
            ParameterRule::Check { name, .. } => format!("checked by {name}"),
        });
    }
    match spec.default_value() {
        Some(_) if spec.secret => facts.push("has a default".to_owned()),
        Some(value) if value.to_string().is_empty() => facts.push("default: empty".to_owned()),
        Some(value) => facts.push(format!("default: {value}")),
        None if spec.optional => facts.push("optional".to_owned()),
        None => facts.push("required".to_owned()),
    }
    facts.push(if spec.secret {
        format!("secret: never stored, may also be set in the environment variable {}", variable(spec))
    } else if spec.identifying {
        "identifies the run".to_owned()
    } else {
        "does not identify the run".to_owned()
    });
    format!("[{}]", facts.join("; "))
}

/// A doc comment as text, without the space that follows `///`.
pub(crate) fn plain(doc: &str) -> String {
    doc.lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

/// The first paragraph of a doc comment, on one line.
pub(crate) fn first_paragraph(doc: &str) -> String {
    let lines = doc.trim().lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn each_option_of_a_run_is_taken() {
        let mut command = command::command("flights", &[], None);
        command.build();
        let run = command.find_subcommand("run").unwrap();
        let missing: Vec<_> =
            run.get_arguments().filter_map(Arg::get_long).filter(|long| !TAKEN.contains(long)).collect();
        assert!(missing.is_empty(), "a parameter with one of these names would clash: {missing:?}");
    }
}
