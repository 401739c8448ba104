//! Several processes run what is due on one repository and are killed at any moment: the job runs once for each time,
//! and no time is left out.
//!
//! The environment variables `BATCH_SCHEDULE_PROCESSES` and `BATCH_SCHEDULE_TIMES` set how many processes and times
//! there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::world::World;

/// A small generator of numbers: the moments of the kills.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Runs processes over the times of a job, kills each after a while, and starts the next.
fn fire(world: &World, job: &str, times: u32, micros: u32) {
    let (processes, times) = (number("BATCH_SCHEDULE_PROCESSES", 4), number("BATCH_SCHEDULE_TIMES", times));
    world.begin_ago(job, times);
    world.create_noted();
    let line = format!("run {job} --due --micros {micros} --quiet");
    let began = Instant::now();
    let (mut kills, mut ends) = (0, 0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processes)
            .map(|process| {
                let line = &line;
                scope.spawn(move || {
                    let mut random = Random(u64::from(process) * 7_919 + 104_729);
                    let (mut kills, mut ends) = (0_u32, 0_u32);
                    // The window grows: on a busy machine all processes would otherwise die before they have done
                    // anything.
                    let (mut window, mut before) = (400, 0);
                    loop {
                        let mut child = world.start(line);
                        std::thread::sleep(Duration::from_millis(20 + random.below(window)));
                        if let Some(status) = child.try_wait().unwrap() {
                            assert!(status.success(), "{job}: {status}");
                            ends += 1;
                            if done(world, job) >= times {
                                return (kills, ends);
                            }
                        } else {
                            child.kill().unwrap();
                            child.wait().unwrap();
                            kills += 1;
                            let done = done(world, job);
                            window = if done == before { window * 5 / 4 } else { (window * 4 / 5).max(400) };
                            before = done;
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            let (its_kills, its_ends) = worker.join().unwrap();
            kills += its_kills;
            ends += its_ends;
        }
    });
    // Runs everything that killed processes have left.
    let last = world.run(&line);
    assert_eq!(last.code, Some(0), "{last}");
    check(world, job, times);
    println!(
        "{job}: {processes} processes, {times} times, {kills} kills, {ends} ends, {:?}",
        began.elapsed()
    );
}

/// The number of scheduled times whose runs are done.
fn done(world: &World, job: &str) -> u32 {
    let done =
        format!("SELECT COUNT(*) FROM BATCH_SCHEDULE_FIRE WHERE JOB_NAME = '{job}' AND OUTCOME = 'DONE'");
    world.column(&done)[0].parse().unwrap()
}

/// Checks that the job has run once for every minute from the first to the last.
fn check(world: &World, job: &str, times: u32) {
    let minutes = world.column(&format!(
        "SELECT {} FROM BATCH_SCHEDULE_FIRE WHERE JOB_NAME = '{job}' ORDER BY FIRE_TIME",
        world.minute()
    ));
    let minutes: Vec<i64> = minutes.iter().map(|minute| minute.parse().unwrap()).collect();
    assert!(minutes.len() >= usize::try_from(times).unwrap(), "{} of {times}", minutes.len());
    assert!(minutes.is_sorted_by(|one, next| one + 1 == *next), "none is left out: {minutes:?}");
    let outcomes =
        world.column(&format!("SELECT DISTINCT OUTCOME FROM BATCH_SCHEDULE_FIRE WHERE JOB_NAME = '{job}'"));
    assert_eq!(outcomes, ["DONE"]);
    let mut noted = BTreeMap::new();
    for minute in world.column("SELECT minute FROM noted") {
        *noted.entry(minute).or_insert(0) += 1;
    }
    let twice: Vec<_> = noted.iter().filter(|(_, often)| **often != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(noted.len(), minutes.len());
    let completed = world.column(&format!(
        "SELECT COUNT(*) FROM BATCH_JOB_INSTANCE i JOIN BATCH_JOB_EXECUTION e USING (JOB_INSTANCE_ID)
         WHERE i.JOB_NAME = '{job}' AND e.STATUS = 'COMPLETED'"
    ));
    assert_eq!(completed, [minutes.len().to_string()], "one completed execution each");
}

#[test]
fn runs_in_order_happen_once_for_each_time_whatever_dies() {
    fire(&World::new(), "in_order", 40, 1_000);
}

#[test]
fn runs_at_once_happen_once_for_each_time_whatever_dies() {
    fire(&World::new(), "at_once", 40, 5_000);
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgresql_runs_in_order_happen_once_for_each_time_whatever_dies() {
    if let Some(world) = World::on_postgres() {
        fire(&world, "in_order", 15, 1_000);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgresql_runs_at_once_happen_once_for_each_time_whatever_dies() {
    if let Some(world) = World::on_postgres() {
        fire(&world, "at_once", 15, 5_000);
    }
}
