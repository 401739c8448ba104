//! `serve`: the web page for operators.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use super::arguments::{Globals, ServeArguments};
use super::console::Console;
use super::documents::Served;
use super::output::print_json;
use super::recover;
use super::repository::{self, Open};
use crate::definition::JobInfo;
use crate::frontend::refusal::{Refusal, exit};
use crate::operator::JobOperator;
use crate::serve::{Guard, Listen, Listener, Page, Token, serve};

/// `serve`
pub(super) fn run(
    arguments: &ServeArguments,
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
        print_json(&Served { link: &link }, console);
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
