//! Tests of a program as a process: signals, pipes, and other processes that run at the same time.

mod crowd;

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A folder that the program runs in.
struct World(tempfile::TempDir);

/// The program while it runs.
struct Running {
    process: Child,
    err: Lines<BufReader<ChildStderr>>,
}

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_numbers"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_remove("BATCH_REPOSITORY");
        command
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    fn ask(&self, line: &str) -> (Option<i32>, String, String) {
        let output = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Starts a command, and returns once it works on its first number.
    fn start(&self, line: &str) -> Running {
        let mut command = self.command(line);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let err = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut running = Running { process, err };
        running.wait_for("number 1");
        running
    }

    fn kept(&self) -> Vec<u32> {
        let database = rusqlite::Connection::open(self.0.path().join("batch.db")).unwrap();
        let mut statement = database.prepare("SELECT number FROM kept ORDER BY rowid").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

impl Running {
    fn wait_for(&mut self, line: &str) {
        let mut told = Vec::new();
        while told.last().is_none_or(|told| told != line) {
            match self.err.next() {
                Some(next) => told.push(next.unwrap()),
                None => panic!("the program ended without `{line}`, saying {told:?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A failed test must not leave its program running.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const STOPPING: &str = "stopping at the end of the chunk; a second Ctrl-C ends the process at once";

#[test]
fn the_first_signal_stops_after_the_chunk_and_the_same_command_resumes() {
    for signal in ["-INT", "-TERM"] {
        let world = World::new();
        let mut running = world.start("run --to 23 --pause 200");
        running.signal(signal);
        assert_eq!(running.exit_code(), Some(3), "{signal}");
        assert!(world.kept().len().is_multiple_of(5) && world.kept().len() < 23, "{:?}", world.kept());
        assert_eq!(world.ask("run --to 23").0, Some(0));
        assert_eq!(world.kept(), (1..=23).collect::<Vec<_>>());
    }
}

#[test]
fn the_second_signal_ends_the_process_at_once_and_nothing_is_lost() {
    let world = World::new();
    let mut running = world.start("run --to 23 --pause 600000");
    running.signal("-TERM");
    running.wait_for(STOPPING);
    running.signal("-TERM");
    assert_eq!(running.exit_code(), Some(128 + 15));
    let (code, out, _) = world.ask("run --to 23");
    assert_eq!(code, Some(0));
    assert!(
        out.lines().next().unwrap().contains("continues execution 1, taken over from the dead process"),
        "{out}"
    );
    assert_eq!(world.kept(), (1..=23).collect::<Vec<_>>());
}

#[test]
fn a_running_execution_is_stopped_from_another_process() {
    let world = World::new();
    let mut running = world.start("run --to 1000 --pause 20");
    assert_eq!(world.ask("stop 1").0, Some(0));
    assert_eq!(running.exit_code(), Some(3));
}

/// Starts to follow execution 1, and returns once it is seen to read.
fn follow(world: &World) -> (Child, Lines<BufReader<std::process::ChildStdout>>) {
    let mut process = world.command("show 1 --follow").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("count has been running for "), "{first}");
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("keep: ") && line.contains(" read, "), "{line}");
    (process, lines)
}

#[test]
fn a_running_execution_is_followed_from_another_process_until_it_stops() {
    let world = World::new();
    let mut running = world.start("run --to 1000 --pause 20");
    let (mut following, mut lines) = follow(&world);
    // The process stores its progress after a second.
    let far =
        lines.by_ref().map(Result::unwrap).find(|line| line.contains(" %, ") && line.contains(" left, "));
    assert!(far.unwrap().starts_with("keep: "));
    assert_eq!(world.ask("stop 1").0, Some(0));
    assert_eq!(running.exit_code(), Some(3));
    assert_eq!(following.wait().unwrap().code(), Some(3));
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.starts_with("keep stopped in ")), "{rest:#?}");
    assert!(rest.iter().any(|line| line.starts_with("count stopped after ")), "{rest:#?}");
}

#[test]
fn the_death_of_a_followed_process_is_noticed_and_a_signal_ends_only_the_display() {
    let world = World::new();
    let running = world.start("run --to 1000 --pause 20");
    let (mut looking, _lines) = follow(&world);
    assert!(Command::new("kill").args(["-INT", &looking.id().to_string()]).status().unwrap().success());
    assert_eq!(looking.wait().unwrap().code(), Some(130));
    let (mut following, lines) = follow(&world);
    drop(running);
    assert_eq!(following.wait().unwrap().code(), Some(1));
    let last = lines.map(Result::unwrap).last();
    assert_eq!(
        last.as_deref(),
        Some("its process died before it could record an end: `restart 1` resumes it after its last commit")
    );
}

#[test]
fn a_running_instance_refuses_a_second_run_and_continues() {
    let world = World::new();
    let running = world.start("run --to 23 --pause 600000");
    for command in ["run --to 23", "abandon 1"] {
        let (code, out, err) = world.ask(command);
        assert_eq!((code, out.as_str()), (Some(4), ""), "{command}: {err}");
        assert!(err.starts_with("error: job `count` is already running as execution 1 "), "{command}: {err}");
    }
    assert_eq!(world.ask("recover").1, "nothing to recover: every running execution has a living owner\n");
    drop(running);
}

#[test]
fn an_execution_whose_process_was_killed_is_recovered() {
    let world = World::new();
    drop(world.start("run --to 23 --pause 600000"));
    let (code, out, _) = world.ask("recover");
    assert_eq!(code, Some(0));
    assert_eq!(out, "execution 1 of job count lost its owner and can be restarted: `restart 1`\n");
    assert_eq!(world.ask("restart 1 --param pause=0").0, Some(0));
    assert_eq!(world.kept(), (1..=23).collect::<Vec<_>>());
}

#[test]
fn a_pipe_without_a_reader_is_not_a_failure() {
    let world = World::new();
    assert_eq!(world.ask("run --to 7").0, Some(0));
    for line in ["executions", "show 1", "jobs --json", "--help", "run --to 8"] {
        let mut process = world.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(process.stdout.take());
        let mut err = String::new();
        process.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((process.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn a_closed_standard_error_is_not_a_failure() {
    let world = World::new();
    let mut process =
        world.command("run --to 7 -v").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(process.stderr.take());
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn the_default_repository_is_in_the_current_folder_and_the_environment_can_name_another() {
    let world = World::new();
    assert_eq!(world.ask("run --to 7").0, Some(0));
    assert!(world.0.path().join("batch.db").exists());
    let status =
        world.command("run --to 7").env("BATCH_REPOSITORY", "sqlite:other.db").output().unwrap().status;
    assert_eq!(status.code(), Some(0));
    assert!(world.0.path().join("other.db").exists());
}
