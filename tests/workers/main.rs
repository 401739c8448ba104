//! Tests of workers: partitions in other processes, with each row written once, whatever dies.

#[cfg(feature = "amqp")]
mod chunks;
mod commands;
mod deaths;
#[cfg(feature = "postgres")]
mod half_cut;
mod kill_at_each_call;
mod logs;
mod lossy;
mod machines;
#[cfg(feature = "postgres")]
mod on_postgres;
#[cfg(feature = "amqp")]
mod on_rabbitmq;
#[cfg(all(feature = "amqp", feature = "postgres"))]
mod outgrow;
mod random;
mod stops;
#[cfg(feature = "otel")]
mod traces;
mod world;

use world::{World, numbers, until};

#[test]
fn partitions_run_in_child_processes_and_each_number_is_written_once() {
    let world = World::new();
    let run = world.run("load --parts 6 --size 50 --micros 500 --workers local:3");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(300));
    let pids = world.pids();
    assert!(pids.len() > 1, "{pids:?}");
}

#[test]
fn the_file_of_a_step_is_the_same_as_without_workers() {
    let world = World::new();
    let plain = world.run("write_file --parts 5 --size 33 --output plain.csv --repository plain.db");
    assert_eq!(plain.code, 0, "{plain}");
    let run = world.run("write_file --parts 5 --size 33 --output out.csv --workers local:2");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.read("out.csv"), world.read("plain.csv"));
    assert_eq!(world.files("out.csv"), ["out.csv"]);
}

#[test]
fn rows_of_another_database_are_written_once() {
    let world = World::new();
    let run = world.run("load_elsewhere --parts 6 --size 50 --warehouse-url stock.db --workers local:3");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items_in("stock.db"), numbers(300));
}

#[test]
fn nested_jobs_splits_loops_outputs_resources_and_secrets_reach_the_workers() {
    let world = World::new();
    let run = world
        .run_with("around --parts 4 --size 25 --workers local:2", &[("BATCH_PARAM_PASSWORD", "open sesame")]);
    assert_eq!(run.code, 0, "{run}");
    let mut expected: Vec<i64> = numbers(100).into_iter().map(|number| number + 7_000).collect();
    for _ in 0..3 {
        expected.extend(numbers(100));
    }
    expected.sort_unstable();
    assert_eq!(world.items(), expected);
    // The output of a worker is not lost.
    assert!(run.err.contains("] the first number is moved"), "{run}");
}

#[test]
fn the_context_of_the_job_holds_what_partitions_have_put() {
    let world = World::new();
    let run = world
        .run_with("around --parts 3 --size 20 --workers local:2", &[("BATCH_PARAM_PASSWORD", "open sesame")]);
    assert_eq!(run.code, 0, "{run}");
    let contexts = world.column(
        "SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT JOIN BATCH_JOB_EXECUTION USING (JOB_EXECUTION_ID)
         JOIN BATCH_JOB_INSTANCE USING (JOB_INSTANCE_ID) WHERE JOB_NAME = 'page'",
    );
    assert!(["seen 0", "seen 1", "seen 2"].iter().all(|key| contexts[0].contains(key)), "{contexts:?}");
}

#[test]
fn a_secret_is_in_no_argument_no_file_and_no_output() {
    let world = World::new();
    let mut manager = world.start_with(
        "around --parts 4 --size 40 --micros 5000 --workers local:2 -v --log log.jsonl --log-filter trace",
        &[("BATCH_PARAM_PASSWORD", "hunter2-open-sesame")],
    );
    until("a worker", || !manager.children().is_empty());
    for pid in manager.children() {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&arguments).contains("hunter2"));
    }
    let run = manager.wait();
    assert!(!run.to_string().contains("hunter2"), "{run}");
    for file in world.all_files() {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|seven| seven == b"hunter2"), "{}", file.display());
    }
}

#[test]
fn a_timeout_is_that_of_the_whole_step() {
    let world = World::new();
    // Each of the partitions takes half of the time, and a single worker runs them one after the other.
    let run = world.run("load_in_time --parts 4 --size 50 --micros 10000 --workers local:1");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.err.contains("timeout"), "{run}");
    assert!(world.items().len() < 200);
}

#[test]
fn a_limit_of_skips_is_that_of_the_whole_step() {
    let world = World::new();
    // One in ten is skipped: 20 of 200.
    let run = world.run("load_even --parts 4 --size 50 --odd-every 10 --workers local:4");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items().len(), 180);
    let world = World::new();
    let run = world.run("load_even --parts 4 --size 60 --odd-every 10 --micros 1000 --workers local:4");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.err.contains("the step has reached its limit of 20"), "{run}");
    assert!(world.column("SELECT COUNT(*) FROM BATCH_SKIPPED_ITEM")[0].parse::<u32>().unwrap() <= 20);
}
