//! Stops and drains.

use super::world::{World, numbers, until};

#[test]
fn a_signal_to_the_manager_stops_its_workers_and_the_next_run_completes() {
    let world = World::new();
    let line = "load --parts 4 --size 80 --micros 3000 --workers local:2";
    let mut manager = world.start(line);
    world.until_written(20);
    manager.signal("-TERM");
    let run = manager.wait();
    assert_eq!(run.code, 3, "{run}");
    assert!(world.items().len() < 320);
    let run = world.run(line);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(320));
}

#[test]
fn a_stop_by_another_process_reaches_the_workers() {
    let world = World::new();
    let line = "load --parts 4 --size 80 --micros 3000 --workers local:2";
    let mut manager = world.start(line);
    world.until_written(20);
    let stop = world.run("stop 1");
    assert_eq!(stop.code, 0, "{stop}");
    let run = manager.wait();
    assert_eq!(run.code, 3, "{run}");
    let run = world.run(line);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(320));
}

#[test]
fn a_worker_that_drains_hands_its_partition_back_and_another_goes_on() {
    let world = World::new();
    let mut manager = world.start("load --parts 2 --size 200 --micros 2000 --workers remote");
    until("the offer", || {
        !world.column("SELECT 1 FROM BATCH_PARTITION WHERE OFFERED_FOR IS NOT NULL").is_empty()
    });
    let mut first = world.start_with("worker", &[]);
    world.until_written(20);
    first.signal("-TERM");
    let drained = first.wait();
    assert_eq!(drained.code, 0, "{drained}");
    let exits = world.column("SELECT EXIT_CODE FROM BATCH_STEP_EXECUTION WHERE STATUS = 'STOPPED'");
    assert_eq!(exits, ["HANDED_BACK"]);
    let mut second = world.start_with("worker --slots 2 --idle-exit 1s", &[]);
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(400));
    assert_eq!(second.wait().code, 0);
}

#[test]
fn a_worker_is_drained_by_its_number() {
    let world = World::new();
    let mut manager = world.start("load --parts 2 --size 200 --micros 2000 --workers remote");
    until("the offer", || {
        !world.column("SELECT 1 FROM BATCH_PARTITION WHERE OFFERED_FOR IS NOT NULL").is_empty()
    });
    let mut worker = world.start_with("worker", &[]);
    world.until_written(20);
    let list = world.run("workers");
    assert!(list.out.contains("busy") && list.out.contains("fill:partition0"), "{list}");
    let drain = world.run("workers drain 1");
    assert_eq!(drain.code, 0, "{drain}");
    assert_eq!(worker.wait().code, 0);
    assert_eq!(world.run("workers").out, "there are no workers\n");
    let mut worker = world.start_with("worker --idle-exit 1s", &[]);
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(400));
    worker.wait();
}

#[test]
fn a_stop_without_any_worker_ends_the_step() {
    let world = World::new();
    let mut manager = world.start("load --parts 2 --size 20 --workers remote");
    until("the offer", || {
        !world.column("SELECT 1 FROM BATCH_PARTITION WHERE OFFERED_FOR IS NOT NULL").is_empty()
    });
    manager.signal("-TERM");
    let run = manager.wait();
    assert_eq!(run.code, 3, "{run}");
    let run = world.run("load --parts 2 --size 20");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(40));
}
