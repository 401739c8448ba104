//! Schedules and their times.

use batch_runtime::repository::{
    BatchStatus, FireFilter, FireOutcome, FireRow, LaunchRequest, NewFire, job_key,
};
use batch_runtime::{ExecutionId, Timestamp};

use crate::place::{Place, Repo};
use crate::support::*;

every_kind![
    a_schedule_is_recorded_when_it_is_first_seen,
    all_schedules_are_listed_by_the_names_of_their_jobs,
    a_schedule_that_has_changed_begins_again,
    a_schedule_that_changes_soon_after_its_beginning_keeps_the_times_since_then,
    times_are_recorded_once_and_listed_latest_first,
    a_time_is_settled_once_but_a_run_is_always_recorded,
    a_time_shows_the_last_execution_of_its_instance,
    a_pause_ends_with_the_times_that_it_has_passed,
    a_stop_of_a_running_execution_holds_its_time,
];

fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}:00Z").parse().unwrap()
}

fn seen(repository: &Repo, now: &str) {
    repository.see_schedule("load", "0 * * * *", "UTC", at(now)).unwrap();
}

/// A time whose instance is that of [`parameters`] with the same name.
fn fire(name: &str, time: &str, outcome: FireOutcome) -> NewFire {
    NewFire { scheduled: name.to_owned(), time: at(time), key: job_key(&parameters(name)), outcome }
}

fn fires(repository: &Repo) -> Vec<FireRow> {
    repository.fires(&FireFilter::of("load")).unwrap()
}

fn outcomes(repository: &Repo) -> Vec<(String, FireOutcome)> {
    fires(repository).into_iter().map(|row| (row.scheduled, row.outcome)).collect()
}

fn a_schedule_is_recorded_when_it_is_first_seen<P: Place>(place: &P) {
    let repository = place.open();
    assert_eq!(repository.schedule("load").unwrap(), None);
    seen(&repository, "10:00");
    seen(&repository, "11:00");
    let row = repository.schedule("load").unwrap().unwrap();
    assert_eq!((row.expression.as_str(), row.zone.as_str()), ("0 * * * *", "UTC"));
    assert_eq!((row.since, row.planned, row.paused), (at("10:00"), at("10:00"), None));
    assert_eq!(repository.schedule("rank").unwrap(), None);
}

fn all_schedules_are_listed_by_the_names_of_their_jobs<P: Place>(place: &P) {
    let repository = place.open();
    assert_eq!(repository.schedules().unwrap(), []);
    let rank = repository.see_schedule("rank", "0 3 * * MON", "Asia/Seoul", at("10:00")).unwrap();
    seen(&repository, "11:00");
    let load = repository.schedule("load").unwrap().unwrap();
    assert_eq!(repository.schedules().unwrap(), [load, rank]);
}

fn a_schedule_that_has_changed_begins_again<P: Place>(place: &P) {
    let repository = place.open();
    seen(&repository, "10:00");
    let row = repository.see_schedule("load", "0 * * * *", "Asia/Seoul", at("12:00")).unwrap();
    assert_eq!((row.zone.as_str(), row.since, row.planned), ("Asia/Seoul", at("12:00"), at("12:00")));
}

fn a_schedule_that_changes_soon_after_its_beginning_keeps_the_times_since_then<P: Place>(place: &P) {
    let repository = place.open();
    seen(&repository, "10:00");
    let row = repository.see_schedule("load", "30 * * * *", "UTC", at("10:09")).unwrap();
    assert_eq!((row.since, row.planned), (at("10:09"), at("10:00")));
    // Again and again, as long as two programs take turns.
    seen(&repository, "10:18");
    assert_eq!(repository.schedule("load").unwrap().unwrap().planned, at("10:00"));
}

fn times_are_recorded_once_and_listed_latest_first<P: Place>(place: &P) {
    let repository = place.open();
    seen(&repository, "10:00");
    let first = [fire("a", "11:00", FireOutcome::Missed), fire("b", "12:00", FireOutcome::Due)];
    repository.plan_fires("load", &first, at("12:00")).unwrap();
    // Another process comes later, and records other outcomes.
    let second = [fire("b", "12:00", FireOutcome::Missed), fire("c", "13:00", FireOutcome::Due)];
    repository.plan_fires("load", &second, at("13:00")).unwrap();
    repository.plan_fires("load", &[], at("12:30")).unwrap();
    let of = |name: &str, outcome| (name.to_owned(), outcome);
    let all = [of("c", FireOutcome::Due), of("b", FireOutcome::Due), of("a", FireOutcome::Missed)];
    assert_eq!(outcomes(&repository), all);
    assert_eq!(fires(&repository)[0].time, at("13:00"));
    assert_eq!(repository.schedule("load").unwrap().unwrap().planned, at("13:00"));
    let filter = FireFilter { outcomes: vec![FireOutcome::Due], limit: Some(1), ..FireFilter::of("load") };
    let found = repository.fires(&filter).unwrap();
    assert_eq!((found.len(), found[0].scheduled.as_str()), (1, "c"));
    let count = |outcome| repository.count_fires("load", outcome).unwrap();
    assert_eq!([count(FireOutcome::Due), count(FireOutcome::Missed), count(FireOutcome::Held)], [2, 1, 0]);
    assert_eq!(repository.fires(&FireFilter::of("rank")).unwrap(), []);
}

fn a_time_is_settled_once_but_a_run_is_always_recorded<P: Place>(place: &P) {
    let repository = place.open();
    seen(&repository, "10:00");
    let times = [fire("a", "11:00", FireOutcome::Due), fire("b", "12:00", FireOutcome::Missed)];
    repository.plan_fires("load", &times, at("12:00")).unwrap();
    let settle = |name: &str, outcome| repository.settle_fire("load", name, outcome, "key").unwrap();
    settle("a", FireOutcome::Held);
    settle("a", FireOutcome::Skipped);
    settle("b", FireOutcome::Done);
    let rows = fires(&repository);
    assert_eq!(
        outcomes(&repository),
        [("b".to_owned(), FireOutcome::Done), ("a".to_owned(), FireOutcome::Held)]
    );
    assert_eq!(rows[1].key, "key");
}

fn a_time_shows_the_last_execution_of_its_instance<P: Place>(place: &P) {
    let repository = place.open();
    seen(&repository, "10:00");
    repository.plan_fires("load", &[fire("a", "11:00", FireOutcome::Due)], at("11:00")).unwrap();
    assert_eq!(fires(&repository)[0].run, None);
    let key = job_key(&parameters("a"));
    assert_eq!(repository.last_run("load", &key).unwrap(), None);
    for _ in 0..2 {
        let launched = launch(&repository);
        fail(&repository, launched.ownership);
    }
    let parameters = parameters("a");
    let other = repository.launch(&LaunchRequest { job: "rank", ..request(&parameters) }).unwrap();
    fail(&repository, other.ownership);
    let run = fires(&repository)[0].run.unwrap();
    assert_eq!((run.execution, run.status, run.failures), (ExecutionId(2), BatchStatus::Failed, 2));
    assert!(run.started.is_some() && run.ended.is_some());
    assert_eq!(repository.last_run("load", &key).unwrap(), Some(run));
}

fn a_pause_ends_with_the_times_that_it_has_passed<P: Place>(place: &P) {
    let repository = place.open();
    assert!(!repository.pause_schedule("load", true, at("10:00")).unwrap(), "nobody has seen it");
    seen(&repository, "10:00");
    assert!(repository.pause_schedule("load", true, at("11:00")).unwrap());
    assert!(!repository.pause_schedule("load", true, at("12:00")).unwrap(), "it is paused already");
    assert_eq!(repository.schedule("load").unwrap().unwrap().paused, Some(at("11:00")));
    assert!(repository.pause_schedule("load", false, at("13:00")).unwrap());
    assert!(!repository.pause_schedule("load", false, at("14:00")).unwrap());
    let row = repository.schedule("load").unwrap().unwrap();
    assert_eq!((row.since, row.planned, row.paused), (at("10:00"), at("13:00"), None));
}

fn a_stop_of_a_running_execution_holds_its_time<P: Place>(place: &P) {
    let repository = place.open();
    seen(&repository, "10:00");
    let times = [fire("a", "11:00", FireOutcome::Due), fire("b", "12:00", FireOutcome::Due)];
    repository.plan_fires("load", &times, at("12:00")).unwrap();
    let launched = launch(&repository);
    repository.request_stop(launched.ownership.execution).unwrap();
    assert_eq!(
        outcomes(&repository),
        [("b".to_owned(), FireOutcome::Due), ("a".to_owned(), FireOutcome::Held)]
    );
}
