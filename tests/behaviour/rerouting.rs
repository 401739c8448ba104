//! The decisions that a restart makes again: those on a step that runs again, and those that led to a `fail!`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;

use crate::support::World;

/// The outcomes of a job's steps and deciders, and what ran, by the job's `tag`.
static PLAYS: Mutex<BTreeMap<String, Play>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Play {
    /// The next outcomes, by name; steps without an entry succeed.
    script: BTreeMap<&'static str, Vec<&'static str>>,
    ran: Vec<String>,
}

/// Makes the next calls of `name` end with these outcomes, in order.
fn plays(tag: &str, name: &'static str, outcomes: &[&'static str]) {
    let mut plays = PLAYS.lock().unwrap();
    plays.entry(tag.to_owned()).or_default().script.insert(name, outcomes.iter().rev().copied().collect());
}

fn next(tag: &str, name: &'static str) -> &'static str {
    let mut plays = PLAYS.lock().unwrap();
    let play = plays.entry(tag.to_owned()).or_default();
    play.ran.push(name.to_owned());
    play.script.get_mut(name).and_then(Vec::pop).unwrap_or("ok")
}

fn works(tag: &str, name: &'static str) -> Result<(), String> {
    match next(tag, name) {
        "fails" => Err(format!("{name} was told to fail")),
        _ => Ok(()),
    }
}

/// The steps that ran since the last call.
fn ran(tag: &str) -> Vec<String> {
    let mut plays = PLAYS.lock().unwrap();
    std::mem::take(&mut plays.entry(tag.to_owned()).or_default().ran)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Quality {
    Good,
    Bad,
}

fn quality_of(tag: &str, name: &'static str) -> Quality {
    if next(tag, name) == "bad" { Quality::Bad } else { Quality::Good }
}

#[step(allow_start_if_complete)]
fn loads(tag: &str) -> Result<(), String> {
    works(tag, "loads")
}

#[step(allow_start_if_complete)]
fn grades(tag: &str) -> Quality {
    quality_of(tag, "grades")
}

#[step]
fn validates(tag: &str) -> Quality {
    quality_of(tag, "validates")
}

#[step]
fn once(tag: &str) -> Result<(), String> {
    works(tag, "once")
}

#[decider]
fn quality(tag: &str) -> Quality {
    quality_of(tag, "quality")
}

#[decider]
fn broken(tag: &str) -> bool {
    next(tag, "broken") == "yes"
}

#[step]
fn goes_on(tag: &str) -> Result<(), String> {
    works(tag, "goes_on")
}

#[step]
fn repairs(tag: &str) -> Result<(), String> {
    works(tag, "repairs")
}

#[step]
fn publishes(tag: &str) -> Result<(), String> {
    works(tag, "publishes")
}

#[step]
fn ends(tag: &str) -> Result<(), String> {
    works(tag, "ends")
}

#[job]
fn by_end(tag: String) {
    match loads {
        Completed => goes_on,
        Failed => repairs,
    }
    ends;
}

#[test]
fn a_step_that_runs_again_and_fails_takes_the_arm_of_failed() {
    let (world, tag) = (World::new(), "by_end");
    plays(tag, "loads", &["ok", "fails"]);
    plays(tag, "ends", &["fails"]);
    world.fails(&by_end(tag.to_owned()));
    assert_eq!(ran(tag), ["loads", "goes_on", "ends"]);
    world.completes(&by_end(tag.to_owned()));
    assert_eq!(ran(tag), ["loads", "repairs", "ends"]);
}

#[job]
fn by_value(tag: String) {
    match grades {
        Quality::Good => goes_on,
        Quality::Bad => {
            repairs;
            tells;
        }
    }
    ends;
}

#[step]
fn tells(tag: &str, grade: &Output<grades>) {
    let mut plays = PLAYS.lock().unwrap();
    plays.entry(tag.to_owned()).or_default().ran.push(format!("tells {:?}", **grade));
}

#[test]
fn a_tasklet_that_runs_again_takes_the_arm_of_its_new_value() {
    let (world, tag) = (World::new(), "by_value again");
    plays(tag, "grades", &["good", "bad"]);
    plays(tag, "ends", &["fails"]);
    world.fails(&by_value(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "goes_on", "ends"]);
    world.completes(&by_value(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "repairs", "tells Bad", "ends"]);
}

#[test]
fn in_the_same_arm_completed_steps_are_not_run_again() {
    let (world, tag) = (World::new(), "by_value same");
    plays(tag, "ends", &["fails"]);
    world.fails(&by_value(tag.to_owned()));
    ran(tag);
    world.completes(&by_value(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "ends"]);
}

#[job]
fn common(tag: String) {
    match grades {
        Quality::Good => once,
        Quality::Bad => {
            repairs;
            once;
        }
    }
    publishes;
    ends;
}

#[test]
fn steps_completed_in_the_old_arm_do_not_count_in_the_new_one_and_steps_after_the_match_do() {
    let (world, tag) = (World::new(), "common");
    plays(tag, "grades", &["good", "bad", "good"]);
    plays(tag, "ends", &["fails", "fails"]);
    world.fails(&common(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "once", "publishes", "ends"]);
    world.fails(&common(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "repairs", "once", "ends"]);
    // And back.
    world.completes(&common(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "once", "ends"]);
}

#[test]
fn a_restart_after_a_failure_in_the_new_arm_resumes_in_it() {
    let (world, tag) = (World::new(), "common, failed");
    plays(tag, "grades", &["good", "bad", "bad"]);
    plays(tag, "ends", &["fails"]);
    plays(tag, "repairs", &["fails"]);
    world.fails(&common(tag.to_owned()));
    world.fails(&common(tag.to_owned()));
    ran(tag);
    world.completes(&common(tag.to_owned()));
    assert_eq!(ran(tag), ["grades", "repairs", "once", "ends"]);
}

#[job]
fn inner(tag: String) {
    once;
}

#[job]
fn outer(tag: String) {
    match grades {
        Quality::Good => inner,
        Quality::Bad => {}
    }
    ends;
}

#[test]
fn a_nested_job_runs_again_in_an_arm_that_is_taken_again() {
    let (world, tag) = (World::new(), "outer, left");
    plays(tag, "grades", &["good", "bad", "good"]);
    plays(tag, "ends", &["fails", "fails"]);
    for expected in [&["grades", "once", "ends"][..], &["grades", "ends"], &["grades", "once", "ends"]] {
        world.run(&outer(tag.to_owned()));
        assert_eq!(ran(tag), expected);
    }
}

#[job]
fn checked(tag: String) {
    match quality {
        Quality::Good => {}
        Quality::Bad => {
            repairs;
            fail!("the quality is bad");
        }
    }
    ends;
}

#[test]
fn a_decider_that_led_to_a_fail_is_asked_again() {
    let (world, tag) = (World::new(), "checked");
    plays(tag, "quality", &["bad", "bad", "good"]);
    world.fails(&checked(tag.to_owned()));
    assert_eq!(ran(tag), ["quality", "repairs"]);
    let report = world.fails(&checked(tag.to_owned()));
    assert_eq!(report.exit.description, "the quality is bad");
    assert_eq!(ran(tag), ["quality"], "what completed on the way is not run again");
    world.completes(&checked(tag.to_owned()));
    assert_eq!(ran(tag), ["quality", "ends"]);
}

#[job]
fn validated(tag: String) {
    once;
    match validates {
        Quality::Good => ends,
        Quality::Bad => fail!("rows are bad"),
    }
}

#[test]
fn a_tasklet_whose_value_led_to_a_fail_is_run_again() {
    let (world, tag) = (World::new(), "validated");
    plays(tag, "validates", &["bad"]);
    world.fails(&validated(tag.to_owned()));
    ran(tag);
    world.completes(&validated(tag.to_owned()));
    assert_eq!(ran(tag), ["validates", "ends"]);
}

#[job]
fn told(tag: String) {
    match once {
        Completed => ends,
        Failed => {
            repairs;
            fail!("once did not work")
        }
    }
}

#[test]
fn a_step_whose_failure_led_to_a_fail_is_run_again() {
    let (world, tag) = (World::new(), "told");
    plays(tag, "once", &["fails"]);
    world.fails(&told(tag.to_owned()));
    assert_eq!(ran(tag), ["once", "repairs"]);
    world.completes(&told(tag.to_owned()));
    assert_eq!(ran(tag), ["once", "ends"]);
}

#[job]
fn cleaned(tag: String) {
    match quality {
        Quality::Good => ends,
        Quality::Bad => match repairs {
            Completed => fail!("bad, and cleaned"),
            Failed => fail!("bad, and not cleaned"),
        },
    }
}

#[test]
fn a_step_that_completed_before_a_fail_stays_complete_and_the_decision_around_it_is_made_again() {
    let (world, tag) = (World::new(), "cleaned");
    plays(tag, "quality", &["bad"]);
    world.fails(&cleaned(tag.to_owned()));
    ran(tag);
    world.completes(&cleaned(tag.to_owned()));
    assert_eq!(ran(tag), ["quality", "ends"]);
}

#[job]
fn repeated(tag: String) {
    while broken {
        match quality {
            Quality::Good => repairs,
            Quality::Bad => fail!("beyond repair"),
        }
    }
    ends;
}

#[test]
fn of_two_decisions_around_a_fail_the_inner_one_is_made_again() {
    let (world, tag) = (World::new(), "repeated");
    plays(tag, "broken", &["yes", "yes"]);
    plays(tag, "quality", &["good", "bad"]);
    world.fails(&repeated(tag.to_owned()));
    assert_eq!(ran(tag), ["broken", "quality", "repairs", "broken", "quality"]);
    world.completes(&repeated(tag.to_owned()));
    assert_eq!(ran(tag), ["quality", "repairs", "broken", "ends"]);
}

#[job]
fn while_broken(tag: String) {
    while broken {
        repairs;
        fail!("repaired; see whether it holds");
    }
    ends;
}

#[test]
fn a_while_whose_answer_led_to_a_fail_is_asked_again() {
    let (world, tag) = (World::new(), "while_broken");
    plays(tag, "broken", &["yes"]);
    world.fails(&while_broken(tag.to_owned()));
    ran(tag);
    let report = world.run(&while_broken(tag.to_owned()));
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(ran(tag), ["broken", "ends"]);
}

#[reader]
fn ten() -> impl Iterator<Item = i64> {
    1..=10
}

#[processor]
fn passes_on(number: i64, fail_at: Option<i64>) -> Result<i64, String> {
    if fail_at == Some(number) { Err(format!("{number} is bad")) } else { Ok(number) }
}

#[writer]
fn keeps(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS number (number INTEGER)")?;
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 2, allow_start_if_complete)]
fn copies() {
    ten | passes_on | keeps
}

#[job]
fn copied(tag: String, #[param(identifying = false)] fail_at: Option<i64>) {
    copies;
    ends;
}

#[test]
fn a_step_that_runs_again_and_fails_resumes_where_it_was_in_the_next_restart() {
    let (world, tag) = (World::new(), "copied");
    plays(tag, "ends", &["fails"]);
    world.fails(&copied(tag.to_owned(), None));
    world.fails(&copied(tag.to_owned(), Some(7)));
    world.completes(&copied(tag.to_owned(), None));
    let copies = world.numbers("SELECT count(*) FROM number GROUP BY number");
    assert_eq!(copies, [2; 10], "each number is there twice");
}
