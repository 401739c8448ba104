//! The beginning and the end of steps.

use std::time::Duration;

use batch_runtime::StopSignal;
use batch_runtime::repository::{
    Advice, BatchStatus, ComponentTime, ContextMap, Counters, ExitStatus, Followed, JournalEntry, Lever,
    Profile, RepositoryError, StepFinish, StepStart, StepUsage,
};

use crate::place::{Place, timeless};
use crate::support::*;

every_kind![
    a_step_counts_its_starts_and_sums_its_counters_over_the_instance,
    a_step_is_not_started_more_often_than_its_limit,
    a_failed_step_passes_its_context_to_the_next_start_and_a_completed_one_does_not,
    a_step_whose_end_could_not_be_recorded_ends_with_its_execution_and_keeps_its_context,
    the_rows_of_a_step_are_those_that_spring_batch_reads,
    the_end_of_a_step_and_its_journal_entry_are_atomic,
    advice_is_kept_until_a_step_has_followed_it,
    an_owner_that_was_taken_over_writes_nothing,
    a_step_that_waits_for_a_lock_does_not_begin_when_the_job_is_asked_to_stop,
    the_journal_of_an_execution_is_that_of_its_instance_in_its_order,
    branches_that_record_at_once_lose_no_entry,
];

fn a_step_counts_its_starts_and_sums_its_counters_over_the_instance<P: Place>(place: &P) {
    let repository = place.open();
    for start in 1..=3 {
        let launched = launch(&repository);
        let step = begin(&repository, launched.ownership);
        assert_eq!((step.starts, step.before.read), (start, u64::from(start - 1) * 10));
        let counters = Counters { read: 10, ..Counters::default() };
        let finish = StepFinish { counters, ..ended_step(BatchStatus::Failed, "FAILED") };
        repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
        fail(&repository, launched.ownership);
    }
    let other = launch(&repository);
    assert_eq!(begin_as(&repository, other.ownership, &start("other")).unwrap().starts, 1);
}

fn a_step_is_not_started_more_often_than_its_limit<P: Place>(place: &P) {
    let repository = place.open();
    let limited = StepStart { start_limit: Some(1), ..start("step") };
    let first = launch(&repository);
    begin_as(&repository, first.ownership, &limited).unwrap();
    fail(&repository, first.ownership);
    let second = launch(&repository);
    let error = begin_as(&repository, second.ownership, &limited).unwrap_err();
    assert!(matches!(error, RepositoryError::StartLimit { limit: 1, .. }), "{error}");
    assert!(repository.steps(second.ownership.execution).unwrap().is_empty());
}

fn a_failed_step_passes_its_context_to_the_next_start_and_a_completed_one_does_not<P: Place>(place: &P) {
    let repository = place.open();
    for (status, inherited) in [
        (BatchStatus::Failed, ContextMap::new()),
        (BatchStatus::Stopped, context(7)),
        (BatchStatus::Completed, context(7)),
        (BatchStatus::Failed, ContextMap::new()),
    ] {
        let launched = launch(&repository);
        let step = begin(&repository, launched.ownership);
        assert_eq!(step.context, inherited);
        let finish = StepFinish { context: Some(context(7)), ..ended_step(status, "X") };
        repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
        fail(&repository, launched.ownership);
    }
}

fn a_step_whose_end_could_not_be_recorded_ends_with_its_execution_and_keeps_its_context<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    commit::<P>(&mut step, 5).unwrap();
    fail(&repository, launched.ownership);
    assert_eq!(
        place.rows(
            "SELECT STATUS, EXIT_CODE, READ_COUNT, COUNT(END_TIME) FROM BATCH_STEP_EXECUTION GROUP BY 1, 2, 3"
        ),
        ["FAILED|END_LOST|5|1"]
    );
    assert_eq!(begin(&repository, launch(&repository).ownership).context, context(5));
}

fn the_rows_of_a_step_are_those_that_spring_batch_reads<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    let row = || timeless(&place.rows("SELECT * FROM BATCH_STEP_EXECUTION"));
    assert_eq!(row(), ["1|0|step|1|T1|T1|NULL|STARTED|0|0|0|0|0|0|0|0|EXECUTING||T1"]);
    std::thread::sleep(Duration::from_millis(5));
    let counters = Counters {
        commit: 1,
        read: 2,
        filter: 3,
        write: 4,
        read_skip: 5,
        write_skip: 6,
        process_skip: 7,
        rollback: 8,
    };
    let finish = StepFinish {
        counters,
        context: Some(context(7)),
        job_context: Some(context(8)),
        profile: Some(profile()),
        ..ended_step(BatchStatus::Completed, "COMPLETED")
    };
    repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
    assert_eq!(row(), ["1|1|step|1|T1|T1|T2|COMPLETED|1|2|3|4|5|6|7|8|COMPLETED||T2"]);
    for (table, number) in [("STEP", 7), ("JOB", 8)] {
        assert_eq!(
            place.rows(&format!("SELECT * FROM BATCH_{table}_EXECUTION_CONTEXT")),
            [format!(r#"1|{{"@class":"java.util.HashMap","position":["java.lang.Long",{number}]}}|NULL"#)]
        );
    }
    let read = repository.steps(launched.ownership.execution).unwrap().remove(0);
    assert_eq!((read.counters, read.profile, read.context), (counters, finish.profile, context(7)));
    assert!(read.started.unwrap() < read.ended.unwrap() && read.ended.unwrap() <= repository.now().unwrap());
}

/// A profile in which no two values are the same.
fn profile() -> Profile {
    let component = |role: &str, name: &str, wall| ComponentTime {
        role: role.to_owned(),
        name: name.to_owned(),
        wall,
        cpu: wall / 2,
    };
    Profile {
        read: 1,
        process: 2,
        write: 3,
        commit: 4,
        components: vec![component("reader", "lines", 10), component("commit", "", 40)],
        usage: Some(StepUsage {
            elapsed: 100,
            open: 11,
            finish: 12,
            wait: 13,
            threads: 14,
            threads_elapsed: 15,
            threads_wait: 16,
            locked: 17,
            cpu: 18,
            process_cpu: 19,
            cores: 20,
            peak_memory: Some(21),
            memory_growth: Some(-22),
            delayed: Some(23),
        }),
        advice: Some(Advice {
            lever: Lever::Concurrency,
            component: Some("lines".to_owned()),
            setting: 24,
            items: 25,
            elapsed: 26,
            predicted: 27,
        }),
        followed: Some(Followed { predicted: 28, took: 29 }),
    }
}

fn advice_is_kept_until_a_step_has_followed_it<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let ends = |advice: Option<Advice>, followed| {
        let step = begin(&repository, launched.ownership);
        let profile = Some(Profile { advice, followed, ..profile() });
        let finish = StepFinish { profile, ..ended_step(BatchStatus::Failed, "FAILED") };
        repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
        repository.advice("load", "step").unwrap()
    };
    let advice = |setting| profile().advice.map(|advice| Advice { setting, ..advice });
    let followed = profile().followed;
    assert_eq!(ends(None, None), None);
    assert_eq!(ends(advice(1), None), advice(1));
    assert_eq!(ends(None, None), advice(1));
    assert_eq!(ends(advice(2), followed), advice(2));
    assert_eq!(repository.advice("load", "other").unwrap(), None);
    assert_eq!(repository.advice("other", "step").unwrap(), None);
    assert_eq!(ends(None, followed), None);
}

fn the_end_of_a_step_and_its_journal_entry_are_atomic<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    let exit = Some(ExitStatus::code("COMPLETED"));
    let entry = JournalEntry { exit, ..passed("step", "COMPLETED") };
    let finish = StepFinish { journal: vec![entry], ..ended_step(BatchStatus::Completed, "COMPLETED") };
    place.forbid_rows("BATCH_JOURNAL");
    assert!(repository.finish_step(launched.ownership, step.id, &finish, None).is_err());
    assert_eq!(place.rows("SELECT STATUS FROM BATCH_STEP_EXECUTION"), ["STARTED"]);
    place.allow_rows("BATCH_JOURNAL");
    repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
    assert_eq!(place.rows("SELECT STATUS FROM BATCH_STEP_EXECUTION"), ["COMPLETED"]);
    assert_eq!(place.rows("SELECT SEQUENCE, PATH FROM BATCH_JOURNAL"), ["1|step"]);
}

fn an_owner_that_was_taken_over_writes_nothing<P: Place>(place: &P) {
    let repository = place.open();
    let old = launch(&repository);
    let step = begin(&repository, old.ownership);
    let _new = force(&repository);
    let dump = || {
        let tables =
            ["JOB_EXECUTION", "STEP_EXECUTION", "STEP_EXECUTION_CONTEXT", "JOB_EXECUTION_CONTEXT", "JOURNAL"];
        tables.map(|table| place.rows(&format!("SELECT * FROM BATCH_{table} ORDER BY 1")))
    };
    let before = dump();
    let entry = passed("x", "y");
    let finish = StepFinish {
        context: Some(context(1)),
        job_context: Some(context(1)),
        journal: vec![entry.clone()],
        ..ended_step(BatchStatus::Completed, "COMPLETED")
    };
    let results = [
        begin_as(&repository, old.ownership, &start("more")).map(drop),
        repository.finish_step(old.ownership, step.id, &finish, None),
        repository.record(old.ownership, std::slice::from_ref(&entry), None),
        repository.finish(old.ownership, &ended(BatchStatus::Completed, "COMPLETED")),
        repository.stop_requested(old.ownership).map(drop),
        repository.add_skipped(old.ownership, step.id, &[]),
    ];
    for result in results {
        assert!(
            matches!(result, Err(RepositoryError::Fenced { execution }) if execution == old.ownership.execution)
        );
    }
    assert_eq!(dump(), before);
}

fn a_step_that_waits_for_a_lock_does_not_begin_when_the_job_is_asked_to_stop<P: Place>(place: &P) {
    let repository =
        place.open_with(crate::place::Setup { wait: Some(Duration::from_hours(1)), ..Default::default() });
    let launched = launch(&repository);
    let signal = StopSignal::new();
    signal.raise();
    let _lock = place.lock();
    let error =
        begin_as(&repository, launched.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap_err();
    assert!(matches!(error, RepositoryError::Stopped), "{error}");
    assert!(repository.steps(launched.ownership.execution).unwrap().is_empty());
}

fn the_journal_of_an_execution_is_that_of_its_instance_in_its_order<P: Place>(place: &P) {
    let repository = place.open();
    let owner = launch(&repository).ownership;
    for (path, json) in [("load", Some("1")), ("other", Some("3")), ("nothing", None)] {
        let output = json.map(|json| ("id".to_owned(), json.to_owned()));
        repository.record(owner, &[JournalEntry { output, ..passed(path, "COMPLETED") }], None).unwrap();
    }
    let journal = repository.journal(owner.execution).unwrap();
    let passed: Vec<_> = journal
        .iter()
        .map(|entry| (entry.path.as_str(), entry.output.as_ref().map(|(_, json)| json.as_str())))
        .collect();
    assert_eq!(passed, [("load", Some("1")), ("other", Some("3")), ("nothing", None)]);
    let another = repository.launch(&request(&parameters("another"))).unwrap().ownership;
    assert!(repository.journal(another.execution).unwrap().is_empty());
}

fn branches_that_record_at_once_lose_no_entry<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    std::thread::scope(|scope| {
        for branch in 0..4 {
            let (repository, owner) = (&repository, launched.ownership);
            scope.spawn(move || {
                for entry in 0..10 {
                    repository.record(owner, &[passed(&format!("{branch}.{entry}"), "x")], None).unwrap();
                }
            });
        }
    });
    let journal = repository.journal(launched.ownership.execution).unwrap();
    for branch in 0..4 {
        let of_branch: Vec<_> =
            journal.iter().filter(|entry| entry.path.starts_with(&format!("{branch}."))).collect();
        assert!(of_branch.is_sorted_by_key(|entry| entry.path.as_str()) && of_branch.len() == 10);
    }
}
