//! A launch runs as the instance that its parameters identify, or is refused.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};

use batch_runtime::engine::{JobError, RunOptions};
use batch_runtime::operator::JobOperator;
use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, RepositoryError};

use crate::support::World;

#[step]
fn nothing() {}

#[job]
fn plain(_name: String) {
    nothing;
}

#[test]
fn a_completed_instance_is_refused_and_other_parameters_run() {
    let world = World::new();
    world.completes(&plain("a".to_owned()));
    let refused = world.try_run(&plain("a".to_owned())).unwrap_err();
    assert!(matches!(refused, JobError::Repository(RepositoryError::AlreadyComplete { .. })), "{refused}");
    world.completes(&plain("b".to_owned()));
}

#[job]
fn keyed(_name: String) {
    nothing;
}

#[test]
fn the_key_of_an_instance_is_the_same_as_in_spring_batch() {
    let world = World::new();
    world.completes(&keyed("foo".to_owned()));
    assert_eq!(world.texts("SELECT JOB_KEY FROM BATCH_JOB_INSTANCE"), ["e67c91b540ae6eedc616d31e3bfd0604"]);
}

#[job]
fn from_path(_input: PathBuf) {
    nothing;
}

#[test]
fn a_path_is_made_absolute_before_it_identifies() {
    let world = World::new();
    world.completes(&from_path(PathBuf::from("data.csv")));
    let absolute = std::env::current_dir().unwrap().join("data.csv");
    assert_eq!(
        world.texts("SELECT PARAMETER_VALUE FROM BATCH_JOB_EXECUTION_PARAMS"),
        [absolute.to_str().unwrap()]
    );
    assert!(world.try_run(&from_path(absolute)).is_err());
}

#[step]
fn look(password: &str) {
    assert_eq!(password, "hunter2");
}

#[job]
fn secretive(#[param(secret)] password: String) {
    look;
}

#[test]
fn a_secret_reaches_its_step_and_nothing_else() {
    let world = World::new();
    let launch = secretive("hunter2".to_owned());
    world.completes(&launch);
    assert!(!format!("{launch:?}").contains("hunter2"));
    for file in std::fs::read_dir(world.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    }
}

#[job(restartable = false)]
fn once(#[param(identifying = false)] fail: bool) {
    shaky;
}

#[step]
fn shaky(fail: bool) -> Result<(), String> {
    if fail { Err("told to fail".to_owned()) } else { Ok(()) }
}

#[test]
fn a_job_that_is_not_restartable_is_refused_after_a_failure() {
    let world = World::new();
    world.fails(&once(true));
    let refused = world.try_run(&once(false)).unwrap_err();
    assert!(matches!(refused, JobError::Repository(RepositoryError::NotRestartable { .. })), "{refused}");
}

/// Lets a test hold a job in the middle of its step.
struct Gate {
    entered: Mutex<Sender<()>>,
    leave: Mutex<Receiver<()>>,
}

static GATE: OnceLock<Gate> = OnceLock::new();

#[step]
fn wait_at_the_gate(hold: bool) {
    if hold && let Some(gate) = GATE.get() {
        gate.entered.lock().unwrap().send(()).unwrap();
        gate.leave.lock().unwrap().recv().unwrap();
    }
}

#[job(exclusive)]
fn alone(_name: String, #[param(identifying = false)] hold: bool) {
    wait_at_the_gate;
}

#[test]
fn a_running_instance_and_an_exclusive_job_refuse_a_second_launch() {
    let world = World::new();
    let (entered, has_entered) = channel();
    let (let_go, leave) = channel();
    assert!(GATE.set(Gate { entered: Mutex::new(entered), leave: Mutex::new(leave) }).is_ok());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| world.completes(&alone("a".to_owned(), true)));
        has_entered.recv().unwrap();
        for name in ["a", "b"] {
            let refused = world.try_run(&alone(name.to_owned(), false)).unwrap_err();
            assert!(
                matches!(refused, JobError::Repository(RepositoryError::AlreadyRunning { .. })),
                "{refused}"
            );
        }
        let_go.send(()).unwrap();
        first.join().unwrap();
    });
    world.completes(&alone("b".to_owned(), false));
}

#[test]
fn a_stop_requested_before_the_first_step_stops_the_job_and_a_restart_completes_it() {
    let world = World::new();
    let options = RunOptions::default();
    options.stop.raise();
    let launch = plain("stopped".to_owned());
    let report = batch_runtime::engine::run(&world.repository, &launch, &options).unwrap();
    assert_eq!(report.status, batch_runtime::repository::BatchStatus::Stopped);
    world.completes(&launch);
}

/// The operator that `asks` uses.
static OPERATOR: OnceLock<JobOperator> = OnceLock::new();

#[step]
fn asks(job: &JobContext, beside: bool) {
    if !beside {
        OPERATOR.get().expect("the test has made it").stop(job.execution()).unwrap();
    }
}

/// Runs another job on the same operator once it is known that the job was stopped.
#[listener(after_job)]
fn runs_another(end: &JobEnd, beside: bool) {
    if !beside && end.status == BatchStatus::Stopped {
        let other = OPERATOR.get().expect("the test has made it").start(asking(true)).unwrap();
        assert_eq!(other.status, BatchStatus::Completed);
        ANOTHER.store(true, Ordering::Relaxed);
    }
}

static ANOTHER: AtomicBool = AtomicBool::new(false);

#[step]
fn after_asking() {}

#[job(listeners(runs_another))]
fn asking(beside: bool) {
    asks;
    after_asking;
}

#[test]
fn a_stop_of_one_execution_stops_neither_another_of_the_same_operator_nor_its_own_restart() {
    let world = World::new();
    let operator =
        OPERATOR.get_or_init(|| JobOperator::new(world.repository.clone()).with_jobs(&[asking(false).job]));
    let stopped = operator.start(asking(false)).unwrap();
    assert_eq!(stopped.status, BatchStatus::Stopped);
    assert!(ANOTHER.load(Ordering::Relaxed), "another job ran meanwhile");
    let report = operator.restart(stopped.execution).unwrap();
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
}
