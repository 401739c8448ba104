//! Workers that are started by commands, and the messages if that does not work.

use super::world::{World, numbers, until};

#[test]
fn a_command_starts_the_workers() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_parts");
    let run = world.run(&format!(
        "load --parts 4 --size 50 --micros 500 --workers 'env HOST={{host}} N={{n}} {program} {{worker}}' --hosts a,b"
    ));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(200));
    assert_eq!(world.pids().len(), 2);
}

#[test]
fn a_command_may_be_more_than_one_word_of_the_shell() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_parts");
    let run = world.run(&format!(
        "load --parts 2 --size 20 --workers 'cd / && cd - > /dev/null && {program} {{worker}}'"
    ));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(40));
}

#[test]
fn hosts_where_no_worker_starts_do_not_fail_a_step_that_others_run() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_parts");
    let command = format!("sh -c \"if [ {{host}} = b ]; then exit 9; fi; exec {program} {{worker}}\"");
    let run =
        world.run(&format!("load --parts 8 --size 50 --micros 2000 --workers '{command}' --hosts a,b*5"));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(400));
    let retries = run.err.matches("a worker could not run").count();
    assert!(retries < 5, "{run}");
}

#[test]
fn workers_that_end_at_once_fail_the_step_with_their_last_lines() {
    let world = World::new();
    let run = world.run("load --parts 2 --size 20 --workers 'sh -c \"echo no such host >&2; exit 7\" {worker}' --most-workers 2");
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.err.contains("5 workers in a row could not run; the last one: it ended at once (exit status: 7); it said: no such host"),
        "{run}"
    );
    assert!(run.err.contains("[worker 1] no such host"), "{run}");
}

#[test]
fn without_any_worker_the_user_is_told_what_is_missing() {
    let world = World::new();
    let run = world.run("load --parts 2 --size 20 --workers remote --workers-wait 1s");
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.err.contains("there is no worker to run its partitions: start one with the command `worker`"),
        "{run}"
    );
}

#[test]
fn workers_of_another_build_are_named() {
    let world = World::new();
    let numbers = env!("CARGO_BIN_EXE_numbers");
    let mut other = std::process::Command::new(numbers)
        .arg("worker")
        .current_dir(world.path(""))
        .env_remove("BATCH_REPOSITORY")
        .spawn()
        .unwrap();
    until("the other worker", || !world.column("SELECT 1 FROM BATCH_PROCESS").is_empty());
    let run = world.run("load --parts 2 --size 20 --workers remote --workers-wait 1s");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.err.contains("no worker runs this build of job `load`"), "{run}");
    assert!(run.err.contains("1 worker runs another build or program"), "{run}");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_worker_without_a_secret_says_which_one_it_needs() {
    let world = World::new();
    let secret = [("BATCH_PARAM_PASSWORD", "open sesame")];
    let mut worker = world.start_with("worker", &[]);
    until("the worker", || !world.column("SELECT 1 FROM BATCH_PROCESS").is_empty());
    let run = world.run_with("around --parts 2 --size 20 --workers remote --workers-wait 10s", &secret);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.err.contains("takes the parameter from its environment, as in `BATCH_PARAM_"), "{run}");
    worker.signal("-TERM");
    worker.wait();
}

#[test]
fn a_job_without_partitions_refuses_workers() {
    let world = World::new();
    let run = world.run("alone --workers local:2");
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("job `alone` has no step with `partitions`"), "{run}");
    assert!(world.files("batch.db").is_empty());
}

#[test]
fn bad_workers_are_refused_in_a_line_and_nothing_is_written() {
    for workers in ["local:0", "local:x", "kubernetes", "'ssh a job'", "'ssh {host} {worker}'"] {
        let world = World::new();
        let run = world.run(&format!("load --parts 2 --size 20 --workers {workers}"));
        assert_eq!(run.code, 2, "{workers}: {run}");
        assert_eq!(run.err.lines().count(), 1, "{run}");
        assert!(world.files("batch.db").is_empty());
    }
    let world = World::new();
    let run = world.run("worker --attached");
    assert_eq!(run.code, 2, "{run}");
    assert_eq!(run.err.lines().count(), 1, "{run}");
}
