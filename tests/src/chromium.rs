//! The driver of a headless Chromium, which all tests of a process share.
//!
//! The driver dies with the process, however the process ends: a shell that watches over the driver waits for the end
//! of its input.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::missing;
use crate::watcher::{Watcher, free_port};

/// How long the driver may take to accept connections on a busy machine.
const STARTING: Duration = Duration::from_mins(2);

/// Runs the driver. After the end of its input it ends the driver and its browsers, and removes the folder.
const WATCHER: &str = r#"
folder=$1; shift; driver=
while read -r command; do
    setsid "$@" </dev/null >>"$folder/log" 2>&1 & driver=$!
    echo "$driver"
done
[ -z "$driver" ] || { kill -KILL "-$driver"; wait "$driver"; }
cd /; rm -rf "$folder"
"#;

/// A driver, and the browser that it starts.
#[derive(Debug)]
pub struct Driver {
    port: u16,
    browser: PathBuf,
    folder: PathBuf,
    /// Ends the driver with the process.
    _watcher: Watcher,
}

/// The driver that all tests of this process share.
///
/// Without a browser or its driver it prints how to get them and returns `None`: the test ends there.
///
/// # Panics
/// If there is none and `CI` is set, or if the driver does not start.
#[must_use]
pub fn driver() -> Option<&'static Driver> {
    static DRIVER: OnceLock<Option<Driver>> = OnceLock::new();
    DRIVER.get_or_init(Driver::start).as_ref()
}

impl Driver {
    fn start() -> Option<Self> {
        let (Some(program), Some(browser)) = (found("chromedriver"), found("chromium")) else {
            missing::leave_out(
                "Chromium or its driver is missing",
                "apt-get install chromium chromium-driver",
            );
            return None;
        };
        let folder = tempfile::Builder::new().prefix("batch-chromium-").tempdir().unwrap().keep();
        let port = free_port();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", WATCHER, "watcher"]).arg(&folder).arg(program).arg(format!("--port={port}"));
        // Profiles, and everything else that a browser stores, go into the folder.
        shell.env("HOME", &folder).env("TMPDIR", &folder).env_remove("DISPLAY").current_dir(&folder);
        let watcher = Watcher::spawn(shell);
        watcher.command("start");
        let driver = Self { port, browser, folder, _watcher: watcher };
        let until = Instant::now() + STARTING;
        while let Err(refused) = TcpStream::connect(("127.0.0.1", port)) {
            let log = std::fs::read_to_string(driver.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "the driver does not start: {refused}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(driver)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The program of the browser.
    #[must_use]
    pub fn browser(&self) -> &Path {
        &self.browser
    }

    /// Whether the browser runs as root. Chromium cannot use its sandbox as root.
    ///
    /// # Panics
    /// If its folder is gone.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.folder.metadata().unwrap().uid() == 0
    }
}

/// A program on the search path.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
