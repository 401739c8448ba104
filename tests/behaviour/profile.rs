//! The profile of a step: its time by component, in every way in which a step can run. Components that sleep set a
//! lower bound for the time of each.

use std::thread::sleep;
use std::time::Duration;

use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::{ComponentTime, ExecutionFilter, Profile, StepUsage};

use crate::support::{World, step};

const ITEMS: u32 = 60;
/// How long each sleeping component sleeps for an item.
const NAP: Duration = Duration::from_millis(1);
/// All naps of a component. Half of it leaves room for the estimate of shares.
const NAPS: u64 = 1_000_000 * ITEMS as u64;

#[reader]
fn dozing() -> impl Iterator<Item = u32> {
    (0..ITEMS).inspect(|_| sleep(NAP))
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..ITEMS
}

#[processor]
fn doubled(number: u32) -> u32 {
    number * 2
}

#[processor]
fn rested(number: u32) -> u32 {
    sleep(NAP);
    number
}

#[processor(concurrency = 4)]
fn rested_on_a_pool(number: u32) -> u32 {
    sleep(NAP);
    number
}

#[processor(concurrency = 4)]
async fn rested_in_flight(number: u32) -> u32 {
    tokio::time::sleep(NAP).await;
    number
}

#[writer]
fn drop_quickly(_numbers: &[u32]) {}

#[writer]
fn drop_slowly(numbers: &[u32]) {
    sleep(NAP * u32::try_from(numbers.len()).unwrap());
}

#[classifier]
fn parity(number: &u32) -> Parity {
    if number.is_multiple_of(4) { Parity::Even } else { Parity::Odd }
}

pub(crate) enum Parity {
    Even,
    Odd,
}

#[step(chunk = 10)]
fn on_one_thread() {
    dozing | doubled | rested | (drop_quickly, drop_slowly)
}

#[step(chunk = 10)]
fn routed() {
    numbers
        | match parity {
            Parity::Even => drop_slowly,
            Parity::Odd => drop_quickly,
        }
}

#[step(chunk = 10, threads = 2)]
fn on_threads() {
    dozing | doubled | rested | drop_quickly
}

#[step(chunk = 10)]
fn on_a_pool() {
    numbers | rested_on_a_pool | drop_quickly
}

#[step(chunk = 10)]
fn in_flight() {
    numbers | rested_in_flight | drop_quickly
}

#[partitioner]
fn halves() -> Vec<(String, u32)> {
    vec![("even".to_owned(), 0), ("odd".to_owned(), 1)]
}

#[reader]
fn half(of: Partition<u32>) -> impl Iterator<Item = u32> {
    (0..ITEMS / 2).map(move |number| number * 2 + *of)
}

#[step(chunk = 10, partitioner = halves)]
fn in_partitions() {
    half | rested | drop_quickly
}

#[job]
fn one() {
    on_one_thread;
}
#[job]
fn routes() {
    routed;
}
#[job]
fn several() {
    on_threads;
}
#[job]
fn pool() {
    on_a_pool;
}
#[job]
fn flights() {
    in_flight;
}
#[job]
fn parts() {
    in_partitions;
}

fn profile_of<'r>(report: &'r JobReport, name: &str) -> (&'r Profile, &'r StepUsage) {
    let profile = step(report, name).profile.as_ref().unwrap();
    (profile, profile.usage.as_ref().unwrap())
}

/// The roles and names of its components.
fn named(profile: &Profile) -> Vec<(&str, &str)> {
    profile.components.iter().map(|component| (&*component.role, &*component.name)).collect()
}

fn wall(profile: &Profile, name: &str) -> u64 {
    profile.components.iter().find(|component| component.name == name).unwrap().wall
}

/// The time of the thread of a step that works alone.
fn own(profile: &Profile, usage: &StepUsage) -> u64 {
    let components: u64 = profile.components.iter().map(|ComponentTime { wall, .. }| wall).sum();
    components + usage.open + usage.wait + usage.finish
}

#[test]
fn each_component_of_a_step_on_one_thread_has_its_time() {
    let report = World::new().completes(&one());
    let (profile, usage) = profile_of(&report, "on_one_thread");
    assert_eq!(
        named(profile),
        [
            ("reader", "dozing"),
            ("processor", "doubled"),
            ("processor", "rested"),
            ("writer", "drop_quickly"),
            ("writer", "drop_slowly"),
            ("commit", "")
        ]
    );
    for slow in ["dozing", "rested", "drop_slowly"] {
        assert!(wall(profile, slow) >= NAPS / 2, "{slow}: {profile:?}");
    }
    assert!(own(profile, usage) <= usage.elapsed && usage.threads == 0, "{profile:?}");
}

#[test]
fn the_activities_of_a_step_are_the_sums_of_its_components() {
    let report = World::new().completes(&one());
    let (profile, _) = profile_of(&report, "on_one_thread");
    assert_eq!(profile.read, wall(profile, "dozing"));
    assert_eq!(profile.process, wall(profile, "doubled") + wall(profile, "rested"));
    assert_eq!(profile.write, wall(profile, "drop_quickly") + wall(profile, "drop_slowly"));
    assert_eq!(profile.commit, wall(profile, ""));
}

#[test]
fn a_component_that_sleeps_computes_nothing() {
    let report = World::new().completes(&one());
    let (profile, _) = profile_of(&report, "on_one_thread");
    for slow in
        profile.components.iter().filter(|it| ["dozing", "rested", "drop_slowly"].contains(&&*it.name))
    {
        assert!(slow.cpu < slow.wall / 2, "{slow:?}");
    }
}

#[test]
fn the_classifier_and_each_arm_of_a_route_have_their_times() {
    let report = World::new().completes(&routes());
    let (profile, _) = profile_of(&report, "routed");
    assert_eq!(
        named(profile),
        [
            ("reader", "numbers"),
            ("classifier", "parity"),
            ("writer", "drop_slowly"),
            ("writer", "drop_quickly"),
            ("commit", "")
        ]
    );
    assert!(wall(profile, "drop_slowly") >= NAPS / 4 / 2, "{profile:?}");
}

#[test]
fn a_step_with_threads_books_what_they_do_and_waits_meanwhile() {
    let report = World::new().completes(&several());
    let (profile, usage) = profile_of(&report, "on_threads");
    for slow in ["dozing", "rested"] {
        assert!(wall(profile, slow) >= NAPS / 2, "{slow}: {profile:?}");
    }
    assert_eq!(usage.threads, 2);
    let busy = profile.read + profile.process + usage.threads_wait;
    assert!(busy <= usage.threads_elapsed + usage.elapsed, "{profile:?}");
    // Only one thread reads at a time.
    assert!(usage.locked >= NAPS / 2, "{profile:?}");
    let own = profile.write + profile.commit + usage.open + usage.wait + usage.finish;
    assert!(own <= usage.elapsed, "{profile:?}");
}

#[test]
fn a_step_that_waits_for_calls_on_other_threads_books_both() {
    let report = World::new().completes(&pool());
    let (profile, usage) = profile_of(&report, "on_a_pool");
    assert!(wall(profile, "rested_on_a_pool") >= NAPS / 2, "{profile:?}");
    assert_eq!(usage.threads, 4);
    assert!(usage.wait >= NAPS / 4 / 2, "{profile:?}");
}

#[test]
fn waiting_for_calls_in_flight_is_not_work_of_the_processor() {
    let report = World::new().completes(&flights());
    let (profile, usage) = profile_of(&report, "in_flight");
    assert!(usage.wait >= NAPS / 4 / 2, "{profile:?}");
    assert!(own(profile, usage) <= usage.elapsed && usage.threads == 0, "{profile:?}");
}

#[test]
fn a_step_with_partitions_sums_them_up_and_waits_meanwhile() {
    let report = World::new().completes(&parts());
    let (profile, usage) = profile_of(&report, "in_partitions");
    assert_eq!(
        named(profile),
        [("reader", "half"), ("processor", "rested"), ("writer", "drop_quickly"), ("commit", "")]
    );
    assert!(wall(profile, "rested") >= NAPS / 2, "{profile:?}");
    assert!((1..=2).contains(&usage.threads), "{profile:?}");
    assert!(
        usage.open + usage.wait + usage.finish <= usage.elapsed && usage.wait >= NAPS / 2 / 2,
        "{profile:?}"
    );
}

#[test]
fn the_repository_returns_the_times_that_the_report_has() {
    let world = World::new();
    let report = world.completes(&several());
    let execution = world.repository.executions(&ExecutionFilter::default()).unwrap().remove(0);
    let stored = world.repository.steps(execution.id).unwrap().remove(0);
    assert_eq!(stored.profile, step(&report, "on_threads").profile);
}
