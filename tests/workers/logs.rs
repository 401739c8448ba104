//! The log of a run whose workers are processes of their own: one file, whole lines, and the place on each.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::World;

fn lines(world: &World, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("mixed: {line}"))).collect()
}

/// The lines that the component `slowly` has logged, after a check of the fields that tell their place.
fn slowly(lines: &[Value]) -> Vec<&Value> {
    let said: Vec<_> = lines.iter().filter(|line| line["message"] == "slowly").collect();
    for line in &said {
        assert_eq!(
            (&line["job"], &line["step"], &line["execution"]),
            (&"load".into(), &"fill".into(), &1.into())
        );
        let fields = ["instance", "step_execution", "partition", "partition_name", "worker", "pid"];
        assert!(fields.iter().all(|name| !line[*name].is_null()), "{line}");
    }
    said
}

#[test]
fn the_workers_that_a_run_starts_append_to_its_log() {
    let world = World::new();
    let run = world.run("load --parts 8 --size 500 --workers local:3 --log log.jsonl --log-filter debug");
    assert_eq!(run.code, 0, "{run}");
    let lines = lines(&world, "log.jsonl");
    let said = slowly(&lines);
    assert_eq!(said.len(), 4000);
    let of = |name: &str| -> BTreeSet<_> { said.iter().map(|line| line[name].to_string()).collect() };
    assert_eq!((of("pid").len(), of("worker").len(), of("partition").len()), (3, 3, 8));
    // Each partition is the step execution that the repository has for it.
    let ids = world.column(
        "SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'fill:partition%' ORDER BY 1",
    );
    assert_eq!(of("step_execution"), ids.into_iter().collect());
    let of_manager =
        |message: &str| lines.iter().any(|line| line["message"] == message && line["worker"].is_null());
    assert!(of_manager("job started") && of_manager("step ended") && of_manager("job ended"));
}

#[test]
fn a_worker_that_somebody_has_started_has_a_log_of_its_own() {
    let world = World::new();
    let mut worker = world.start_with("worker --log worker.jsonl --log-filter debug", &[]);
    let run = world.run("load --parts 2 --size 20 --workers remote --log run.jsonl");
    assert_eq!(run.code, 0, "{run}");
    worker.signal("-TERM");
    assert_eq!(worker.wait().code, 0);
    assert_eq!(slowly(&lines(&world, "worker.jsonl")).len(), 40);
    assert!(slowly(&lines(&world, "run.jsonl")).is_empty());
}

#[test]
fn a_command_for_workers_says_where_they_log() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_parts");
    let run = world.run(&format!(
        "load --parts 2 --size 20 --log run.jsonl --workers '{program} {{worker}} --log worker-{{n}}.jsonl --log-filter debug'"
    ));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(slowly(&lines(&world, "worker-1.jsonl")).len(), 40);
}

#[test]
fn a_log_that_cannot_be_opened_is_refused_before_anything_runs() {
    let world = World::new();
    let run = world.run("load --parts 2 --size 20 --log missing/log.jsonl");
    assert_eq!(run.code, 2, "{run}");
    let expected = format!(
        "error: the log {} cannot be opened: No such file or directory (os error 2); use `--log` to choose another file\n",
        world.path("missing/log.jsonl").display()
    );
    assert_eq!(run.err, expected);
    assert!(!world.path("batch.db").exists());
}

#[test]
fn a_full_disk_under_the_log_does_not_fail_the_job() {
    let world = World::new();
    let run = world.run("load --parts 2 --size 20 --log /dev/full");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(
        run.err.matches("warning: the log /dev/full is not complete: No space left on device").count(),
        1
    );
}

#[cfg(feature = "amqp")]
#[test]
fn a_chunk_that_a_worker_processes_is_logged_there_with_its_step() {
    let Some(server) = batch_tests::rabbitmq::server() else { return };
    let world = World::new();
    let line = "run prices --count 4000 --micros 1000 --workers local:2 --log log.jsonl --log-filter debug";
    let mut command = world.command_of(env!("CARGO_BIN_EXE_chunks"), line);
    command.env("BATCH_BROKER", server.url());
    let run = world.start_command(command).wait();
    assert_eq!(run.code, 0, "{run}");
    let lines = lines(&world, "log.jsonl");
    let said: Vec<_> = lines.iter().filter(|line| line["message"] == "price").collect();
    assert!(said.len() >= 4000);
    let id = world.column("SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'price_all'");
    for line in &said {
        assert_eq!((&line["job"], &line["step"]), (&"prices".into(), &"price_all".into()), "{line}");
        assert_eq!(
            (line["step_execution"].to_string(), &line["execution"]),
            (id[0].clone(), &1.into()),
            "{line}"
        );
    }
    assert!(
        said.iter().any(|line| line["worker"].is_i64()) && said.iter().any(|line| line["worker"].is_null())
    );
}
