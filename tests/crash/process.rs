//! Runs a command and reports how it ended, or that it hung.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which a run counts as hung: longer than the wait for a locked database.
pub(crate) const HANG: Duration = Duration::from_secs(100);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The run hung, and was killed.
    Hung,
}

pub(crate) const KILLED: Ended = Ended::Signal(9);

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    wait(start(command), HANG)
}

/// Starts a command in its own process group, so that a tracer and the traced process end together.
pub(crate) fn start(command: &mut Command) -> Child {
    command.process_group(0).spawn().expect("the program can be started")
}

/// Runs a command, and kills it after `delay`.
pub(crate) fn run_at_most(command: &mut Command, delay: Duration) -> Ended {
    match wait(start(command), delay) {
        Ended::Hung => KILLED,
        ended => ended,
    }
}

/// Waits until a process ends, and kills it if it hangs.
pub(crate) fn wait(mut child: Child, longest: Duration) -> Ended {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return how(status);
        }
        let left = longest.saturating_sub(begin.elapsed());
        if left.is_zero() {
            send("-KILL", &format!("-{}", child.id()));
            child.wait().expect("a child of ours");
            return Ended::Hung;
        }
        thread::sleep(left.min(Duration::from_millis(1)));
    }
}

/// Sends a signal to a process, or to the group `-ID`.
pub(crate) fn send(signal: &str, to: &str) {
    // The process may have ended by itself in the meantime.
    let _ = Command::new("kill").args([signal, "--", to]).status();
}
