//! Scheduled times, from the moment when they are due to the end of their runs, with a clock and runs that the test
//! controls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use batch_runtime::operator::{JobOperator, OperatorError};
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::{SqliteOptions, SqliteRepository};
use batch_runtime::repository::{
    BatchStatus, Clock, FireFilter, FireOutcome, FireRow, FireRun, Repository, ScheduleRow,
};
use batch_runtime::schedule::{Held, OpenFire, Plan, ScheduledJob, due};
use batch_runtime::{ExecutionId, JobDefinition, JobInfo, JobOptions, Parameters, Schedule};

/// A clock that the test sets.
#[derive(Debug, Clone)]
struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    fn set(&self, time: &str) {
        self.0.store(time.parse::<Timestamp>().unwrap().as_second(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct Bench {
    clock: ManualClock,
    repository: Arc<SqliteRepository>,
    operator: JobOperator,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// A new repository, whose clock shows a Saturday.
    fn new() -> Self {
        let clock = ManualClock(Arc::default());
        clock.set("2026-11-21T00:00:00Z");
        let folder = tempfile::TempDir::new().unwrap();
        let options = SqliteOptions::new().clock(clock.clone());
        let repository = Arc::new(options.open(folder.path().join("batch.db")).unwrap());
        let known = [
            <fragile as JobDefinition>::INFO,
            <holding as JobDefinition>::INFO,
            <without_parameter as JobDefinition>::INFO,
        ];
        let operator = JobOperator::new(repository.clone()).with_jobs(&known);
        Self { clock, repository, operator, _folder: folder }
    }

    fn at(&self, time: &str) -> &Self {
        self.clock.set(time);
        self
    }

    fn due(&self, job: &'static JobInfo) -> Vec<String> {
        let due = self.operator.due(job).unwrap();
        due.start.into_iter().map(|fire| fire.scheduled).collect()
    }

    /// Runs what is due once, and returns how each run ended.
    fn run(&self, job: &'static JobInfo) -> Vec<(String, BatchStatus)> {
        let mut ran = Vec::new();
        for fire in self.operator.due(job).unwrap().start {
            if let Some(report) = self.operator.start_fire(job, &fire, &Parameters::new()).unwrap() {
                ran.push((fire.scheduled, report.status));
            }
        }
        self.operator.due(job).unwrap();
        ran
    }

    fn outcomes(&self, job: &str) -> Vec<(String, FireOutcome)> {
        let rows = self.repository.fires(&FireFilter::of(job)).unwrap();
        rows.into_iter().rev().map(|row| (row.scheduled, row.outcome)).collect()
    }
}

fn of<const N: usize>(times: [(&str, FireOutcome); N]) -> Vec<(String, FireOutcome)> {
    times.into_iter().map(|(time, outcome)| (time.to_owned(), outcome)).collect()
}

fn completed(time: &str) -> Vec<(String, BatchStatus)> {
    vec![(time.to_owned(), BatchStatus::Completed)]
}

#[step]
fn nothing() {}

#[job(schedule("0 3 * * MON", zone = "Asia/Seoul"))]
fn weekly(#[param(scheduled)] _monday: Date) {
    nothing;
}

#[job(schedule("0 3 * * MON", zone = "Asia/Seoul", missed = all(within = "20d")))]
fn weekly_all(#[param(scheduled)] _monday: Date) {
    nothing;
}

#[job(schedule("0 3 * * MON", zone = "Asia/Seoul", missed = none))]
fn weekly_none(#[param(scheduled)] _monday: Date) {
    nothing;
}

#[job(schedule("0 12 * * *"))]
fn without_parameter() {
    nothing;
}

const WEEKLY: &JobInfo = <weekly as JobDefinition>::INFO;

#[test]
fn the_first_look_at_a_schedule_runs_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.due(WEEKLY), [""; 0]);
    assert_eq!(bench.repository.schedule("weekly").unwrap().unwrap().since, bench.clock.now());
}

#[test]
fn a_due_time_has_one_run_however_often_anybody_looks() {
    let bench = Bench::new();
    bench.due(WEEKLY);
    // Monday, three in Seoul, is Sunday evening in UTC.
    assert_eq!(bench.at("2026-11-22T17:59:59Z").due(WEEKLY), [""; 0]);
    assert_eq!(bench.at("2026-11-22T18:00:00Z").due(WEEKLY), ["2026-11-23"]);
    assert_eq!(bench.due(WEEKLY), ["2026-11-23"], "until it is run");
    assert_eq!(bench.run(WEEKLY), completed("2026-11-23"));
    assert_eq!(bench.run(WEEKLY), []);
    assert_eq!(bench.at("2026-11-29T00:00:00Z").run(WEEKLY), []);
    assert_eq!(bench.at("2026-11-29T18:00:30Z").run(WEEKLY), completed("2026-11-30"));
}

#[test]
fn of_several_missed_times_only_the_latest_has_a_run_and_the_others_are_recorded() {
    let bench = Bench::new();
    bench.due(WEEKLY);
    assert_eq!(bench.at("2026-12-08T00:00:00Z").run(WEEKLY), completed("2026-12-07"));
    let expected = of([
        ("2026-11-23", FireOutcome::Missed),
        ("2026-11-30", FireOutcome::Missed),
        ("2026-12-07", FireOutcome::Done),
    ]);
    assert_eq!(bench.outcomes("weekly"), expected);
}

#[test]
fn the_job_runs_for_all_missed_times_within_the_limit_one_after_the_other() {
    const JOB: &JobInfo = <weekly_all as JobDefinition>::INFO;
    let bench = Bench::new();
    bench.due(JOB);
    bench.at("2026-12-15T00:00:00Z");
    for monday in ["2026-11-30", "2026-12-07", "2026-12-14"] {
        assert_eq!(bench.run(JOB), completed(monday));
    }
    assert_eq!(bench.outcomes("weekly_all")[0], ("2026-11-23".to_owned(), FireOutcome::Missed));
}

#[test]
fn with_missed_none_a_run_starts_at_most_five_minutes_late() {
    const JOB: &JobInfo = <weekly_none as JobDefinition>::INFO;
    let bench = Bench::new();
    bench.due(JOB);
    assert_eq!(bench.at("2026-11-22T18:05:00Z").run(JOB), completed("2026-11-23"));
    assert_eq!(bench.at("2026-11-29T18:05:01Z").run(JOB), []);
    assert_eq!(bench.outcomes("weekly_none")[1], ("2026-11-30".to_owned(), FireOutcome::Missed));
}

#[test]
fn a_paused_schedule_fires_nothing_and_the_job_never_runs_for_the_times_of_a_pause() {
    let bench = Bench::new();
    assert!(bench.operator.pause_schedule(WEEKLY, true).unwrap());
    assert!(!bench.operator.pause_schedule(WEEKLY, true).unwrap(), "it is paused already");
    assert_eq!(bench.at("2026-11-22T18:00:00Z").due(WEEKLY), [""; 0]);
    assert!(bench.at("2026-11-25T00:00:00Z").operator.pause_schedule(WEEKLY, false).unwrap());
    assert_eq!(bench.run(WEEKLY), []);
    assert_eq!(bench.outcomes("weekly"), []);
    assert_eq!(bench.at("2026-11-29T18:00:00Z").run(WEEKLY), completed("2026-11-30"));
}

#[test]
fn the_job_runs_after_a_pause_for_a_time_that_was_due_before() {
    let bench = Bench::new();
    bench.due(WEEKLY);
    assert_eq!(bench.at("2026-11-22T18:00:00Z").due(WEEKLY), ["2026-11-23"]);
    bench.operator.pause_schedule(WEEKLY, true).unwrap();
    assert_eq!(bench.due(WEEKLY), [""; 0]);
    bench.operator.pause_schedule(WEEKLY, false).unwrap();
    assert_eq!(bench.run(WEEKLY), completed("2026-11-23"));
}

#[test]
fn the_job_runs_after_a_pause_for_a_time_before_it_that_nothing_had_recorded() {
    let bench = Bench::new();
    bench.due(WEEKLY);
    bench.at("2026-11-22T18:30:00Z").operator.pause_schedule(WEEKLY, true).unwrap();
    bench.at("2026-12-01T00:00:00Z").operator.pause_schedule(WEEKLY, false).unwrap();
    assert_eq!(bench.run(WEEKLY), completed("2026-11-23"));
    assert_eq!(bench.run(WEEKLY), []);
}

#[test]
fn a_changed_expression_begins_when_it_is_first_seen() {
    let bench = Bench::new();
    bench.repository.see_schedule("weekly", "0 4 * * MON", "UTC", bench.clock.now()).unwrap();
    assert_eq!(bench.at("2026-11-24T00:00:00Z").due(WEEKLY), [""; 0]);
    assert_eq!(bench.at("2026-11-29T18:00:00Z").due(WEEKLY), ["2026-11-30"]);
}

#[test]
fn a_run_by_hand_for_a_scheduled_time_is_the_run_of_that_time() {
    let bench = Bench::new();
    bench.due(WEEKLY);
    bench.operator.start(weekly("2026-11-23".parse().unwrap())).unwrap();
    assert_eq!(bench.at("2026-11-22T18:00:00Z").run(WEEKLY), []);
    assert_eq!(bench.outcomes("weekly"), of([("2026-11-23", FireOutcome::Done)]));
}

#[test]
fn a_job_without_a_parameter_for_the_time_is_told_apart_by_the_instant() {
    const JOB: &JobInfo = <without_parameter as JobDefinition>::INFO;
    let bench = Bench::new();
    bench.due(JOB);
    assert_eq!(bench.at("2026-11-21T12:00:00Z").run(JOB), completed("2026-11-21T12:00:00Z"));
    let execution = bench.repository.execution(ExecutionId(1)).unwrap();
    let parameter = &execution.parameters[0];
    assert_eq!((parameter.name.as_str(), parameter.identifying), ("schedule.time", true));
    // A restart reads the instant back.
    let again = bench.operator.restart(ExecutionId(1)).unwrap_err();
    assert!(again.to_string().contains("is already COMPLETED"), "{again}");
}

static BROKEN: AtomicBool = AtomicBool::new(true);

#[step]
fn break_down() -> Result<(), batch_runtime::BoxError> {
    if BROKEN.load(Ordering::Relaxed) { Err("it is broken".into()) } else { Ok(()) }
}

#[job(schedule("0 12 * * *", restarts = 2))]
fn fragile(#[param(scheduled)] _day: Date) {
    break_down;
}

#[test]
fn a_failed_run_is_restarted_after_growing_pauses_then_held_and_later_times_go_on() {
    const JOB: &JobInfo = <fragile as JobDefinition>::INFO;
    let bench = Bench::new();
    bench.due(JOB);
    let failed = vec![("2026-11-21".to_owned(), BatchStatus::Failed)];
    assert_eq!(bench.at("2026-11-21T12:00:00Z").run(JOB), failed);
    assert_eq!(bench.at("2026-11-21T12:00:59Z").run(JOB), []);
    assert_eq!(bench.at("2026-11-21T12:01:00Z").run(JOB), failed);
    assert_eq!(bench.at("2026-11-21T12:02:59Z").run(JOB), []);
    assert_eq!(bench.at("2026-11-21T12:03:00Z").run(JOB), failed);
    assert_eq!(bench.outcomes("fragile"), of([("2026-11-21", FireOutcome::Held)]));
    assert_eq!(bench.at("2026-11-21T23:00:00Z").run(JOB), []);
    BROKEN.store(false, Ordering::Relaxed);
    assert_eq!(bench.at("2026-11-22T12:00:00Z").run(JOB), completed("2026-11-22"));
    // A person resumes the run that is held.
    assert_eq!(bench.operator.restart(ExecutionId(3)).unwrap().status, BatchStatus::Completed);
}

#[step]
fn fail() -> Result<(), batch_runtime::BoxError> {
    Err("it is broken".into())
}

#[job(schedule("0 12 * * *", restarts = 1, on_failure = hold))]
fn holding(#[param(scheduled)] _day: Date) {
    fail;
}

#[test]
fn a_run_that_failed_for_the_last_time_can_hold_the_later_times_until_it_is_abandoned() {
    const JOB: &JobInfo = <holding as JobDefinition>::INFO;
    let bench = Bench::new();
    bench.due(JOB);
    let failed = |day: &str| vec![(day.to_owned(), BatchStatus::Failed)];
    assert_eq!(bench.at("2026-11-21T12:00:00Z").run(JOB), failed("2026-11-21"));
    assert_eq!(bench.at("2026-11-21T12:01:00Z").run(JOB), failed("2026-11-21"));
    assert_eq!(bench.at("2026-11-22T12:00:00Z").run(JOB), []);
    assert_eq!(bench.at("2026-11-23T12:00:00Z").run(JOB), []);
    assert_eq!(bench.operator.due(JOB).unwrap().held_by, Some(ExecutionId(2)));
    let held = of([
        ("2026-11-21", FireOutcome::Held),
        ("2026-11-22", FireOutcome::Due),
        ("2026-11-23", FireOutcome::Due),
    ]);
    assert_eq!(bench.outcomes("holding"), held);
    bench.operator.abandon(ExecutionId(2)).unwrap();
    assert_eq!(bench.run(JOB), failed("2026-11-22"));
    assert_eq!(bench.outcomes("holding")[0], ("2026-11-21".to_owned(), FireOutcome::Done));
}

/// The job `weekly` as an older program defines it.
const OLDER: &JobInfo = &JobInfo {
    options: JobOptions::DEFAULT.schedule(Schedule::new("0 3 * * MON,THU", "Asia/Seoul")),
    ..*WEEKLY
};

#[test]
fn while_old_and_new_programs_run_side_by_side_the_job_runs_once_for_the_times_of_both() {
    let bench = Bench::new();
    bench.due(OLDER);
    // Each minute around three o'clock on a Monday and on a Thursday, the older program looks, then the newer one.
    let mut ran = Vec::new();
    for (day, minutes) in [
        ("2026-11-22", ["17:58", "17:59", "18:00", "18:01"]),
        ("2026-11-25", ["17:58", "17:59", "18:00", "18:01"]),
    ] {
        for minute in minutes {
            bench.at(&format!("{day}T{minute}:00Z"));
            for job in [OLDER, WEEKLY] {
                ran.extend(bench.run(job));
            }
        }
    }
    assert_eq!(ran, [completed("2026-11-23"), completed("2026-11-26")].concat());
}

#[test]
fn a_look_says_which_other_schedule_was_followed_until_now() {
    let bench = Bench::new();
    assert_eq!(bench.operator.due(OLDER).unwrap().instead_of, None);
    let other = bench.operator.due(WEEKLY).unwrap().instead_of;
    assert_eq!(other, Some(("0 3 * * MON,THU".to_owned(), "Asia/Seoul".to_owned())));
    assert_eq!(bench.operator.due(WEEKLY).unwrap().instead_of, None);
}

#[job(schedule("0 12 * * *", restarts = 5))]
fn with_a_stop(#[param(scheduled)] _day: Date) {
    nothing;
    stop!("look at it");
    after;
}

#[step]
fn after() {}

#[test]
fn a_run_that_stops_for_a_person_is_held() {
    const JOB: &JobInfo = <with_a_stop as JobDefinition>::INFO;
    let bench = Bench::new();
    bench.due(JOB);
    let stopped = vec![("2026-11-21".to_owned(), BatchStatus::Stopped)];
    assert_eq!(bench.at("2026-11-21T12:00:00Z").run(JOB), stopped);
    assert_eq!(bench.at("2026-11-21T13:00:00Z").run(JOB), []);
    assert_eq!(bench.outcomes("with_a_stop"), of([("2026-11-21", FireOutcome::Held)]));
}

#[job]
fn plain() {
    nothing;
}

#[test]
fn a_job_without_a_schedule_says_so() {
    let bench = Bench::new();
    let error = bench.operator.due(<plain as JobDefinition>::INFO).unwrap_err();
    assert!(matches!(error, OperatorError::Schedule(_)));
    assert!(error.to_string().starts_with("job `plain` has no schedule"), "{error}");
}

#[job(schedule("0 * * * *", overlap = wait))]
fn waiting() {
    nothing;
}

#[job(schedule("0 * * * *", overlap = skip))]
fn skipping() {
    nothing;
}

#[job(schedule("0 * * * *", overlap = allow))]
fn allowing() {
    nothing;
}

fn instant(time: &str) -> Timestamp {
    format!("2026-11-21T{time}:00Z").parse().unwrap()
}

/// The plan at 12:30, when the run of 11:00 is in this state and nobody has looked since 11:30.
fn plan(job: &'static JobInfo, run: Option<FireRun>) -> Plan {
    let job = ScheduledJob::of(job).unwrap();
    let eleven = job.fire(job.times.after(instant("10:30")).next().unwrap());
    let row = FireRow {
        scheduled: eleven.scheduled,
        time: eleven.time,
        key: eleven.key,
        outcome: FireOutcome::Due,
        run,
    };
    let schedule = ScheduleRow {
        job: job.job.name.to_owned(),
        expression: String::new(),
        zone: String::new(),
        since: instant("10:30"),
        planned: instant("11:00"),
        paused: None,
    };
    let held = Held { schedule, open: vec![OpenFire { row, is_dead: false }], running: Vec::new() };
    due(&job, &held, instant("12:30"))
}

fn starts(plan: &Plan) -> Vec<&str> {
    plan.start.iter().map(|fire| &fire.scheduled[11..16]).collect()
}

fn run(status: BatchStatus) -> FireRun {
    let ended = (!status.is_running()).then(|| instant("11:30"));
    FireRun { execution: ExecutionId(7), status, started: Some(instant("11:00")), ended, failures: 0 }
}

#[test]
fn a_time_waits_for_the_run_of_an_earlier_one() {
    let plan = plan(<waiting as JobDefinition>::INFO, Some(run(BatchStatus::Started)));
    assert_eq!((starts(&plan), plan.waits_for), (vec![], Some(ExecutionId(7))));
    assert_eq!(plan.new[0].outcome, FireOutcome::Due, "it is not forgotten");
    assert_eq!(plan.next, Some(instant("13:00")));
}

#[test]
fn runs_that_wait_start_in_order() {
    assert_eq!(starts(&plan(<waiting as JobDefinition>::INFO, None)), ["11:00"]);
}

#[test]
fn a_time_is_skipped_while_an_earlier_run_is_active() {
    let plan = plan(<skipping as JobDefinition>::INFO, Some(run(BatchStatus::Started)));
    assert_eq!(starts(&plan), [""; 0]);
    let settled: Vec<_> =
        plan.settled.iter().map(|(fire, outcome)| (&fire.scheduled[11..16], *outcome)).collect();
    assert_eq!(settled, [("12:00", FireOutcome::Skipped)]);
}

#[test]
fn a_run_starts_beside_an_earlier_one_if_that_is_allowed() {
    assert_eq!(starts(&plan(<allowing as JobDefinition>::INFO, Some(run(BatchStatus::Started)))), ["12:00"]);
    assert_eq!(starts(&plan(<allowing as JobDefinition>::INFO, None)), ["11:00", "12:00"]);
}

#[test]
fn a_run_that_a_signal_has_stopped_is_resumed_before_later_times() {
    assert_eq!(starts(&plan(<waiting as JobDefinition>::INFO, Some(run(BatchStatus::Stopped)))), ["11:00"]);
}

#[test]
fn a_run_that_has_completed_is_settled_by_the_next_look() {
    let plan = plan(<waiting as JobDefinition>::INFO, Some(run(BatchStatus::Completed)));
    assert_eq!(plan.settled[0].1, FireOutcome::Done);
    assert_eq!(starts(&plan), ["12:00"]);
}
