//! The command line of a program, as clap parses it.

mod housekeeping;
mod inspect;
mod parameters;
mod run;
#[cfg(feature = "schedule")]
mod schedule;
#[cfg(feature = "serve")]
mod serve;
mod shared;
mod workers;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use crate::definition::JobInfo;
use crate::frontend::parameter::plain;
#[cfg(feature = "schedule")]
use crate::frontend::schedule::is_used;
use shared::{OPTIONS, execution, on_end};

pub(super) use parameters::id as parameter_id;

const EXIT_CODES: &str = "Exit codes: 0 success, 1 the job failed, 2 wrong command line or unusable repository, \
    3 the job was stopped, 4 refused";

/// The commands and jobs of a command line that are built.
#[derive(Debug, Clone, Copy)]
pub(super) enum Parts<'a> {
    /// All of them: for help, completions, and messages that name the nearest.
    All,
    /// Those whose names are among these arguments, because the arguments can call no others. Building the many options
    /// of the others would delay every start of a job.
    NamedIn(&'a [OsString]),
}

/// Adds the description and the options of a command.
type Build<'b> = &'b dyn Fn(Command) -> Command;

impl Parts<'_> {
    fn include(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::NamedIn(arguments) => arguments.iter().any(|argument| argument == name),
        }
    }

    fn of(self, commands: &[(&'static str, Build<'_>)]) -> Vec<Command> {
        let included = commands.iter().filter(|(name, _)| self.include(name));
        included.map(|(name, build)| build(Command::new(*name))).collect()
    }
}

/// The command line, or parts of it. The jobs must have different names.
pub(super) fn command(
    program: &str,
    jobs: &[&'static JobInfo],
    width: Option<usize>,
    parts: Parts<'_>,
) -> Command {
    let about = match jobs {
        [job] if !job.doc.is_empty() => plain(job.doc),
        _ => "Runs and manages the jobs of this program.".to_owned(),
    };
    let command = Command::new(program.to_owned())
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_flag(true)
        .after_help(EXIT_CODES)
        .args(globals())
        .subcommands(parts.of(&[
            ("jobs", &|command| command.about("Lists the jobs of this program and their parameters")),
            ("run", &|command| run::run(command, program, jobs, parts)),
            ("restart", &run::restart),
            ("stop", &|command| {
                command.about("Asks a running execution to stop after its current chunk").arg(execution())
            }),
            ("abandon", &|command| {
                command
                    .about("Abandons an execution for good: its instance cannot be restarted")
                    .arg(execution())
            }),
            ("worker", &workers::worker),
            ("workers", &workers::workers),
            ("recover", &|command| {
                command
                    .about("Ends executions that have lost their process, so that they can be restarted")
                    .arg(on_end())
            }),
            ("executions", &inspect::executions),
            ("graph", &inspect::graph),
            ("show", &inspect::show),
            ("metrics", &inspect::metrics),
            ("profile", &inspect::profiles),
            ("purge", &housekeeping::purge),
            ("doctor", &housekeeping::doctor),
            ("completions", &housekeeping::completions),
        ]));
    #[cfg(feature = "serve")]
    let command = command.subcommands(parts.of(&[("serve", &serve::serve)]));
    #[cfg(feature = "schedule")]
    let command = if is_used(jobs) {
        command.subcommands(parts.of(&[("schedule", &schedule::schedule)]))
    } else {
        command
    };
    match width {
        Some(width) => command.term_width(width),
        None => command.max_term_width(100),
    }
}

fn globals() -> [Arg; 5] {
    let flag = |name, short, order| {
        let arg = Arg::new(name).long(name).global(true).help_heading(OPTIONS).display_order(order);
        let arg = if name == "help" { arg.action(ArgAction::Help) } else { arg.action(ArgAction::SetTrue) };
        if short == ' ' { arg } else { arg.short(short) }
    };
    [
        Arg::new("repository")
            .long("repository")
            .value_name("URL")
            .value_parser(clap::value_parser!(OsString))
            .global(true)
            .help_heading(OPTIONS)
            .display_order(20)
            .help("The repository that records all runs: the PATH of a SQLite file, or postgres://USER@HOST/DATABASE?schema=NAME [default: batch.db; environment: BATCH_REPOSITORY]"),
        flag("json", ' ', 21).help("Prints one JSON document instead of text"),
        flag("quiet", 'q', 22).help("Prints only errors"),
        flag("verbose", 'v', 23)
            .conflicts_with("quiet")
            .help("Logs step starts and ends to stderr"),
        flag("help", 'h', 24).help("Prints help; `--help` shows more detail than `-h`"),
    ]
}
