//! Tests of the logs, traces and metrics of runs.

#![allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    reason = "the language fixes what components take"
)]

mod dashboard;
mod logs;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod secrets;

use std::ffi::OsString;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use batch_runtime::{JobInfo, cli};

/// Runs a command line, while no other test does. `tracing` remembers for each event whether a subscriber of the process
/// wants it, and may miss a subscriber that another thread sets at the same moment.
fn run_from<A: Into<OsString>>(
    words: impl IntoIterator<Item = A>,
    jobs: &[&'static JobInfo],
    out: impl Write + Send + 'static,
    err: impl Write + Send + 'static,
) -> u8 {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    cli::run_from(words, jobs, out, err)
}

/// A stream whose text can be looked at.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
