//! A launch that earlier executions forbid: one line, exit code 4, and an unchanged repository.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::world::{ENTRIES, LEDGER_CHANGED, NUMBERS, RUN, World, executions};

const COMPLETE: &str = "job `ledger` with these parameters is already COMPLETED: execution 1; \
                        run it with other parameters, or with `--next`";

const CHANGED: &str = "job `ledger` has changed since execution 1: it has passed `export` (COMPLETED), which the job no \
                       longer reaches; finish the instance with the program it began with, or run it with `--next`";

#[test]
fn an_instance_that_is_complete_is_not_run_again() {
    let world = World::new();
    world.completes(RUN, ENTRIES);
    for line in [RUN, "restart 1"] {
        world.refuses(line, 4, COMPLETE);
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_instance_is_not_run_a_second_time() {
    let world = World::empty();
    let words = ["run", "--to", "23", "--pause", "600000"];
    let mut command = world.command(NUMBERS, words);
    let mut running = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "number 1"), "it ended before its first number");

    let ended = world.ask(NUMBERS, "run --to 23");
    assert_eq!((ended.code, ended.out.as_str()), (Some(4), ""), "{}", ended.err);
    let begins = format!("error: job `count` is already running as execution 1 (process {} ", running.0.id());
    assert!(ended.err.starts_with(&begins), "{}", ended.err);
    let ends = "; wait for it, stop it with `stop 1`, or run with other parameters\n";
    assert!(ended.err.ends_with(ends) && ended.err.lines().count() == 1, "{}", ended.err);
    assert_eq!(executions(&world.file("batch.db")), 1);
}

#[test]
fn a_restart_of_a_changed_graph_names_the_missing_steps_and_shows_both() {
    let world = World::half_done();
    let before = world.content();
    for line in [RUN, "restart 1"] {
        let ended = world.ask(LEDGER_CHANGED, line);
        assert_eq!((ended.code, ended.out.as_str()), (Some(4), ""), "{line}: {}", ended.err);
        let (first, graphs) = ended.err.split_once('\n').unwrap();
        assert_eq!(first, format!("error: {CHANGED}"), "{line}");
        let (was, is) = graphs.split_once("\nas it is:\n").unwrap();
        assert!(was.starts_with("\nas it was:\njob ledger(input: PathBuf, output: "), "{line}: {was}");
        assert!(was.ends_with("\n  close: tasklet\n"), "{line}: {was}");
        assert_eq!(is, "job ledger(input: PathBuf, year: u16 = 2024)\n  audit: tasklet\n", "{line}");
    }
    world.ask(LEDGER_CHANGED, &format!("{RUN} --quiet")).is_refused(4, CHANGED);
    assert!(world.content() == before, "the refusal left {:?}", world.names());
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_changed_graph_in_json_has_both_graphs_next_to_the_line() {
    let world = World::half_done();
    let ended = world.ask(LEDGER_CHANGED, &format!("{RUN} --json"));
    assert_eq!((ended.code, ended.err), (Some(4), format!("error: {CHANGED}\n")));
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let error = &document["error"];
    assert_eq!((error["kind"].as_str(), error["message"].as_str()), (Some("graph_changed"), Some(CHANGED)));
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.starts_with("as it was:\n") && detail.contains("\nas it is:\n"), "{detail}");
}

#[test]
fn a_restart_with_another_identity_names_the_parameter() {
    let world = World::half_done();
    world.refuses(
        "restart 1 --param year=2023",
        4,
        "execution 1 cannot be restarted: the current parameters belong to another instance of job `ledger`, because \
         `year` differs; pass the value that the execution had, or start a new instance",
    );
}

#[test]
fn an_unknown_execution_is_reported_with_where_to_look() {
    let world = World::half_done();
    for line in ["show 7", "restart 7", "stop 7", "abandon 7"] {
        world.refuses(line, 4, "there is no execution 7; `executions` lists them");
    }
}
