//! The words for a job parameter: its flag, its environment variable, and its description.

use std::ffi::OsString;

use crate::definition::{JobInfo, ParameterRule, ParameterSpec};

/// Flags of the command `run` itself. A parameter with such a name is passed as `--param NAME=VALUE`.
pub(crate) const TAKEN: [&str; 30] = [
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
pub(crate) fn has_flag(spec: &ParameterSpec) -> bool {
    !TAKEN.contains(&flag(spec).as_str())
}

/// `run-date`
pub(crate) fn flag(spec: &ParameterSpec) -> String {
    spec.name.replace('_', "-")
}

/// `BATCH_PARAM_API_KEY`: the environment variable that may hold a secret, to keep it off the command line.
pub(crate) fn variable(spec: &ParameterSpec) -> String {
    format!("BATCH_PARAM_{}", spec.name.to_uppercase())
}

/// The secrets of a job that the environment holds, by their names.
pub(crate) fn secrets(
    job: &JobInfo,
    environment: fn(&str) -> Option<OsString>,
) -> impl Iterator<Item = (&'static str, OsString)> {
    let secrets = job.parameters.iter().filter(|spec| spec.secret);
    secrets.filter_map(move |spec| environment(&variable(spec)).map(|text| (spec.name, text)))
}

/// `--input PATH`, or `--param json=TEXT`
pub(crate) fn usage(spec: &ParameterSpec) -> String {
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
pub(crate) fn usages(job: &JobInfo) -> String {
    let usage = |spec: &ParameterSpec| {
        if is_required(spec) { usage(spec) } else { format!("[{}]", usage(spec)) }
    };
    job.parameters.iter().map(usage).collect::<Vec<_>>().join(" ")
}

/// The doc comment of a parameter, and its facts.
pub(crate) fn text(spec: &ParameterSpec) -> String {
    match plain(spec.doc) {
        doc if doc.is_empty() => facts(spec),
        doc => format!("{doc}\n{}", facts(spec)),
    }
}

pub(crate) fn type_name(spec: &ParameterSpec) -> &'static str {
    spec.ty.single().name
}

/// The placeholder for a value.
pub(crate) fn value_name(spec: &ParameterSpec) -> String {
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
