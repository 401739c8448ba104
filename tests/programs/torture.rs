//! A program that does everything in which a signal handler could go wrong: 32 threads panic, allocate, open files and print
//! backtraces, while a job runs on threads of its own.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use batch_runtime::prelude::*;

/// How long the threads go on.
const TIME: Duration = Duration::from_millis(80);

fn panics(depth: u32) -> u32 {
    if depth == 0 {
        std::panic::panic_any(7_u32);
    }
    panics(depth - 1) + black_box(1)
}

fn allocates(seed: usize) -> usize {
    let texts: HashMap<usize, String> =
        (0..50).map(|number| (number, "x".repeat(seed % 97 + number))).collect();
    let mut all: Vec<_> = texts.into_values().collect();
    all.sort();
    all.concat().len()
}

fn opens() -> usize {
    let name = std::env::current_exe().unwrap_or_default();
    File::open(&name)
        .and_then(|file| file.metadata())
        .map_or(0, |found| usize::try_from(found.len()).unwrap_or(0))
}

fn traces() -> usize {
    std::backtrace::Backtrace::force_capture().to_string().len()
}

#[reader]
fn numbers() -> impl Iterator<Item = usize> {
    0..400
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is refused")]
struct Refused(usize);

#[processor]
fn work(number: usize) -> Result<u32, Refused> {
    if number % 50 == 7 {
        Err(Refused(number))
    } else {
        Ok(u32::try_from(allocates(number)).unwrap_or(u32::MAX))
    }
}

#[writer]
fn keep(sizes: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (size INTEGER)")?;
    sizes.iter().try_for_each(|size| tx.execute("INSERT INTO kept VALUES (?1)", [size]).map(|_| ()))
}

#[step(chunk = 20, threads = 4, skip(Refused, limit = 100))]
fn load() {
    numbers | work | keep
}

#[step]
fn storm() {
    // Thousands of lines would be a test of the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..32_usize {
            let stop = &stop;
            scope.spawn(move || {
                let mut sum = 0;
                while !stop.load(Ordering::Relaxed) {
                    sum += match thread % 4 {
                        0 => std::panic::catch_unwind(|| panics(20)).map_or(1, |depth| depth as usize),
                        1 => allocates(thread),
                        2 => opens(),
                        _ => traces(),
                    };
                }
                black_box(sum)
            });
        }
        let begun = Instant::now();
        while begun.elapsed() < TIME {
            std::thread::sleep(Duration::from_millis(5));
            // Threads come and go.
            scope.spawn(|| black_box(allocates(3)));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Loads numbers while the other threads run.
#[job]
fn torture() {
    split! { load, storm }
}

batch_runtime::main!(torture);
