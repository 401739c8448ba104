//! Answers a command line that clap does not accept: with the requested help, or with what is wrong.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::console::Console;
use super::output::refuse;
use crate::definition::JobInfo;
use crate::frontend::refusal::{Refusal, exit};
use crate::operator::job_named;

/// How clap describes the command `help`, which it adds itself.
const HELP_OF_CLAP: &str = "Print this message or the help of the given subcommand(s)";
/// Our description of that command, in the style of the other commands.
const HELP: &str = "Prints this help, or the help of a command";

/// Prints the requested help, or one line that says what is wrong with the arguments.
pub(super) fn unparsed(
    error: &clap::Error,
    arguments: &[OsString],
    jobs: &[&'static JobInfo],
    console: &Console,
    wants_json: bool,
) -> u8 {
    let help = || {
        let help = error.render();
        let help = if console.colour { help.ansi().to_string() } else { help.to_string() };
        help.replace(HELP_OF_CLAP, HELP)
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            console.out.put(help());
            exit::COMPLETED
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            console.err.put(error.render().to_string().replace(HELP_OF_CLAP, HELP));
            exit::USAGE
        }
        _ => {
            let of_run = arguments.iter().skip(1).any(|argument| argument == "run");
            refuse(&refusal(error, jobs, of_run), console, wants_json, true)
        }
    }
}

/// The message of clap, on one line.
fn refusal(error: &clap::Error, jobs: &[&'static JobInfo], of_run: bool) -> Refusal {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let meant = |word: Option<String>| match word {
        Some(word) => format!("; did you mean `{word}`?"),
        None => "; `--help` lists what is available".to_owned(),
    };
    let message = match error.kind() {
        ErrorKind::MissingSubcommand => "a command is required; `--help` lists the commands".to_owned(),
        ErrorKind::UnknownArgument => {
            let given = word(ContextKind::InvalidArg).unwrap_or_default();
            if of_run
                && jobs.is_empty()
                && let Err(error) = job_named(jobs, &given)
            {
                return Refusal::of(&error);
            }
            if of_run && word(ContextKind::SuggestedArg).is_none() && jobs.len() > 1 {
                return Refusal::usage(format!(
                    "unexpected argument `{given}`; the name of the job comes before its parameters, and `run JOB --help` lists them"
                ));
            }
            format!("unexpected argument `{given}`{}", meant(word(ContextKind::SuggestedArg)))
        }
        ErrorKind::InvalidSubcommand => {
            let given = word(ContextKind::InvalidSubcommand).unwrap_or_default();
            if of_run && let Err(error) = job_named(jobs, &given) {
                return Refusal::of(&error);
            }
            format!("there is no command `{given}`{}", meant(word(ContextKind::SuggestedSubcommand)))
        }
        _ => {
            let text = error.to_string();
            let said = text.trim_start_matches("error:").lines().map(str::trim);
            let said: Vec<&str> = said.take_while(|line| !line.is_empty()).collect();
            said.join(" ")
        }
    };
    Refusal::usage(message)
}
