//! The events of jobs and tasklets, and the effect of listeners' errors.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use batch_runtime::prelude::*;

use crate::support::World;

fn note(heard: &Path, what: &str) {
    let mut text = std::fs::read_to_string(heard).unwrap_or_default();
    writeln!(text, "{what}").unwrap();
    std::fs::write(heard, text).unwrap();
}

fn heard(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("heard")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[step]
fn work(heard: &Path) {
    note(heard, "work");
}

#[listener(before_job)]
fn first(heard: &Path) {
    note(heard, "first before");
}

#[listener(before_job)]
fn second(heard: &Path, job: &JobContext) {
    note(heard, &format!("second before {}", job.job()));
}

#[listener(after_job)]
fn third(end: &JobEnd, heard: PathBuf) {
    note(&heard, &format!("third after {}", end.status));
}

#[listener(after_job)]
fn fourth(_end: &JobEnd, heard: &Path) {
    note(heard, "fourth after");
}

#[job(listeners(first, second, third, fourth))]
fn listened(heard: PathBuf) {
    work;
}

#[test]
fn listeners_are_notified_of_the_start_of_a_job_in_order_and_of_its_end_in_reverse() {
    let world = World::new();
    world.completes(&listened(world.path("heard")));
    assert_eq!(
        heard(&world),
        ["first before", "second before listened", "work", "fourth after", "third after COMPLETED"]
    );
}

#[listener(before_job)]
fn refuse(heard: &Path, refuse: bool) -> Result<(), String> {
    note(heard, "asked");
    if refuse { Err("not today".to_owned()) } else { Ok(()) }
}

#[job(listeners(refuse, third))]
fn guarded(heard: PathBuf, #[param(identifying = false)] refuse: bool) {
    work;
}

#[test]
fn an_error_before_a_job_fails_it_before_its_first_step_and_a_restart_resumes() {
    let world = World::new();
    let report = world.fails(&guarded(world.path("heard"), true));
    assert_eq!(report.exit.description, "`refuse`: not today");
    assert_eq!(heard(&world), ["asked", "third after FAILED"]);
    world.completes(&guarded(world.path("heard"), false));
    assert_eq!(heard(&world)[2..], ["asked", "work", "third after COMPLETED"]);
}

#[listener(after_job)]
fn falls(_end: &JobEnd) -> Result<(), String> {
    Err("the mail server is down".to_owned())
}

#[listener(after_job)]
fn panics(_end: &JobEnd) {
    panic!("worse");
}

#[job(listeners(third, falls, panics))]
fn unlucky(heard: PathBuf) {
    work;
}

#[test]
fn an_error_after_a_job_changes_nothing_and_the_other_listeners_are_notified() {
    let world = World::new();
    world.completes(&unlucky(world.path("heard")));
    assert_eq!(heard(&world), ["work", "third after COMPLETED"]);
}

#[listener(before_step)]
fn begins(heard: &Path, context: &StepContext) {
    note(heard, &format!("begins {}", context.step()));
}

#[listener(after_step)]
fn ends(counters: &Counters, failure: Option<&Failure>, heard: &Path) {
    let why = failure.map(ToString::to_string).unwrap_or_default();
    note(heard, format!("ends after {} commits {why}", counters.commit).trim_end());
}

#[step(listeners(begins, ends))]
fn shaky(fail: bool) -> Result<(), String> {
    if fail { Err("it shakes".to_owned()) } else { Ok(()) }
}

#[job]
fn tasklets(heard: PathBuf, #[param(identifying = false)] fail: bool) {
    shaky;
}

#[test]
fn listeners_are_notified_when_a_tasklet_begins_and_ends() {
    let world = World::new();
    world.fails(&tasklets(world.path("heard"), true));
    world.completes(&tasklets(world.path("heard"), false));
    assert_eq!(
        heard(&world),
        [
            "begins shaky",
            "ends after 0 commits running in `shaky`: it shakes",
            "begins shaky",
            "ends after 1 commits"
        ]
    );
}
