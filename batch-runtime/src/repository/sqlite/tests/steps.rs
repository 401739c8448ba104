//! The begin and end of steps.

use super::*;
use crate::repository::Profile;

#[test]
fn a_step_counts_its_starts_and_sums_its_counters_over_the_instance() {
    let repository = SqliteRepository::temporary().unwrap();
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

#[test]
fn a_step_is_not_started_more_often_than_its_limit() {
    let repository = SqliteRepository::temporary().unwrap();
    let limited = StepStart { start_limit: Some(1), ..start("step") };
    let first = launch(&repository);
    begin_as(&repository, first.ownership, &limited).unwrap();
    fail(&repository, first.ownership);
    let second = launch(&repository);
    let error = begin_as(&repository, second.ownership, &limited).unwrap_err();
    assert!(matches!(error, RepositoryError::StartLimit { limit: 1, .. }), "{error}");
    assert!(repository.steps(second.ownership.execution).unwrap().is_empty());
}

#[test]
fn a_failed_step_passes_its_context_to_the_next_start_and_a_completed_one_does_not() {
    let repository = SqliteRepository::temporary().unwrap();
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

#[test]
fn a_step_whose_end_could_not_be_recorded_ends_with_its_execution_and_keeps_its_context() {
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    commit(&mut step, 5).unwrap();
    fail(&repository, launched.ownership);
    assert_eq!(
        rows(
            &folder.file(),
            "SELECT STATUS, EXIT_CODE, READ_COUNT, END_TIME IS NULL FROM BATCH_STEP_EXECUTION"
        ),
        ["FAILED|END_LOST|5|0"]
    );
    assert_eq!(begin(&repository, launch(&repository).ownership).context, context(5));
}

#[test]
fn the_rows_of_a_step_are_those_that_spring_batch_reads() {
    let folder = Folder::new();
    let clock = Hands::at("2024-01-31T08:30:00Z");
    let repository = SqliteOptions::new().clock(clock.clone()).open(folder.file()).unwrap();
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    let row = || rows(&folder.file(), "SELECT * FROM BATCH_STEP_EXECUTION");
    assert_eq!(
        row(),
        [
            "1|0|step|1|2024-01-31 08:30:00.000|2024-01-31 08:30:00.000|NULL|STARTED|0|0|0|0|0|0|0|0|EXECUTING||2024-01-31 08:30:00.000"
        ]
    );
    clock.set("2024-01-31T08:31:00Z");
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
        profile: Some(Profile { read: 1, process: 2, write: 3, commit: 4 }),
        ..ended_step(BatchStatus::Completed, "COMPLETED")
    };
    repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
    assert_eq!(
        row(),
        [
            "1|1|step|1|2024-01-31 08:30:00.000|2024-01-31 08:30:00.000|2024-01-31 08:31:00.000|COMPLETED|1|2|3|4|5|6|7|8|COMPLETED||2024-01-31 08:31:00.000"
        ]
    );
    for (table, number) in [("STEP", 7), ("JOB", 8)] {
        assert_eq!(
            rows(&folder.file(), &format!("SELECT * FROM BATCH_{table}_EXECUTION_CONTEXT")),
            [format!(r#"1|{{"@class":"java.util.HashMap","position":["java.lang.Long",{number}]}}|NULL"#)]
        );
    }
    let read = repository.steps(launched.ownership.execution).unwrap().remove(0);
    assert_eq!((read.counters, read.profile, read.context), (counters, finish.profile, context(7)));
    assert_eq!(read.ended, Some("2024-01-31T08:31:00Z".parse().unwrap()));
}

#[test]
fn the_end_of_a_step_and_its_journal_entry_are_atomic() {
    let folder = Folder::new();
    let repository = folder.open();
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    let entry = JournalEntry {
        path: "step".to_owned(),
        outcome: "COMPLETED".to_owned(),
        exit: Some(ExitStatus::code("COMPLETED")),
        output: None,
    };
    let finish = StepFinish { journal: vec![entry], ..ended_step(BatchStatus::Completed, "COMPLETED") };
    sql(
        &folder.file(),
        "CREATE TRIGGER stop BEFORE INSERT ON BATCH_JOURNAL BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    assert!(repository.finish_step(launched.ownership, step.id, &finish, None).is_err());
    assert_eq!(rows(&folder.file(), "SELECT STATUS FROM BATCH_STEP_EXECUTION"), ["STARTED"]);
    sql(&folder.file(), "DROP TRIGGER stop");
    repository.finish_step(launched.ownership, step.id, &finish, None).unwrap();
    assert_eq!(rows(&folder.file(), "SELECT STATUS FROM BATCH_STEP_EXECUTION"), ["COMPLETED"]);
    assert_eq!(rows(&folder.file(), "SELECT SEQUENCE, PATH FROM BATCH_JOURNAL"), ["1|step"]);
}

#[test]
fn an_owner_that_was_taken_over_writes_nothing() {
    let folder = Folder::new();
    let repository = folder.open();
    let old = launch(&repository);
    let step = begin(&repository, old.ownership);
    let parameters = parameters("a");
    repository.launch(&LaunchRequest { recovery: Recovery::Force, ..request(&parameters) }).unwrap();
    let dump = || {
        let tables =
            ["JOB_EXECUTION", "STEP_EXECUTION", "STEP_EXECUTION_CONTEXT", "JOB_EXECUTION_CONTEXT", "JOURNAL"];
        tables.map(|table| rows(&folder.file(), &format!("SELECT * FROM BATCH_{table}")))
    };
    let before = dump();
    let entry = JournalEntry { path: "x".to_owned(), outcome: "y".to_owned(), exit: None, output: None };
    let finish = StepFinish {
        context: Some(context(1)),
        job_context: Some(context(1)),
        journal: vec![entry.clone()],
        ..ended_step(BatchStatus::Completed, "COMPLETED")
    };
    let results = [
        begin_as(&repository, old.ownership, &start("more")).map(drop),
        repository.finish_step(old.ownership, step.id, &finish, None),
        repository.record(old.ownership, std::slice::from_ref(&entry)),
        repository.finish(old.ownership, &ended(BatchStatus::Completed, "COMPLETED")),
        repository.stop_requested(old.ownership).map(drop),
    ];
    for result in results {
        assert!(
            matches!(result, Err(RepositoryError::Fenced { execution }) if execution == old.ownership.execution)
        );
    }
    assert_eq!(dump(), before);
}

#[test]
fn a_step_that_waits_for_a_lock_does_not_begin_when_the_job_is_asked_to_stop() {
    let folder = Folder::new();
    let wait = std::time::Duration::from_hours(1);
    let repository = SqliteOptions::new().wait(wait).open(folder.file()).unwrap();
    let launched = launch(&repository);
    let warehouse = folder.0.join("warehouse.db");
    let handle = crate::definition::DatabaseHandle::new(crate::Sqlite::open(&warehouse));
    let signal = StopSignal::new();
    signal.raise();
    let elsewhere = Some(("warehouse", &handle));
    for (locked, elsewhere) in [(folder.file(), None), (folder.file(), elsewhere), (warehouse, elsewhere)] {
        let locker = Connection::open(locked).unwrap();
        locker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let step = StepStart { stop: &signal, elsewhere, ..start("step") };
        let error = begin_as(&repository, launched.ownership, &step).unwrap_err();
        assert!(matches!(error, RepositoryError::Stopped), "{error}");
    }
    assert!(repository.steps(launched.ownership.execution).unwrap().is_empty());
}

#[test]
fn the_journal_of_an_execution_is_that_of_its_instance_in_its_order() {
    let folder = Folder::new();
    let repository = folder.open();
    let owner = launch(&repository).ownership;
    for (path, json) in [("load", Some("1")), ("other", Some("3")), ("nothing", None)] {
        let entry = JournalEntry {
            path: path.to_owned(),
            outcome: "COMPLETED".to_owned(),
            exit: None,
            output: json.map(|json| ("id".to_owned(), json.to_owned())),
        };
        repository.record(owner, &[entry]).unwrap();
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
