//! Many partitions over three workers, while workers and managers are killed at random.
//!
//! `CRASH=all` plays fifty rounds instead of two.

use std::thread;
use std::time::Duration;

use super::world::{World, numbers, signal};

/// How many partitions there are, and how many numbers each of them has.
const PARTS: i64 = 200;
const SIZE: i64 = 5;

/// How many processes are killed in a round at most. On a busy machine, processes die before they have done anything, so
/// that a round without such a limit might never end.
const MAX_KILLS: u32 = 100;
/// How many runs in a row may fail although nothing was killed. The first one may find partitions that lost three workers
/// in a row.
const MAX_CALM_RUNS: u32 = 3;

/// Numbers that are the same for the same seed.
struct Random(u64);

impl Random {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The number of processes killed in a round.
#[derive(Debug, Default)]
struct Killed {
    workers: u32,
    managers: u32,
}

impl Killed {
    fn all(&self) -> u32 {
        self.workers + self.managers
    }
}

/// Runs the job while a worker is killed now and then, and rarely its manager, until one run completes it.
fn round(world: &World, seed: u64) -> Killed {
    let line = format!("load --parts {PARTS} --size {SIZE} --micros 500 --workers local:3");
    let mut random = Random::of(seed);
    let mut killed = Killed::default();
    let mut calm_runs = 0;
    // Partitions that lose three workers in a row fail their run, and the next one goes on with them.
    while calm_runs < MAX_CALM_RUNS {
        let before = killed.all();
        let mut manager = world.start(&line);
        while killed.all() < MAX_KILLS && manager.is_running() {
            thread::sleep(Duration::from_millis(30 + random.below(250)));
            if random.below(12) == 0 {
                manager.signal("-KILL");
                killed.managers += 1;
                break;
            }
            let children = manager.children();
            if let Some(victim) = children.get(usize::try_from(random.below(3)).unwrap()) {
                signal(*victim, "-KILL");
                killed.workers += 1;
            }
        }
        let run = manager.wait();
        if run.code == 0 || run.err.contains("is already COMPLETED") {
            return killed;
        }
        calm_runs = if killed.all() == before { calm_runs + 1 } else { 0 };
    }
    panic!("seed {seed}: it does not complete");
}

#[test]
fn of_two_hundred_partitions_nothing_is_lost_or_duplicated_whichever_process_is_killed() {
    let all = std::env::var("CRASH").is_ok_and(|crash| crash == "all");
    let rounds = if all { 50 } else { 2 };
    let mut killed = Killed::default();
    for seed in 1..=rounds {
        let world = World::new();
        let of_round = round(&world, seed);
        killed.workers += of_round.workers;
        killed.managers += of_round.managers;
        let items = world.items();
        let expected = numbers(PARTS * SIZE);
        let lost = expected.iter().filter(|number| items.binary_search(number).is_err()).count();
        let duplicated = items.len() + lost - expected.len();
        assert_eq!((lost, duplicated), (0, 0), "lost, duplicated with seed {seed}");
        let completed =
            "SELECT COUNT(*) FROM BATCH_PARTITION JOIN BATCH_STEP_EXECUTION USING (STEP_EXECUTION_ID)
            WHERE STATUS = 'COMPLETED'";
        assert_eq!(world.column(completed), [PARTS.to_string()], "seed {seed}");
    }
    println!(
        "{rounds} rounds, {} workers and {} managers killed: lost 0, duplicated 0",
        killed.workers, killed.managers
    );
    assert!(killed.workers > 0);
}
