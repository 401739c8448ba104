//! Many processes try to run one instance at the same moment, and exactly one succeeds.

use std::process::Stdio;

use super::World;

const PROCESSES: usize = 16;

/// How often each crowd starts: `LAUNCH_ROUNDS` times, or three times.
fn rounds() -> usize {
    std::env::var("LAUNCH_ROUNDS").map_or(3, |text| text.parse().expect("LAUNCH_ROUNDS is a number"))
}

/// Runs the same command in all processes at once, and returns the exit codes in order, each with its output.
fn crowd(world: &World, line: &str) -> Vec<(Option<i32>, String)> {
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| world.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let mut ended: Vec<_> = processes
        .into_iter()
        .map(|process| process.wait_with_output().unwrap())
        .map(|output| (output.status.code(), String::from_utf8(output.stderr).unwrap()))
        .collect();
    ended.sort();
    ended
}

#[track_caller]
fn one_has_won(ended: &[(Option<i32>, String)]) {
    let codes: Vec<_> = ended.iter().filter_map(|(code, _)| *code).collect();
    let expected: Vec<_> = std::iter::once(0).chain([4; PROCESSES - 1]).collect();
    assert_eq!(codes, expected, "{ended:#?}");
    for (_, said) in &ended[1..] {
        assert!(said.starts_with("error: job `count` ") && said.lines().count() == 1, "{said}");
    }
}

impl World {
    fn executions(&self) -> Vec<String> {
        let database = rusqlite::Connection::open(self.0.path().join("batch.db")).unwrap();
        let query = "SELECT STATUS || ' ' || EXIT_CODE FROM BATCH_JOB_EXECUTION ORDER BY JOB_EXECUTION_ID";
        let mut statement = database.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

#[test]
fn of_many_processes_that_launch_one_instance_at_once_exactly_one_runs() {
    for _ in 0..rounds() {
        // The repository does not exist yet, so they also compete to create it.
        let world = World::new();
        one_has_won(&crowd(&world, "run --to 5 --pause 20"));
        assert_eq!(world.executions(), ["COMPLETED COMPLETED"]);
        assert_eq!(world.kept(), [1, 2, 3, 4, 5]);
    }
}

#[test]
fn of_many_processes_that_find_a_dead_owner_exactly_one_takes_over() {
    for _ in 0..rounds() {
        let world = World::new();
        drop(world.start("run --to 5 --pause 600000"));
        one_has_won(&crowd(&world, "run --to 5 --pause 20"));
        assert_eq!(world.executions(), ["FAILED OWNER_LOST", "COMPLETED COMPLETED"]);
        assert_eq!(world.kept(), [1, 2, 3, 4, 5]);
    }
}
