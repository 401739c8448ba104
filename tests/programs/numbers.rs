//! A program for the tests of its process: it writes the numbers from 1 to `to` into a table beside the repository's
//! own, and takes its time.

use std::io::Write as _;
use std::time::Duration;

use batch_runtime::graph::{Activity, Node, Use};
use batch_runtime::prelude::*;
use batch_runtime::{JobInfo, JobOptions, ParameterSpec, ParameterType, StepDefinition};

#[reader]
fn numbers(to: u32) -> impl Iterator<Item = u32> {
    1..=to
}

#[processor]
fn slowly(number: u32, pause: u64) -> u32 {
    if pause > 0 {
        // Whoever sends signals wants to know that a chunk is being worked on.
        let _ = writeln!(std::io::stderr(), "number {number}");
        std::thread::sleep(Duration::from_millis(pause));
    }
    number
}

#[writer]
fn table(numbers: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO kept VALUES (?1)", [number]).map(|_| ()))
}

#[step(chunk = 5)]
fn keep() {
    numbers | slowly | table
}

const COUNT: &JobInfo = &JobInfo {
    id: "numbers::count",
    name: "count",
    doc: " Writes numbers down.",
    parameters: &[
        ParameterSpec::of::<u32>("to", " The last number"),
        ParameterSpec {
            default: Some(|| 0_u64.to_value()),
            identifying: false,
            ..ParameterSpec::of::<u64>("pause", " Milliseconds a number")
        },
    ],
    flow: &[Node::Run(Use { name: "keep", activity: Activity::Step(keep::INFO), bindings: &[] })],
    options: JobOptions::DEFAULT,
};

fn main() -> std::process::ExitCode {
    batch_runtime::cli::main(&[COUNT])
}
