//! A shell that runs a server for the tests, and ends it however the process of the tests ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The shell. Each line of its input is a command, and it answers with the ID of the server's process.
#[derive(Debug)]
pub(crate) struct Watcher(Mutex<Watching>);

#[derive(Debug)]
struct Watching {
    /// `None` after the end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    child: Child,
}

impl Watcher {
    pub(crate) fn spawn(mut shell: Command) -> Self {
        // A Ctrl-C at the terminal is for the tests: the server ends after them.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self(Mutex::new(Watching { input, output, child }))
    }

    pub(crate) fn command(&self, command: &str) -> u32 {
        let mut watching = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(watching.input.as_mut().unwrap(), "{command}").unwrap();
        let mut answer = String::new();
        watching.output.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let watching = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        watching.input = None;
        let _ = watching.child.wait();
    }
}

/// A free port outside the range of outgoing connections: an outgoing connection could take a port of that range
/// while the server is down.
pub(crate) fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = std::process::id().wrapping_mul(37).wrapping_add(TRIED.fetch_add(1, Relaxed));
        let port = 20_000 + u16::try_from(next % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
