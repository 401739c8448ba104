//! `--on-end`: runs the user's command after a job has ended, with the document of the run on its standard input.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;

use super::console::{Environment, Stream};
use crate::definition::ExecutionId;

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The values of the variables in the environment of the command.
pub(super) struct Ended<'a> {
    pub(super) job: &'a str,
    pub(super) execution: Option<ExecutionId>,
    pub(super) status: &'a str,
    pub(super) exit_code: &'a str,
}

/// Runs the command, if there is one. Its failure is reported and changes nothing.
pub(super) fn run_command(
    command: Option<&str>,
    ended: &Ended<'_>,
    document: &impl Serialize,
    environment: Environment,
    err: &Stream,
) {
    let variable = || environment("BATCH_ON_END").and_then(|text| text.into_string().ok());
    let command = command.map(str::to_owned).or_else(variable).filter(|command| !command.is_empty());
    let Some(command) = command else { return };
    let told = serde_json::to_vec(document)
        .map_err(io::Error::from)
        .and_then(|document| run(&command, ended, document, PATIENCE));
    let why = match told {
        Ok(Some(status)) if status.success() => return,
        Ok(Some(status)) => status.to_string(),
        Ok(None) => format!("it took longer than {} s and was killed", PATIENCE.as_secs()),
        Err(error) => error.to_string(),
    };
    err.line(format_args!(
        "warning: the command of `--on-end` failed: {why}; the result of the job is unchanged"
    ));
}

/// Runs the command in its own process group. Returns how the command ended; `None` if it took too long.
fn run(
    command: &str,
    ended: &Ended<'_>,
    document: Vec<u8>,
    patience: Duration,
) -> io::Result<Option<ExitStatus>> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).process_group(0).stdin(Stdio::piped());
    // Standard output is for the document of the run itself, so the command prints to standard error.
    shell.stdout(io::stderr());
    shell
        .env("BATCH_JOB", ended.job)
        .env("BATCH_STATUS", ended.status)
        .env("BATCH_EXIT_CODE", ended.exit_code);
    if let Some(execution) = ended.execution {
        shell.env("BATCH_EXECUTION", execution.to_string());
    }
    // The command does not get the secrets of the job.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BATCH_PARAM_") {
            shell.env_remove(name);
        }
    }
    let mut child = shell.spawn()?;
    let input = child.stdin.take();
    let group = i32::try_from(child.id()).ok().map(Pid::from_raw);
    // A command that reads nothing must not hold up the end of the run.
    thread::spawn(move || {
        if let Some(mut input) = input {
            let _ = input.write_all(&document);
        }
    });
    wait(child, patience, || {
        if let Some(group) = group {
            let _ = killpg(group, Signal::SIGKILL);
        }
    })
}

/// Waits for the command, and kills it if it takes too long.
fn wait(mut child: Child, patience: Duration, end: impl FnOnce()) -> io::Result<Option<ExitStatus>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(child.wait());
    });
    match told.recv_timeout(patience) {
        Ok(ended) => ended.map(Some),
        Err(RecvTimeoutError::Timeout) => {
            end();
            // Waits for the killed command, so that it does not outlive the run.
            let _ = told.recv();
            Ok(None)
        }
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the thread that waits for it has ended"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: Ended<'_> =
        Ended { job: "load", execution: Some(ExecutionId(7)), status: "FAILED", exit_code: "FAILED" };

    #[test]
    fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
        let ended = run("sleep 600 & sleep 600", &ENDED, Vec::new(), Duration::from_millis(1));
        assert!(ended.unwrap().is_none());
    }

    #[test]
    fn a_command_that_reads_nothing_is_not_waited_for() {
        let ended = run("exit 3", &ENDED, vec![b'x'; 10_000_000], PATIENCE).unwrap();
        assert_eq!(ended.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn the_command_has_the_document_and_the_status() {
        let command =
            r#"test "$(cat)" = "{}" && test "$BATCH_JOB $BATCH_EXECUTION $BATCH_STATUS" = "load 7 FAILED""#;
        let ended = run(command, &ENDED, b"{}".to_vec(), PATIENCE).unwrap();
        assert!(ended.is_some_and(|status| status.success()));
    }
}
