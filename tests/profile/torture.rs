//! Tests whether the sampler harms a program. The test takes minutes, so it runs only on request:
//! `cargo test --release --test profile -- --ignored torture`

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A run takes a fraction of a second. One that is stuck takes for ever.
const STUCK: Duration = Duration::from_mins(2);

#[test]
#[ignore = "a thousand runs take minutes; `BATCH_TORTURE_RUNS` sets another number"]
fn the_sampler_harms_no_run_of_a_program_under_torture() {
    let runs =
        std::env::var("BATCH_TORTURE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1_000_u32);
    let mut wrong = Vec::new();
    for run in 0..runs {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_torture"));
        command.args(["run", "--profile", "--profile-rate", "1000", "--quiet"]).current_dir(folder.path());
        command.env_remove("BATCH_REPOSITORY").env("TMPDIR", folder.path());
        let mut process = command.stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            match process.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begun.elapsed() > STUCK => {
                    process.kill().unwrap();
                    process.wait().unwrap();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let has_profile = folder.path().join("torture-1.svg").exists();
        match status {
            Some(status) if status.success() && has_profile => {}
            Some(status) => wrong.push(format!(
                "run {run}: exit code {:?}, signal {:?}, profile {has_profile}",
                status.code(),
                status.signal()
            )),
            None => wrong.push(format!("run {run} was stuck")),
        }
    }
    assert!(wrong.is_empty(), "{} of {runs} runs went wrong: {wrong:#?}", wrong.len());
}
