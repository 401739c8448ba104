//! Tests each lever with cases that were computed by hand. Times are in milliseconds.

use super::*;
use crate::repository::{ComponentTime, StepUsage};

const MS: u64 = 1_000_000;

/// A step on one thread and two cores that computes all the time. Its parts are wall times.
struct Case {
    read: u64,
    process: u64,
    /// The part of `process` that is CPU time.
    process_cpu: u64,
    write: u64,
    commit: u64,
    settings: Settings,
}

impl Case {
    fn new(read: u64, process: u64, write: u64, commit: u64) -> Self {
        let settings = Settings { chunk: 100, threads: 1, ..Settings::default() };
        Self { read, process, process_cpu: process, write, commit, settings }
    }

    fn profile(&self) -> Profile {
        let component = |role: &str, name: &str, wall: u64, cpu: u64| ComponentTime {
            role: role.to_owned(),
            name: name.to_owned(),
            wall: wall * MS,
            cpu: cpu * MS,
        };
        let Self { read, process, process_cpu, write, commit, .. } = *self;
        let cpu = read + process_cpu + write + commit;
        Profile {
            read: read * MS,
            process: process * MS,
            write: write * MS,
            commit: commit * MS,
            components: vec![
                component("reader", "lines", read, read),
                component("processor", "parse", process, process_cpu),
                component("writer", "save", write, write),
                component("commit", "", commit, commit),
            ],
            usage: Some(StepUsage {
                elapsed: (read + process + write + commit) * MS,
                cpu: cpu * MS,
                cores: 2,
                delayed: Some(0),
                ..StepUsage::default()
            }),
            ..Profile::default()
        }
    }

    /// Returns the lever with its setting and the predicted time, for 100 chunks of 100 items.
    fn advised(&self) -> Option<(Lever, u64, u64)> {
        let advice = advise(&self.profile(), &self.settings, 10_000, 100)?;
        Some((advice.lever, advice.setting, advice.predicted / MS))
    }
}

#[test]
fn a_step_that_computes_in_its_processor_gets_as_many_threads_as_there_are_cores() {
    // Two threads need (100 + 700) / 2 = 400, the reader 100, writing and committing 200, and the cores the most: 1000 / 2 =
    // 500, 5 % more because three threads share them, and 0.1 for each of 100 chunks.
    assert_eq!(Case::new(100, 700, 150, 50).advised(), Some((Lever::Threads, 2, 535)));
}

#[test]
fn a_step_that_waits_half_of_its_time_gets_twice_the_threads_that_it_needs_on_average() {
    // With four threads 950 / 4 = 238 are left; with eight of them the cores have the most to do: 400 / 2, and 5 % and 10 more.
    let case = Case { process_cpu: 300, ..Case::new(50, 900, 30, 20) };
    assert_eq!(case.advised(), Some((Lever::Threads, 8, 220)));
}

#[test]
fn a_step_whose_commits_cost_the_most_gets_larger_chunks() {
    let mut case = Case::new(100, 100, 100, 700);
    // 100 commits of 6 ms are 600 of 1,000 ms; with a tenth of them 60 ms are left, 540 less.
    case.settings.empty_commit = 6 * MS;
    assert_eq!(case.advised(), Some((Lever::Chunk, 1_000, 460)));
    // Of 130 ms in 100 commits 26 ms are left with five times the items: 2.6 % of the time.
    let mut case = Case::new(400, 100, 370, 130);
    case.settings.empty_commit = 13 * MS / 10;
    assert_eq!(larger(&case), Some((500, 896)));
}

/// The setting and the predicted time of a larger chunk, if that is the only lever.
fn larger(case: &Case) -> Option<(u64, u64)> {
    let profile = case.profile();
    let demands = Demands::of(&profile, profile.usage.as_ref()?, 100);
    let settings = Settings { has_state: true, ..case.settings };
    let offers = levers::offers(&demands, &settings);
    let chunk = offers.iter().find(|offer| offer.lever == Lever::Chunk);
    chunk.map(|offer| (offer.setting, offer.time / MS))
}

#[test]
fn a_processor_that_waits_gets_as_many_calls_as_hide_its_waiting() {
    let mut case = Case::new(50, 900, 30, 20);
    case.process_cpu = 50;
    // The rest takes 100 ms: with nine calls in flight 900 ms of waiting take as long, and twice as many are offered.
    assert_eq!(case.advised(), Some((Lever::Concurrency, 18, 100)));
}

#[test]
fn a_bottleneck_that_no_setting_changes_is_named_with_its_bound() {
    let mut case = Case::new(100, 100, 700, 100);
    case.settings.has_state = true;
    assert_eq!(case.advised(), Some((Lever::Writer, 0, 300)));
    let mut case = Case::new(700, 100, 100, 100);
    case.settings.has_state = true;
    assert_eq!(case.advised(), Some((Lever::Reader, 0, 300)));
}

#[test]
fn a_balanced_step_gets_no_advice() {
    let mut case = Case::new(300, 250, 250, 200);
    case.settings.has_state = true;
    assert_eq!(case.advised(), None);
}

#[test]
fn a_step_that_is_short_or_has_few_chunks_gets_no_advice() {
    let case = Case::new(10, 70, 15, 5);
    assert_eq!(case.advised(), None);
    let case = Case::new(100, 700, 150, 50);
    assert_eq!(advise(&case.profile(), &case.settings, 10_000, 19), None);
}

#[test]
fn a_step_that_had_to_wait_for_a_core_gets_no_advice() {
    let case = Case::new(100, 700, 150, 50);
    let mut profile = case.profile();
    profile.usage.as_mut().unwrap().delayed = Some(300 * MS);
    assert_eq!(advise(&profile, &case.settings, 10_000, 100), None);
}

#[test]
fn busy_threads_get_more_threads_if_cores_are_idle() {
    let mut case = Case::new(100, 700, 100, 100);
    case.process_cpu = 100;
    case.settings.threads = 2;
    let mut profile = case.profile();
    let usage = profile.usage.as_mut().unwrap();
    (usage.elapsed, usage.threads, usage.threads_elapsed, usage.threads_wait) = (400 * MS, 2, 800 * MS, 0);
    (usage.cpu, usage.locked) = (200 * MS, 100 * MS);
    let advice = advise(&profile, &case.settings, 10_000, 100).unwrap();
    // 800 on 4 threads is as much as writing and committing take.
    assert_eq!((advice.lever, advice.setting, advice.predicted / MS), (Lever::Threads, 4, 200));
}

#[test]
fn advice_is_compared_with_the_next_run_that_has_its_setting() {
    let case = Case::new(100, 700, 150, 50);
    let given = advise(&case.profile(), &case.settings, 10_000, 100).unwrap();
    let mut profile = case.profile();
    profile.usage.as_mut().unwrap().elapsed = 600 * MS;
    let follow = |threads, items| {
        let settings = Settings { threads, ..case.settings };
        follow(&given, &profile, &settings, items)
    };
    assert_eq!(follow(1, 10_000), None);
    assert_eq!(follow(2, 10_000), Some(Followed { predicted: 535 * MS, took: 600 * MS }));
    assert_eq!(follow(2, 20_000), Some(Followed { predicted: 1_070 * MS, took: 600 * MS }));
}

#[test]
fn advice_is_given_in_one_line() {
    let said = |lever, setting| {
        let component = matches!(lever, Lever::Concurrency | Lever::Reader | Lever::Writer);
        words::advice(&Advice {
            lever,
            component: component.then(|| "save".to_owned()),
            setting,
            items: 10_000,
            elapsed: 331 * MS,
            predicted: 215 * MS,
        })
    };
    assert_eq!(
        said(Lever::Chunk, 5_000),
        "`chunk = 5_000` would cut 331 ms to about 215 ms (after a crash, up to 5_000 items are processed again)"
    );
    assert_eq!(said(Lever::Threads, 2), "`threads = 2` would cut 331 ms to about 215 ms");
    assert!(
        said(Lever::Concurrency, 8)
            .starts_with("`save` mostly waits: `concurrency = 8` on it would cut 331 ms")
    );
    assert!(said(Lever::Writer, 0).starts_with(
        "writing in `save` takes most of the time: without it, the step would take 215 ms instead of 331 ms."
    ));
    assert!(said(Lever::Reader, 0).starts_with(
        "reading in `save` takes most of the time: without it, the step would take 215 ms instead of 331 ms."
    ));
    let followed = |took| words::followed(Followed { predicted: 200 * MS, took: took * MS });
    assert_eq!(followed(200), "the last advice predicted 200 ms; the step took 200 ms (as predicted)");
    assert_eq!(followed(224), "the last advice predicted 200 ms; the step took 224 ms (12 % more)");
    assert_eq!(followed(150), "the last advice predicted 200 ms; the step took 150 ms (25 % less)");
}
