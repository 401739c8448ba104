//! A repository with a page of its own, on a free port.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a repository, and the server of its page. Both end with the test.
pub(crate) struct World {
    folder: TempDir,
    server: Child,
    /// The line that the server has printed: the address with the token.
    pub(crate) link: String,
}

/// A command of the program.
fn program(folder: &TempDir, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.args(line.split(' ')).current_dir(folder).env("BATCH_REPOSITORY", "batch.db");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

impl World {
    /// The world after these commands.
    pub(crate) fn after(commands: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        for line in commands {
            program(&folder, line).output().unwrap();
        }
        let mut server = program(&folder, "serve --listen 0 --log-folder logs").spawn().unwrap();
        let mut link = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut link).unwrap();
        Self { folder, server, link: link.trim().to_owned() }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        let (address, _) = self.link.split_once("/?token=").unwrap_or_else(|| panic!("{}", self.link));
        format!("{address}{path}")
    }

    pub(crate) fn token(&self) -> &str {
        self.link.split_once("/?token=").unwrap().1
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Jobs outlive the server.
        let running = program(&self.folder, "executions --running --json").output();
        let running: Value =
            running.ok().and_then(|it| serde_json::from_slice(&it.stdout).ok()).unwrap_or_default();
        for execution in running["executions"].as_array().into_iter().flatten() {
            let _ = program(&self.folder, &format!("stop {}", execution["execution"])).output();
        }
        // The server may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
