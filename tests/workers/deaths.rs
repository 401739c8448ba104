//! Workers and managers that die.

use super::world::{Run, World, numbers, signal, until};

/// Kills a child of a manager as soon as it has written something, and returns how the manager ended.
fn with_a_killed_worker(world: &World, line: &str, has_written: impl Fn() -> bool) -> Run {
    let mut manager = world.start(line);
    until("the first items", has_written);
    let children = manager.children();
    assert!(!children.is_empty());
    for child in children {
        signal(child, "-KILL");
    }
    manager.wait()
}

#[test]
fn the_partition_of_a_killed_worker_goes_on_elsewhere_after_its_last_commit() {
    let world = World::new();
    let line = "load --parts 3 --size 100 --micros 2000 --workers local:2";
    let has_written = || world.column("SELECT COUNT(*) FROM item").first().is_some_and(|count| count != "0");
    let run = with_a_killed_worker(&world, line, has_written);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(300));
    assert!(run.err.contains("was lost; another worker resumes `fill:partition"), "{run}");
    let lost = world.column("SELECT EXIT_CODE FROM BATCH_STEP_EXECUTION WHERE STATUS = 'FAILED'");
    assert!(!lost.is_empty() && lost.iter().all(|code| code == "WORKER_LOST"), "{lost:?}");
    // In the same execution of the job.
    assert_eq!(world.column("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"), ["1"]);
    let counters = world
        .column("SELECT READ_COUNT || ' ' || WRITE_COUNT FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'fill'");
    assert_eq!(counters, ["300 300"]);
}

#[test]
fn the_file_of_a_killed_worker_resumes_after_its_last_commit() {
    let world = World::new();
    let line = "write_file --parts 3 --size 60 --micros 3000 --output out.csv --workers local:2";
    let has_written = || {
        world
            .column("SELECT SUM(COMMIT_COUNT) FROM BATCH_STEP_EXECUTION")
            .first()
            .is_some_and(|sum| !["", "0"].contains(&&**sum))
    };
    let run = with_a_killed_worker(&world, line, has_written);
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<String> = numbers(180).iter().map(i64::to_string).collect();
    assert_eq!(world.read("out.csv"), format!("n\n{}\n", lines.join("\n")));
    assert_eq!(world.files("out.csv"), ["out.csv"]);
}

#[test]
fn the_rows_of_a_killed_worker_in_another_database_are_written_once() {
    let world = World::new();
    let line = "load_elsewhere --parts 3 --size 100 --micros 2000 --warehouse-url stock.db --workers local:2";
    let run = with_a_killed_worker(&world, line, || !world.items_in("stock.db").is_empty());
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items_in("stock.db"), numbers(300));
    let counters = world.column(
        "SELECT READ_COUNT || ' ' || WRITE_COUNT FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'fill_stock'",
    );
    assert_eq!(counters, ["300 300"]);
}

#[test]
fn a_partition_that_takes_three_workers_with_it_fails_and_says_so() {
    let world = World::new();
    let run = world.run("load --parts 3 --size 50 --deadly-at 55 --workers local:2");
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.err.contains(
            "partition 1 `from 50`: 3 workers in a row were lost without a commit in between; the last: worker"
        ),
        "{run}"
    );
    // The others are complete, or stopped after a chunk.
    let items = world.items();
    assert!(items.iter().all(|number| !(50..100).contains(number)), "{items:?}");
}

#[test]
fn a_panic_outside_the_step_fails_the_partition_and_says_so() {
    let world = World::new();
    let line = "load_elsewhere --parts 2 --size 20 --warehouse-url panics-in-workers.db";
    let run = world.run(&format!("{line} --workers local:1 --worker-slots 2"));
    assert_eq!(run.code, 1, "{run}");
    assert!(run.err.contains("there is no such warehouse here"), "{run}");
}

#[test]
fn a_partition_that_commits_between_its_losses_does_not_fail() {
    let world = World::new();
    let mut manager = world.start("load --parts 1 --size 400 --micros 3000 --workers local:1");
    for loss in 1..=5 {
        world.until_written(loss * 40);
        let children = manager.children();
        for child in children {
            signal(child, "-KILL");
        }
    }
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(400));
}

#[test]
fn after_the_death_of_its_manager_a_worker_ends_and_the_next_run_is_exact() {
    let world = World::new();
    let line = "load --parts 4 --size 80 --micros 3000 --workers local:2";
    let mut manager = world.start(line);
    world.until_written(40);
    let children = manager.children();
    manager.signal("-KILL");
    manager.wait();
    // At once, beside workers that may still be at work.
    let run = world.run(line);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(320));
    until("the end of the workers", || {
        children.iter().all(|child| !std::path::Path::new(&format!("/proc/{child}/stat")).exists())
    });
}

#[test]
fn a_run_without_workers_goes_on_where_workers_were() {
    let world = World::new();
    let mut manager =
        world.start("write_file --parts 4 --size 60 --micros 3000 --output out.csv --workers local:2");
    until("the first commit", || {
        world
            .column("SELECT SUM(COMMIT_COUNT) FROM BATCH_STEP_EXECUTION")
            .first()
            .is_some_and(|sum| !["", "0"].contains(&&**sum))
    });
    let children = manager.children();
    for child in &children {
        signal(*child, "-STOP");
    }
    manager.signal("-KILL");
    manager.wait();
    // The workers are paused, and continue in the middle of the next run.
    let mut next = world.start("write_file --parts 4 --size 60 --micros 3000 --output out.csv");
    std::thread::sleep(std::time::Duration::from_millis(100));
    for child in &children {
        signal(*child, "-CONT");
    }
    let run = next.wait();
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<String> = numbers(240).iter().map(i64::to_string).collect();
    assert_eq!(world.read("out.csv"), format!("n\n{}\n", lines.join("\n")));
}

#[test]
fn when_processes_are_killed_at_random_each_number_is_written_once() {
    for seed in 0..4_u64 {
        let world = World::new();
        let line = "load --parts 10 --size 40 --micros 2000 --workers local:3";
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut ended = false;
        for _ in 0..4 {
            let mut manager = world.start(line);
            std::thread::sleep(std::time::Duration::from_millis(100 + next(400)));
            for child in manager.children() {
                if next(2) == 0 {
                    signal(child, "-KILL");
                }
            }
            if next(2) == 0 {
                manager.signal("-KILL");
            }
            ended = manager.wait().code == 0;
            if ended {
                break;
            }
        }
        if !ended {
            let run = world.run(line);
            assert_eq!(run.code, 0, "seed {seed}: {run}");
        }
        assert_eq!(world.items(), numbers(400), "seed {seed}");
    }
}
