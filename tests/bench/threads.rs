//! Measures how well a step with `threads` parallelizes arithmetic, compared with bare threads, and the cost of passing
//! items between threads.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use batch_runtime::Launch;
use batch_runtime::Reader;
use batch_runtime::readers::{ReaderExt as _, VecReader};
use batch_runtime::testing::StepTest;

use crate::measure::{self, Pair, Spread, interleaved, median_seconds};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, jobs, memory, places};

/// How long an item of `cpu` takes.
const AN_ITEM: Duration = Duration::from_micros(20);

/// The rounds of arithmetic that take this long on this machine.
fn turns() -> u32 {
    let took = |turns| {
        let begin = Instant::now();
        black_box(memory::grind(1, turns));
        begin.elapsed()
    };
    let sample = 1_000_000;
    let fastest = (0..5).map(|_| took(sample)).min().unwrap_or_default().max(Duration::from_nanos(1));
    let turns = AN_ITEM.as_nanos() * u128::from(sample) / fastest.as_nanos();
    u32::try_from(turns).unwrap_or(u32::MAX)
}

/// Bare threads over one iterator.
fn bare(threads: usize, items: u64, turns: u32) {
    let numbers = Mutex::new(0..items);
    let grind = || {
        let mut sum = 0_u64;
        loop {
            let number = numbers.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(number) = number else { break };
            sum = sum.wrapping_add(memory::grind(number, turns));
        }
        black_box(sum);
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(grind);
        }
        grind();
    });
}

/// The speedup of two threads over one: the framework's against bare threads.
pub(crate) fn cpu(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (items, turns) = (plan.size(200_000), turns());
    let repository = plan.memory.file("cpu.db");
    let ours = |launch: &Launch| -> Outcome<Duration> {
        places::remove(&[&repository])?;
        let took = measure::time(|| jobs::run(&repository, launch).map(drop))?;
        if memory::added_up().0 != items {
            return Err("not every item was written".into());
        }
        Ok(took)
    };
    let theirs = |threads| -> Outcome<Duration> {
        measure::time(|| {
            bare(threads, items, turns);
            Ok(())
        })
    };
    let (one, two) = (jobs::grinding(items, turns), jobs::grinding_on_threads(items, turns));
    let (mut shares, mut speeds) = (Vec::new(), (Vec::new(), Vec::new()));
    for _ in 0..plan.rounds(5) {
        // The sides take turns, so that other work of the machine affects both.
        let (our_one, bare_one) = (ours(&one)?, theirs(1)?);
        let (our_two, bare_two) = (ours(&two)?, theirs(2)?);
        let our = our_one.as_secs_f64() / our_two.as_secs_f64();
        let bare = bare_one.as_secs_f64() / bare_two.as_secs_f64();
        shares.push(our / bare);
        speeds.0.push(our);
        speeds.1.push(bare);
    }
    places::remove(&[&repository])?;
    Ok(Row {
        name,
        unit: "of the speed-up",
        value: Spread::of(shares),
        target: Target::must_and_aim(0.93, 0.97),
        detail: format!(
            "{:.3}x, bare threads {:.3}x",
            Spread::of(speeds.0).median,
            Spread::of(speeds.1).median
        ),
    })
}

fn row(name: &'static str, items: u64, pairs: &[Pair], target: Target) -> Row {
    let an_item = |side: fn(&Pair) -> Duration| median_seconds(pairs, side) * 1e9 / items as f64;
    Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target,
        detail: format!(
            "{:.2} ns an item, on one thread {:.2} ns",
            an_item(|pair| pair.ours),
            an_item(|pair| pair.by_hand)
        ),
    }
}

/// A step with `threads` and a trivial processor against the same step without: the cost of passing items.
pub(crate) fn trivial(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let items = plan.size(50_000_000);
    let checked = |took: Outcome<Duration>| {
        let took = took?;
        if memory::added_up().0 == items { Ok(took) } else { Err("not every item was written".into()) }
    };
    let two = || {
        checked(measure::time(|| {
            StepTest::<jobs::scramble_numbers_on_threads>::new().parameter("items", &items).run()?;
            Ok(())
        }))
    };
    let one = || {
        checked(measure::time(|| {
            StepTest::<jobs::scramble_numbers>::new().parameter("items", &items).run()?;
            Ok(())
        }))
    };
    let pairs = interleaved(plan.rounds(9), two, one)?;
    Ok(row(name, items, &pairs, Target { must: None, aim: None }))
}

/// A reader that two threads share through `synchronized()` against the same reader on one thread.
pub(crate) fn synchronized(plan: &Plan, name: &'static str) -> Outcome<Row> {
    const BATCH: usize = 8_192;
    let items = plan.size(50_000_000);
    let numbers = (0..items).collect::<Vec<u64>>();
    let add = |sum: u64, number: u64| sum.wrapping_add(memory::scramble(number));
    let together = || {
        let reader = VecReader::new(numbers.clone()).synchronized();
        measure::time(|| {
            let work = || {
                let (mut sum, mut batch) = (0, Vec::with_capacity(BATCH));
                while reader.read_batch(BATCH, &mut batch).unwrap_or_default() > 0 {
                    sum = batch.drain(..).fold(sum, add);
                }
                black_box(sum);
            };
            thread::scope(|scope| {
                scope.spawn(work);
                work();
            });
            Ok(())
        })
    };
    let alone = || {
        let mut reader = VecReader::new(numbers.clone());
        measure::time(|| {
            let mut sum = 0;
            while let Ok(Some(number)) = reader.read() {
                sum = add(sum, number);
            }
            black_box(sum);
            Ok(())
        })
    };
    let pairs = interleaved(plan.rounds(9), together, alone)?;
    Ok(row(name, items, &pairs, Target::must_and_aim(1.10, 1.0)))
}
