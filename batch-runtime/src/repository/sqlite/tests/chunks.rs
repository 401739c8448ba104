//! Commits of chunks.

use std::time::Duration;

use super::*;

struct Chunks {
    folder: Folder,
    repository: SqliteRepository,
    launched: Launched,
    step: BegunStep,
}

fn chunks() -> Chunks {
    let folder = Folder::new();
    let repository = SqliteOptions::new().wait(Duration::from_millis(50)).open(folder.file()).unwrap();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    Chunks { folder, repository, launched, step }
}

impl Chunks {
    fn items(&self) -> Vec<String> {
        rows(&self.folder.file(), "SELECT n FROM item ORDER BY n")
    }

    fn row(&self) -> String {
        rows(
            &self.folder.file(),
            "SELECT s.VERSION, READ_COUNT, SHORT_CONTEXT FROM BATCH_STEP_EXECUTION s
             JOIN BATCH_STEP_EXECUTION_CONTEXT USING (STEP_EXECUTION_ID)",
        )
        .remove(0)
    }
}

fn stored(version: u32, position: i64) -> String {
    format!(
        r#"{version}|{position}|{{"@class":"java.util.HashMap","position":["java.lang.Long",{position}]}}"#
    )
}

#[test]
fn rows_counters_and_checkpoint_are_committed_together() {
    let mut chunks = chunks();
    commit(&mut chunks.step, 5).unwrap();
    assert_eq!(chunks.row(), stored(1, 5));
    commit(&mut chunks.step, 6).unwrap();
    assert_eq!(chunks.row(), stored(2, 6));
    assert_eq!(chunks.items(), ["5", "6"]);
}

#[test]
fn every_commit_writes_the_time() {
    let folder = Folder::new();
    let clock = Hands::at("2024-01-31T08:30:00Z");
    let repository = SqliteOptions::new().clock(clock.clone()).open(folder.file()).unwrap();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    clock.set("2024-01-31T08:30:01Z");
    step.chunks.commit(&mut record(1), |_, _| Ok(())).unwrap();
    assert_eq!(
        rows(&folder.file(), "SELECT LAST_UPDATED FROM BATCH_STEP_EXECUTION"),
        ["2024-01-31 08:30:01.000"]
    );
}

#[test]
fn a_failed_chunk_leaves_nothing_and_the_next_one_commits() {
    let mut chunks = chunks();
    let failed = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
        chunk.of::<crate::Sqlite>()?.execute("INSERT INTO item VALUES (1)", []).map_err(Failure::new)?;
        Err(Failure::new("no"))
    });
    assert!(matches!(failed, Err(ChunkError::Work(_))));
    assert!(chunks.items().is_empty());
    assert_eq!(chunks.row(), r#"0|0|{"@class":"java.util.HashMap"}"#);
    commit(&mut chunks.step, 2).unwrap();
    assert_eq!((chunks.items(), chunks.row()), (vec!["2".to_owned()], stored(1, 2)));
}

#[test]
fn a_panic_in_a_chunk_leaves_nothing_and_the_next_one_commits() {
    let mut chunks = chunks();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        chunks.step.chunks.commit(&mut record(1), |chunk, _| {
            chunk.of::<crate::Sqlite>()?.execute("INSERT INTO item VALUES (1)", []).map_err(Failure::new)?;
            panic!("no")
        })
    }));
    assert!(panicked.is_err());
    assert!(chunks.items().is_empty());
    commit(&mut chunks.step, 2).unwrap();
    assert_eq!(chunks.items(), ["2"]);
}

#[test]
fn the_work_fills_in_the_record() {
    let mut chunks = chunks();
    chunks
        .step
        .chunks
        .commit(&mut ChunkRecord::default(), |_, filled| {
            *filled = record(9);
            Ok(())
        })
        .unwrap();
    assert_eq!(chunks.row(), stored(1, 9));
}

#[test]
fn a_chunk_of_a_fenced_owner_changes_no_row() {
    let mut chunks = chunks();
    commit(&mut chunks.step, 1).unwrap();
    let parameters = parameters("a");
    let force = LaunchRequest { recovery: Recovery::Force, ..request(&parameters) };
    chunks.repository.launch(&force).unwrap();
    let before = chunks.row();
    for _ in 0..2 {
        let error = commit(&mut chunks.step, 2).unwrap_err();
        assert!(matches!(error, ChunkError::Repository(RepositoryError::Fenced { .. })), "{error}");
    }
    assert_eq!((chunks.items(), chunks.row()), (vec!["1".to_owned()], before));
}

#[test]
fn another_epoch_alone_fences_the_owner() {
    let mut chunks = chunks();
    sql(&chunks.folder.file(), "UPDATE BATCH_JOB_OWNER SET EPOCH = EPOCH + 1");
    let error = commit(&mut chunks.step, 1).unwrap_err();
    assert!(matches!(error, ChunkError::Repository(RepositoryError::Fenced { .. })), "{error}");
    assert!(chunks.items().is_empty());
}

#[test]
fn a_row_with_an_unexpected_version_fences_the_owner() {
    let mut chunks = chunks();
    sql(&chunks.folder.file(), "UPDATE BATCH_STEP_EXECUTION SET VERSION = 7");
    let error = commit(&mut chunks.step, 1).unwrap_err();
    assert!(matches!(error, ChunkError::Repository(RepositoryError::Fenced { .. })), "{error}");
    assert!(chunks.items().is_empty());
}

#[test]
fn a_component_cannot_end_the_transaction() {
    for end in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN"] {
        let mut chunks = chunks();
        let ended = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
            let transaction = chunk.of::<crate::Sqlite>()?;
            for statement in ["INSERT INTO item VALUES (1)"].into_iter().chain(end.split(';')) {
                // A component that ignores the error of a `COMMIT` continues without a transaction.
                let _ = transaction.execute_batch(statement);
            }
            let _ = transaction.execute("INSERT INTO item VALUES (2)", []);
            Ok(())
        });
        let Err(ChunkError::Work(failure)) = ended else { panic!("{end}: {ended:?}") };
        assert!(failure.find::<RepositoryError>().is_some(), "{end}: {failure}");
        assert!(failure.is_fatal(), "no rule skips it");
        assert!(chunks.items().is_empty(), "{end}");
        commit(&mut chunks.step, 3).unwrap();
        assert_eq!(chunks.items(), ["3"], "{end}");
    }
}

#[test]
fn the_next_commit_reports_a_stop() {
    let mut chunks = chunks();
    assert!(!commit(&mut chunks.step, 1).unwrap().stop_requested);
    assert!(!chunks.repository.stop_requested(chunks.launched.ownership).unwrap());
    chunks.repository.request_stop(chunks.launched.ownership.execution).unwrap();
    assert!(commit(&mut chunks.step, 2).unwrap().stop_requested);
    assert!(chunks.repository.stop_requested(chunks.launched.ownership).unwrap());
}

#[test]
fn the_context_of_the_job_is_committed_with_the_chunk() {
    let mut chunks = chunks();
    let mut record = ChunkRecord { job_context: Some(encode_context(&context(3))), ..record(1) };
    chunks.step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
    fail(&chunks.repository, chunks.launched.ownership);
    assert_eq!(launch(&chunks.repository).context, context(3));
}

#[test]
fn a_locked_database_is_waited_for_and_then_named() {
    let mut chunks = chunks();
    let locker = Connection::open(chunks.folder.file()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = commit(&mut chunks.step, 1).unwrap_err().to_string();
    assert!(error.contains("batch.db: is locked by another process"), "{error}");
    let error = chunks.repository.launch(&request(&parameters("b"))).unwrap_err().to_string();
    assert!(error.contains("batch.db: is locked by another process"), "{error}");
    locker.execute_batch("ROLLBACK").unwrap();
    commit(&mut chunks.step, 1).unwrap();
    assert_eq!(chunks.items(), ["1"]);
}

/// A step whose chunks wait an hour for a locked database, unless `signal` is raised.
fn patient(folder: &Folder, signal: &StopSignal) -> (SqliteRepository, Launched, BegunStep) {
    let repository = SqliteOptions::new().wait(Duration::from_hours(1)).open(folder.file()).unwrap();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let launched = launch(&repository);
    let step =
        begin_as(&repository, launched.ownership, &StepStart { stop: signal, ..start("step") }).unwrap();
    (repository, launched, step)
}

#[test]
fn a_chunk_that_waits_for_a_lock_is_rolled_back_when_the_job_is_asked_to_stop() {
    let folder = Folder::new();
    let signal = StopSignal::new();
    let (_repository, _launched, mut step) = patient(&folder, &signal);
    let locker = Connection::open(folder.file()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    signal.raise();
    assert!(matches!(commit(&mut step, 1), Err(ChunkError::Stopped)));
    locker.execute_batch("ROLLBACK").unwrap();
    assert!(rows(&folder.file(), "SELECT n FROM item").is_empty());
    // A chunk that need not wait is not stopped here, only after it.
    commit(&mut step, 2).unwrap();
    assert_eq!(rows(&folder.file(), "SELECT n FROM item"), ["2"]);
}

#[test]
fn a_chunk_that_waits_for_a_lock_notices_a_stop_requested_through_the_repository() {
    let folder = Folder::new();
    let signal = StopSignal::new();
    let (repository, launched, mut step) = patient(&folder, &signal);
    repository.request_stop(launched.ownership.execution).unwrap();
    let locker = Connection::open(folder.file()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(commit(&mut step, 1), Err(ChunkError::Stopped)));
    assert!(signal.is_raised());
}

#[test]
fn a_chunk_that_waits_for_a_lock_commits_once_it_is_free() {
    let folder = Folder::new();
    let signal = StopSignal::new();
    let (_repository, _launched, mut step) = patient(&folder, &signal);
    let locker = Connection::open(folder.file()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| commit(&mut step, 1));
        // Longer than the interval between two checks.
        std::thread::sleep(Duration::from_millis(200));
        locker.execute_batch("ROLLBACK").unwrap();
        waits.join().unwrap().unwrap();
    });
    assert_eq!(rows(&folder.file(), "SELECT n FROM item"), ["1"]);
}

#[test]
fn a_commit_that_waits_for_readers_of_a_database_without_wal_is_rolled_back_when_the_job_is_asked_to_stop() {
    let folder = Folder::new();
    let path = folder.0.join("warehouse.db");
    sql(&path, "PRAGMA journal_mode = DELETE; CREATE TABLE item (n)");
    let repository = SqliteOptions::new().wait(Duration::from_hours(1)).open(folder.file()).unwrap();
    let launched = launch(&repository);
    let handle = crate::definition::DatabaseHandle::new(
        crate::Sqlite::open(&path)
            .on_connect(|connection| connection.execute_batch("PRAGMA journal_mode = DELETE")),
    );
    let signal = StopSignal::new();
    let start = StepStart { stop: &signal, elsewhere: Some(("warehouse", &handle)), ..start("step") };
    let mut step = begin_as(&repository, launched.ownership, &start).unwrap();
    assert_eq!(rows(&path, "PRAGMA journal_mode"), ["delete"]);

    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM item").unwrap();
    signal.raise();
    assert!(matches!(commit(&mut step, 1), Err(ChunkError::Stopped)));
    reader.execute_batch("ROLLBACK").unwrap();
    assert!(rows(&path, "SELECT n FROM item").is_empty());
    commit(&mut step, 2).unwrap();
    assert_eq!(rows(&path, "SELECT n FROM item"), ["2"]);
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_of_the_chunk() {
    let mut chunks = chunks();
    let mut long = record(1);
    long.context = encode_context(&ContextMap::from([("text".to_owned(), "x".repeat(100_000).into())]));
    let full = chunks.step.chunks.commit(&mut long, |chunk, _| {
        let tx = chunk.of::<crate::Sqlite>()?;
        tx.execute("INSERT INTO item VALUES (1)", []).map_err(Failure::new)?;
        // The smallest number that SQLite accepts is the current number of pages.
        tx.query_row("PRAGMA max_page_count = 1", [], |_| Ok(())).map_err(Failure::new)
    });
    let error = full.unwrap_err().to_string();
    assert!(error.contains("batch.db: the disk is full"), "{error}");
    assert!(chunks.items().is_empty());
    assert_eq!(chunks.row(), r#"0|0|{"@class":"java.util.HashMap"}"#);
}

#[test]
fn a_commit_that_fails_is_rolled_back_and_the_next_one_commits() {
    let mut chunks = chunks();
    sql(
        &chunks.folder.file(),
        "CREATE TABLE carrier (id INTEGER PRIMARY KEY);
         CREATE TABLE flight (carrier INTEGER REFERENCES carrier (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let failed = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
        let tx = chunk.of::<crate::Sqlite>()?;
        tx.execute("INSERT INTO flight VALUES (7)", []).map_err(Failure::new).map(|_| ())
    });
    let error = failed.unwrap_err().to_string();
    assert!(error.contains("FOREIGN KEY constraint failed"), "{error}");
    assert!(rows(&chunks.folder.file(), "SELECT * FROM flight").is_empty());
    commit(&mut chunks.step, 2).unwrap();
    assert_eq!((chunks.items(), chunks.row()), (vec!["2".to_owned()], stored(1, 2)));
}

#[test]
fn concurrent_steps_commit_without_losing_a_chunk() {
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let launched = launch(&repository);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let mut step = begin_as(&repository, launched.ownership, &start(name)).unwrap();
            scope.spawn(move || {
                for position in 0..50 {
                    commit(&mut step, position).unwrap();
                }
            });
        }
    });
    assert_eq!(rows(&folder.file(), "SELECT COUNT(*) FROM item"), ["200"]);
    assert_eq!(
        rows(&folder.file(), "SELECT DISTINCT VERSION, READ_COUNT FROM BATCH_STEP_EXECUTION"),
        ["50|49"]
    );
}

#[test]
fn writes_of_an_execution_wait_for_a_chunk_of_another_step() {
    let folder = Folder::new();
    let mut options = SqliteOptions::new();
    options.waits.other = Duration::from_millis(1);
    let repository = options.open(folder.file()).unwrap();
    let launched = launch(&repository);
    let mut slow = begin(&repository, launched.ownership);
    let quick = begin_as(&repository, launched.ownership, &start("quick")).unwrap();
    std::thread::scope(|scope| {
        slow.chunks
            .commit(&mut record(1), |_, _| {
                scope.spawn(|| {
                    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
                    repository.finish_step(launched.ownership, quick.id, &finish, None).unwrap();
                });
                std::thread::sleep(Duration::from_millis(100));
                Ok(())
            })
            .unwrap();
    });
    assert_eq!(
        rows(&folder.file(), "SELECT STATUS FROM BATCH_STEP_EXECUTION ORDER BY 1"),
        ["COMPLETED", "STARTED"]
    );
}
