//! A folder with a program, the repository that it uses there, and its page on a free port.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Answer, ask};

/// A folder, the program, and a repository.
pub(crate) struct World {
    folder: TempDir,
    url: String,
    /// The command for the end of executions.
    on_end: Option<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at("batch.db".to_owned())
    }

    /// A world with the repository at this URL.
    pub(crate) fn at(url: String) -> Self {
        Self { folder: TempDir::new().unwrap(), url, on_end: None }
    }

    /// Sets the command for the end of executions of later commands.
    pub(crate) fn on_end(self, command: &str) -> Self {
        Self { on_end: Some(command.to_owned()), ..self }
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        command.args(line.split(' ')).current_dir(self.folder.path()).env("BATCH_REPOSITORY", &self.url);
        command.envs(self.on_end.iter().map(|command| ("BATCH_ON_END", command)));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command, and returns its standard output.
    pub(crate) fn printed(&self, line: &str) -> String {
        String::from_utf8(self.run(line).stdout).unwrap()
    }

    /// Starts a command, and leaves it running.
    pub(crate) fn start(&self, line: &str) -> Running {
        let mut command = self.command(line);
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until a matching execution is recorded.
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> i64 {
        let until = Instant::now() + Duration::from_mins(2);
        loop {
            let document: Value =
                serde_json::from_str(&self.printed("executions --json")).unwrap_or_default();
            let found = document["executions"].as_array().into_iter().flatten().find(|it| fits(it));
            if let Some(found) = found {
                return found["execution"].as_i64().unwrap();
            }
            assert!(Instant::now() < until, "no execution {what}: {document:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an execution has this status.
    pub(crate) fn wait_until(&self, execution: i64, status: &str) {
        self.wait_for(status, |it| it["execution"] == execution && it["status"] == status);
    }

    /// Serves the page on a free port of this machine, with these arguments.
    pub(crate) fn serve(&self, arguments: &str) -> Server {
        self.serve_at(&format!("--listen 0 {arguments}"))
    }

    /// Serves the page where the arguments say.
    pub(crate) fn serve_at(&self, arguments: &str) -> Server {
        let (mut server, link) = self.serve_printing(arguments);
        let (_, token) = link.split_once("/?token=").unwrap_or_else(|| panic!("{link}"));
        token.clone_into(&mut server.token);
        server
    }

    /// Serves the page where the arguments say, and returns the line that the server prints.
    pub(crate) fn serve_printing(&self, arguments: &str) -> (Server, String) {
        let mut command = self.command(format!("serve {arguments}").trim());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let address = link.trim().split_once("://").map_or("", |(_, rest)| rest);
        let port = address.split('/').next().and_then(|it| it.rsplit(':').next()?.parse().ok());
        (Server { child, port: port.unwrap_or(0), token: String::new() }, link.trim().to_owned())
    }
}

/// A process that ends with the test.
pub(crate) struct Running(Child);

impl Running {
    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port)
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// Sends a request with the token.
    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(self.port, &format!("GET {path}"), &[self.host(), self.bearer()], b"")
    }

    /// Sends a form with the token.
    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        ask(self.port, &format!("POST {path}"), &[self.host(), self.bearer()], form.as_bytes())
    }

    /// The number of the execution that a form has started.
    pub(crate) fn started(&self, path: &str, form: &str) -> i64 {
        let answer = self.post(path, form);
        answer.location().rsplit('/').next().unwrap().parse().unwrap_or_else(|_| panic!("{answer:?}"))
    }

    /// Ends it, and returns its messages.
    pub(crate) fn end(mut self) -> String {
        let pid = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
