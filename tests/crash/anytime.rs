//! Kills longer runs at random times, without a tracer, and starts them again until they are complete.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::point::{Outcome, Reference, inspect};
use crate::process::{self, Ended, KILLED};
use crate::random::Random;
use crate::repository::Versions;
use crate::shape::{Folder, Inputs, SHAPES};

/// The rows of a run that is long enough to be killed many times.
pub(crate) const ROWS: u32 = 2_000;
/// Kills of one run, on average: with more of them, a run rarely completes before the last.
const KILLS: u32 = 20;

/// A shape, its undisturbed result, and how long that takes.
#[derive(Debug)]
pub(crate) struct Long {
    reference: Reference,
    time: Duration,
}

impl Long {
    pub(crate) fn of(shape: usize, inputs: &Inputs) -> Self {
        let folder = Folder::new(inputs);
        let begin = Instant::now();
        assert_eq!(process::run(&mut command(&folder, shape, 0)), Ended::Code(0), "{}", folder.said());
        let time = begin.elapsed();
        Self { reference: Reference::read(shape, &folder, Vec::new()), time }
    }
}

fn command(folder: &Folder, shape: usize, run: u32) -> Command {
    let mut command = Command::new(SHAPES[shape].program(run as usize));
    command.args(SHAPES[shape].words()).args(["--durability", "machine"]);
    folder.enter(&mut command);
    command
}

/// One run of a shape, killed again and again.
pub(crate) fn try_round(long: &Long, seed: u64, inputs: &Inputs) -> Outcome {
    let (mut random, mut outcome) = (Random::new(seed), Outcome::default());
    let shape = long.reference.shape;
    let folder = Folder::new(inputs);
    let mut before = Vec::new();
    let longest = 3 * long.time / KILLS + Duration::from_millis(4);
    // A limit, in case the random times are unlucky.
    for round in 0..50 * KILLS {
        let longest = longest * (10 + round) / 10;
        match process::run_at_most(&mut command(&folder, shape, round), random.time(longest)) {
            KILLED => {
                outcome.deaths += 1;
                before.push(Versions::after_death(&folder));
            }
            Ended::Code(0) => break,
            Ended::Code(4) if folder.said().contains("is already COMPLETED") => break,
            // The run was killed so often without progress that a restart needs `--recovery force`.
            Ended::Code(4) if folder.said().contains("--recovery force") => {
                process::run_at_most(
                    command(&folder, shape, round).args(["--recovery", "force"]),
                    random.time(longest),
                );
            }
            other => {
                let what = format!("a restart ended with {other:?}: {}", folder.said());
                outcome.damage.contradictions.push(what);
                break;
            }
        }
    }
    inspect(&folder, &long.reference, &before, &mut outcome.damage);
    for what in &outcome.damage.contradictions {
        println!("WRONG {} killed at random times, CRASH_SEED={seed}: {what}", SHAPES[shape].job);
    }
    outcome
}
