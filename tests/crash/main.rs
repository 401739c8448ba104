//! Kills jobs at every durable system call, restarts them, and compares the results; see the README next to this file.
//!
//! It is a separate program without Rust's test harness, so that it prints its counts whether it passes or fails.

mod anytime;
mod paused;
mod point;
mod pool;
mod process;
mod random;
mod repository;
mod sections;
mod shape;
mod state;
mod strace;

use std::process::ExitCode;
use std::time::Instant;
use std::{env, thread};

use anytime::Long;
use batch_tests::missing;
use point::{Outcome, Point, Reference, try_point};
use random::Random;
use sections::{Extent, Section, sections};
use shape::{Inputs, chosen};

/// Enough for a dozen chunks, and for a run of a few milliseconds.
const ROWS: u32 = 30;

/// The findings.
#[derive(Debug, Default)]
struct Sum {
    deaths: usize,
    failures: usize,
    lost: usize,
    duplicated: usize,
    wrong: usize,
}

impl Sum {
    fn and(&self, other: &Self) -> Self {
        Self {
            deaths: self.deaths + other.deaths,
            failures: self.failures + other.failures,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            wrong: self.wrong + other.wrong,
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        self.deaths += outcome.deaths;
        self.failures += outcome.failures;
        self.lost += outcome.damage.lost;
        self.duplicated += outcome.damage.duplicated;
        self.wrong += usize::from(!outcome.damage.is_none());
    }
}

/// The run of all sections.
struct Harness {
    inputs: Inputs,
    workers: usize,
    sum: Sum,
}

impl Harness {
    /// Tries all items of a section, and reports the results.
    fn section<T: Sync>(&mut self, promise: &str, items: &[T], work: impl Fn(&T, &Inputs) -> Outcome + Sync) {
        let begin = Instant::now();
        let part = self.try_all(items, work);
        self.tell(promise, items.len(), &part, begin);
    }

    fn try_all<T: Sync>(&self, items: &[T], work: impl Fn(&T, &Inputs) -> Outcome + Sync) -> Sum {
        let mut part = Sum::default();
        for outcome in pool::each(self.workers, items, |item| work(item, &self.inputs)) {
            part.add(&outcome);
        }
        part
    }

    fn tell(&mut self, promise: &str, tried: usize, part: &Sum, begin: Instant) {
        let Sum { deaths, failures, wrong, .. } = part;
        let time = begin.elapsed();
        println!("{promise}: {tried} tried, {deaths} killed, {failures} failed, {wrong} wrong ({time:.0?})");
        self.sum = self.sum.and(part);
    }

    fn all(&mut self, extent: Extent, seed: u64) {
        let all = chosen();
        let mut references = pool::each(self.workers, &all, |shape| Reference::of(*shape, &self.inputs));
        references.sort_by_key(|reference| reference.shape);
        for Section { promise, points } in sections(&references, extent, &mut Random::new(seed)) {
            self.section(promise, &points, |point, inputs| try_point(point, &references, inputs).0);
        }

        let pauses = paused::all(&references, &self.inputs, if extent == Extent::All { 1 } else { 4 });
        self.section(
            "a paused owner changes nothing more after another process took over",
            &pauses,
            |pause, inputs| paused::try_pause(pause, &references, inputs),
        );
        let pauses = paused::all_twice(&references, &self.inputs, if extent == Extent::All { 1 } else { 8 });
        self.section(
            "the process that took over is killed, and a third one takes over",
            &pauses,
            |pause, inputs| paused::try_pause(pause, &references, inputs),
        );

        let kills = number("CRASH_KILLS", if extent == Extent::All { 5_000 } else { 300 });
        self.anytime(usize::try_from(kills).unwrap_or(usize::MAX), seed);
    }

    /// Kills at random times until there were this many kills, in rounds over all shapes.
    fn anytime(&mut self, kills: usize, seed: u64) {
        self.inputs = Inputs::of(anytime::ROWS);
        let all = chosen();
        let longs = pool::each(self.workers, &all, |shape| Long::of(*shape, &self.inputs));
        let (begin, mut part, mut tried) = (Instant::now(), Sum::default(), 0);
        for round in 0.. {
            if part.deaths >= kills {
                break;
            }
            let more = self.try_all(&longs, |long, inputs| anytime::try_round(long, seed + round, inputs));
            part = part.and(&more);
            tried += longs.len();
        }
        self.tell("killed at random times, it resumes exactly", tried, &part, begin);
    }

    /// Repeats one point, and leaves its folder there.
    fn only(&mut self, point: Point) {
        let references = [Reference::of(point.shape, &self.inputs)];
        self.section("this point resumes exactly", &[point], |point, inputs| {
            let (outcome, folder) = try_point(point, &references, inputs);
            println!("kept in {}", folder.keep().display());
            outcome
        });
    }
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn main() -> ExitCode {
    if is_asked_for_something_else() {
        return ExitCode::SUCCESS;
    }
    if !missing::has_program("strace") {
        println!("crash: nothing is killed without strace");
        return ExitCode::SUCCESS;
    }
    let extent = if env::var("CRASH").is_ok_and(|what| what == "all") { Extent::All } else { Extent::Sample };
    let seed = number("CRASH_SEED", 1);
    let workers = thread::available_parallelism().map_or(2, |cores| cores.get() + 1);
    println!("crash: seed {seed}, {workers} at a time");

    let mut harness = Harness { inputs: Inputs::of(ROWS), workers, sum: Sum::default() };
    match env::var("CRASH_POINT") {
        Ok(text) => harness.only(text.parse().expect("a point as it was printed")),
        Err(_) => harness.all(extent, seed),
    }
    let Sum { deaths, lost, duplicated, wrong, .. } = harness.sum;
    println!("crash points {deaths}, lost {lost}, duplicated {duplicated}");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `cargo test NAME` passes the name to every test program.
fn is_asked_for_something_else() -> bool {
    let mut arguments = env::args().skip(1);
    arguments
        .any(|argument| argument == "--list" || (!argument.starts_with('-') && !"crash".contains(&argument)))
}
