//! Kills jobs at every durable system call, starts them again, and compares; see the README beside this.
//!
//! It is a program of its own, without the test harness of Rust, so that what it counts is told whatever comes of it.

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

use point::{Outcome, Point, Reference, try_point};
use random::Random;
use sections::{Extent, Section};
use shape::{Inputs, SHAPES};

/// Enough for a dozen chunks, and for a run of a few milliseconds.
const ROWS: u32 = 30;

/// What was found so far.
#[derive(Debug, Default)]
struct Sum {
    deaths: usize,
    failures: usize,
    lost: usize,
    doubled: usize,
    wrong: usize,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.deaths += outcome.deaths;
        self.failures += outcome.failures;
        self.lost += outcome.damage.lost;
        self.doubled += outcome.damage.doubled;
        self.wrong += usize::from(!outcome.damage.is_none());
    }
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn main() -> ExitCode {
    if is_asked_for_something_else() {
        return ExitCode::SUCCESS;
    }
    if !strace::is_there() {
        println!("crash: strace is missing, so nothing is killed; install it, as `apt-get install strace`");
        let needed = env::var_os("CI").is_some_and(|ci| !ci.is_empty());
        return if needed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let extent = if env::var("CRASH").is_ok_and(|what| what == "all") { Extent::All } else { Extent::Cut };
    let seed = number("CRASH_SEED", 1);
    let workers = thread::available_parallelism().map_or(2, |cores| cores.get() + 1);
    println!("crash: seed {seed}, {workers} at a time");

    let inputs = Inputs::of(ROWS);
    let mut sum = Sum::default();
    if let Ok(text) = env::var("CRASH_POINT") {
        let point: Point = text.parse().expect("a point as it was printed");
        let reference = Reference::of(point.shape, &inputs);
        run(&[point], &[reference], &inputs, 1, &mut sum, true);
    } else {
        let all: Vec<usize> = (0..SHAPES.len()).collect();
        let mut references = pool::each(workers, &all, |shape| Reference::of(*shape, &inputs));
        references.sort_by_key(|reference| reference.shape);
        for section in sections::sections(&references, extent, &mut Random::new(seed)) {
            let Section { name, points } = section;
            let (begin, mut part) = (Instant::now(), Sum::default());
            run(&points, &references, &inputs, workers, &mut part, false);
            println!(
                "{name}: {} points, {} killed, {} failed, {} wrong ({:.0?})",
                points.len(),
                part.deaths,
                part.failures,
                part.wrong,
                begin.elapsed()
            );
            sum.deaths += part.deaths;
            sum.failures += part.failures;
            sum.lost += part.lost;
            sum.doubled += part.doubled;
            sum.wrong += part.wrong;
        }
    }
    println!("crash points {}, lost {}, doubled {}", sum.deaths, sum.lost, sum.doubled);
    if sum.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `cargo test NAME` hands the name to every test program.
fn is_asked_for_something_else() -> bool {
    let mut arguments = env::args().skip(1);
    arguments.any(|argument| argument == "--list" || (!argument.starts_with('-') && !"crash".contains(&argument)))
}

fn run(points: &[Point], references: &[Reference], inputs: &Inputs, workers: usize, sum: &mut Sum, keep: bool) {
    let outcomes = pool::each(workers, points, |point| {
        let reference = references.iter().find(|reference| reference.shape == point.shape);
        let (outcome, folder) = try_point(point, reference.expect("every shape has run"), inputs);
        for what in &outcome.damage.contradictions {
            println!("WRONG CRASH_POINT='{point}': {what}");
        }
        if keep {
            println!("kept in {}", folder.keep().display());
        }
        outcome
    });
    outcomes.iter().for_each(|outcome| sum.add(outcome));
}
