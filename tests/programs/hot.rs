//! A program for the tests of profiles: two known functions take its CPU time, the first one twice as much.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use batch_runtime::prelude::*;

/// Computes for `rounds` thousand rounds.
#[inline(never)]
fn digest(number: u64, rounds: u64) -> u64 {
    (0..rounds * 1_000).fold(number, |sum, round| black_box(sum.wrapping_mul(31) ^ round))
}

/// Computes as much, for another component.
#[inline(never)]
fn compare(number: u64, rounds: u64) -> u64 {
    (0..rounds * 1_000).fold(number, |sum, round| black_box(sum.wrapping_mul(31) ^ round))
}

#[reader]
fn numbers(items: u64) -> impl Iterator<Item = u64> {
    0..items
}

#[processor]
fn hash(number: u64, rounds: u64) -> u64 {
    digest(number, rounds * 2)
}

#[processor(concurrency = 4)]
fn pooled(number: u64, rounds: u64) -> u64 {
    digest(number, rounds * 2)
}

#[derive(Debug, thiserror::Error)]
#[error("the last chunk is refused")]
struct Refused;

#[writer]
fn order(numbers: &[u64], rounds: u64, fails: bool) -> Result<(), Refused> {
    // Lets a test send a signal while a chunk is written.
    let _ = writeln!(std::io::stderr(), "writing");
    for number in numbers {
        compare(*number, rounds);
    }
    if fails { Err(Refused) } else { Ok(()) }
}

#[step(chunk = 10)]
fn alone() {
    numbers | hash | order
}

#[step(chunk = 10, threads = 4)]
fn on_threads() {
    numbers | hash | order
}

#[step(chunk = 10)]
fn in_pool() {
    numbers | pooled | order
}

#[step]
fn sum(rounds: u64) {
    digest(0, rounds * 200);
}

/// Computes.
#[job]
fn compute(
    /// The number of items in each step
    #[param(default = 100)]
    items: u64,
    /// Thousand rounds per item
    #[param(default = 20)]
    rounds: u64,
    /// Whether the first chunk fails
    #[param(default = false)]
    fails: bool,
) {
    alone;
    on_threads;
    in_pool;
    sum;
}

/// Waits, and so computes next to nothing.
#[step]
fn wait() {
    std::thread::sleep(Duration::from_millis(1));
}

/// Does nothing.
#[job]
fn idle() {
    wait;
}

batch_runtime::main!(compute, idle);
