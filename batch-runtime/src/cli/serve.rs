//! `serve`: the web page for operators.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::arguments::Globals;
use super::console::Console;
use super::refusal::{Refusal, exit};
use super::repository::{self, Open};
use super::{json, recover};
use crate::definition::JobInfo;
use crate::operator::JobOperator;
use crate::serve::{Guard, Listen, Listener, Page, Token, serve};

const OPTIONS: &str = "Options";

/// `serve`, as typed.
#[derive(Debug)]
pub(super) struct Arguments {
    listen: Listen,
    hosts: Vec<String>,
    token_file: Option<OsString>,
    /// The folder for the logs of jobs.
    log_folder: Option<OsString>,
    read_only: bool,
    allow_actions: bool,
}

impl Arguments {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        Self {
            listen: matches.get_one::<Listen>("listen").cloned().unwrap_or(Listen::DEFAULT),
            hosts: matches.get_many("host").into_iter().flatten().cloned().collect(),
            token_file: matches.get_one::<OsString>("token-file").cloned(),
            #[cfg(feature = "log")]
            log_folder: matches.get_one::<OsString>("log-folder").cloned(),
            #[cfg(not(feature = "log"))]
            log_folder: None,
            read_only: matches.get_flag("read-only"),
            allow_actions: matches.get_flag("allow-actions"),
        }
    }
}

pub(super) fn command() -> Command {
    let option =
        |name: &'static str, order| Arg::new(name).long(name).help_heading(OPTIONS).display_order(order);
    let command = Command::new("serve")
        .about("Serves a web page that shows executions, with buttons to start, stop and restart jobs")
        .long_about(
            "Serves a web page that shows what ran and why it failed, with buttons to start, stop and restart jobs. The \
             command prints the link that opens the page; nobody sees anything without the token in the link.\n\n\
             Jobs that are started from the page are separate processes, which go on when the server ends.",
        )
        .args([
            option("listen", 1)
                .value_name("ADDRESS")
                .value_parser(|text: &str| text.parse::<Listen>())
                .help("Listens on an address and a port (0.0.0.0:8000), on a port of the loopback address (8000), or on a Unix socket (unix:/run/batch.sock) [default: 127.0.0.1:8765]"),
            option("token-file", 2)
                .value_name("FILE")
                .value_parser(value_parser!(OsString))
                .help("Takes the token from this file, which is created if there is none [default: a new token each time]"),
            option("host", 3)
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("Answers to this name as well, for example behind a reverse proxy; may be repeated"),
            option("read-only", 4).action(ArgAction::SetTrue).help("Shows everything, and changes nothing"),
            option("allow-actions", 5)
                .action(ArgAction::SetTrue)
                .conflicts_with("read-only")
                .help("Allows the buttons even if other machines can reach the address; without this option, such a page is read-only"),
        ]);
    #[cfg(feature = "log")]
    let command = command.arg(
        option("log-folder", 6)
            .value_name("FOLDER")
            .value_parser(value_parser!(OsString))
            .help("Writes the log of each job that is started from the page into this folder, and shows it"),
    );
    command
}

/// `serve`
pub(super) fn run(
    arguments: &Arguments,
    program: &str,
    jobs: &[&'static JobInfo],
    globals: &Globals,
    console: &Console,
) -> Result<u8, Refusal> {
    let on = &arguments.listen;
    let repository = repository::open(globals.repository.as_deref(), console, Open::OrCreate)?;
    let url = repository::absolute(globals.repository.as_deref(), console)?;
    let file = std::env::current_exe()
        .map_err(|error| Refusal::usage(format!("cannot find the path of this program: {error}")))?;
    let logs = arguments.log_folder.as_deref().map(folder).transpose()?;
    let (token, place) = token(arguments.token_file.as_deref().map(Path::new), console)?;
    let listener = Listener::bind(on).map_err(|error| {
        Refusal::usage(format!("cannot listen on {on}: {error}; use `--listen` to choose another address"))
    })?;
    let link = link(&listener, on, &token, place.as_deref());
    let read_only = arguments.read_only || !(on.is_local() || arguments.allow_actions);
    let guard = Guard::new(program, token, &listener, &arguments.hosts, read_only);
    let (errors, is_quiet) = (console.err.clone(), globals.quiet);
    let (warnings, environment) = (console.err.clone(), console.environment);
    let page = Page {
        operator: JobOperator::new(repository).with_jobs(jobs),
        command: Box::new(move || {
            let mut command = Process::new(&file);
            // A URL may hold a password, which everybody could read among the arguments.
            command.env("BATCH_REPOSITORY", &url).stdin(Stdio::piped());
            command
        }),
        logs,
        guard: Arc::new(guard),
        on_end: Box::new(move |recovered| {
            let warnings = warnings.clone();
            // The command may take half a minute, and the answer to the button does not depend on it.
            std::thread::spawn(move || recover::run_command(None, &recovered, environment, &warnings));
        }),
        say: Box::new(move |line| {
            if !is_quiet {
                errors.line(line);
            }
        }),
    };
    if globals.json {
        super::print_json(&json::Served { link: &link }, console);
    } else {
        console.out.line(link);
    }
    if read_only && !arguments.read_only {
        console.err.line(
            "the page is read-only, because other machines can reach it: `--allow-actions` allows its buttons",
        );
    }
    serve(page, listener).map_err(|error| Refusal::usage(format!("the page cannot be served: {error}")))?;
    Ok(exit::COMPLETED)
}

/// The folder for logs. It is created if it does not exist.
fn folder(name: &OsStr) -> Result<PathBuf, Refusal> {
    let wrong =
        |error| Refusal::usage(format!("the folder of logs {} cannot be used: {error}", name.display()));
    let folder = std::path::absolute(name).map_err(wrong)?;
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    Ok(folder)
}

/// The token, and the file that holds it.
fn token(file: Option<&Path>, console: &Console) -> Result<(Token, Option<PathBuf>), Refusal> {
    let Some(file) = file else {
        let token = Token::random();
        let no =
            |error| Refusal::usage(format!("the system provides no random numbers for a token: {error}"));
        return token.map(|token| (token, None)).map_err(no);
    };
    let token = Token::of_file(file)
        .map_err(|why| Refusal::usage(format!("the token file {} cannot be used: {why}", file.display())))?;
    if Token::is_readable_by_others(file) {
        console.err.line(format!(
            "other users of this machine can read the token: `chmod 600 {}` prevents that",
            file.display()
        ));
    }
    Ok((token, Some(file.to_owned())))
}

/// The line that says where the page is.
fn link(listener: &Listener, on: &Listen, token: &Token, file: Option<&Path>) -> String {
    let at = match listener.address() {
        Some(address) => format!("http://{address}/"),
        None => on.to_string(),
    };
    match (file, listener.address()) {
        (Some(file), _) => format!("{at} (the token is in {})", file.display()),
        (None, Some(_)) => format!("{at}?token={}", token.text()),
        (None, None) => format!("{at} (the token is {})", token.text()),
    }
}
