//! Commits of chunks.

use std::time::Duration;

use super::*;
use crate::repository::Reached;

struct Chunks {
    folder: Folder,
    repository: SqliteRepository,
    _launched: Launched,
    step: BegunStep,
}

fn chunks() -> Chunks {
    let folder = Folder::new();
    let repository = SqliteOptions::new().wait(Duration::from_millis(50)).open(folder.file()).unwrap();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    Chunks { folder, repository, _launched: launched, step }
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

#[test]
fn a_purge_waits_longer_for_the_lock_than_a_launch() {
    let chunks = chunks();
    let locker = Connection::open(chunks.folder.file()).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let purge = scope.spawn(|| chunks.repository.purge(&[]));
        for _ in 0..2 {
            chunks.repository.launch(&request(&parameters("b"))).unwrap_err();
        }
        locker.execute_batch("ROLLBACK").unwrap();
        assert_eq!(purge.join().unwrap().unwrap(), []);
    });
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

#[test]
fn the_progress_of_a_step_is_stored_at_most_once_a_second_by_the_repository_s_clock() {
    let folder = Folder::new();
    let clock = ManualClock::at("2026-11-28T08:00:00Z");
    let repository = SqliteOptions::new().clock(clock.clone()).open(folder.file()).unwrap();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    let mut stored = Vec::new();
    for (done, time) in
        [(1, "00.000"), (2, "00.999"), (3, "01.000"), (4, "01.999"), (5, "02.500"), (6, "03.400")]
    {
        clock.set(&format!("2026-11-28T08:00:{time}Z"));
        let mut record = ChunkRecord { reached: Some(Reached { before: 0, done, total: 9 }), ..record(1) };
        step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
        stored.extend(rows(&folder.file(), "SELECT DONE, SEEN FROM BATCH_STEP_PROGRESS"));
    }
    stored.dedup();
    assert_eq!(stored, ["3|2026-11-28 08:00:01.000", "5|2026-11-28 08:00:02.500"]);
}
