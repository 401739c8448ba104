//! A step with `remote` does the same as a step with a single thread, whatever happens to its messages.

#![allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "the language fixes what components take and return"
)]

mod carrier;
mod ends;
mod losses;
mod steps;
#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../behaviour/support.rs"]
mod support;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use batch_runtime::definition::JobInfo;
use batch_runtime::engine::RunOptions;
use batch_runtime::observe::{JobReport, Observer};
use batch_runtime::workers::{RemoteChunks, Worker};
use batch_runtime::{Launch, StopSignal};

use crate::support::World;
use carrier::{Carrier, Mishaps};

/// How long these tests wait for an answer before it is late.
const PATIENCE: Duration = Duration::from_millis(300);

fn chunks(carrier: &Carrier) -> RemoteChunks {
    RemoteChunks::over(Arc::new(carrier.clone())).patience(PATIENCE).build("test")
}

/// Workers that process chunks until they are dropped.
struct Workers {
    drain: StopSignal,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Workers {
    fn start(world: &World, jobs: &[&'static JobInfo], slots: u32, chunks: &RemoteChunks) -> Self {
        let drain = StopSignal::new();
        let worker = Worker::new(Arc::clone(&world.repository), jobs)
            .slots(slots)
            .chunks(chunks.clone())
            .drain_on(drain.clone());
        let threads = vec![thread::spawn(move || worker.run().unwrap())];
        Self { drain, threads }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.drain.raise();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// The lines that the user was shown.
#[derive(Debug, Default)]
struct Told(std::sync::Mutex<Vec<String>>);

impl Told {
    fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Observer for Told {
    fn noted(&self, step: &str, what: &str) {
        self.0.lock().unwrap().push(format!("{step}: {what}"));
    }
}

fn options(chunks: RemoteChunks) -> RunOptions {
    RunOptions { chunks: Some(chunks), ..RunOptions::default() }
}

/// Runs a job with two slots in a worker, over a carrier with mishaps.
fn with_workers(world: &World, launch: &Launch, seed: u64, mishaps: Mishaps) -> JobReport {
    let carrier = Carrier::new(seed, mishaps);
    let _workers = Workers::start(world, &[launch.job], 2, &chunks(&carrier));
    world.run_with(launch, &options(chunks(&carrier)))
}
