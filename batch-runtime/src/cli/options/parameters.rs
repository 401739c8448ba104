//! The flags of a job's parameters.

use std::ffi::OsString;

use clap::{Arg, ArgAction, value_parser};

use crate::definition::{JobInfo, ParameterSpec};
use crate::frontend::parameter::{facts, first_paragraph, flag, has_flag, text, type_name, value_name};

/// The ID of the parameter's argument in clap's matches. No other ID starts with `parameter `.
pub(in crate::cli) fn id(spec: &ParameterSpec) -> String {
    format!("parameter {}", spec.name)
}

/// The flags of a job's parameters.
pub(in crate::cli) fn arguments(job: &JobInfo) -> impl Iterator<Item = Arg> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::{Parts, command};
    use crate::frontend::parameter::TAKEN;

    #[test]
    fn each_option_of_a_run_is_taken() {
        let mut command = command("flights", &[], None, Parts::All);
        command.build();
        let run = command.find_subcommand("run").unwrap();
        let missing: Vec<_> =
            run.get_arguments().filter_map(Arg::get_long).filter(|long| !TAKEN.contains(long)).collect();
        assert!(missing.is_empty(), "a parameter with one of these names would clash: {missing:?}");
    }
}
