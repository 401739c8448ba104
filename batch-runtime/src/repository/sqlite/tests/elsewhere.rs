//! Steps whose rows go to another database.

use std::time::Duration;

use super::*;
use crate::definition::{DatabaseHandle, Sqlite};

struct Warehouse {
    folder: Folder,
    repository: SqliteRepository,
    handle: DatabaseHandle,
}

/// A repository that copies the commits of the other database at that interval.
fn warehouse(mirror: Duration) -> Warehouse {
    let folder = Folder::new();
    let repository = SqliteOptions::new().intervals(mirror, mirror).open(folder.file()).unwrap();
    let sqlite = Sqlite::open(folder.0.join("warehouse.db"))
        .on_connect(|connection| connection.execute_batch("CREATE TABLE IF NOT EXISTS item (n)"));
    Warehouse { folder, repository, handle: DatabaseHandle::new(sqlite) }
}

const NEVER: Duration = Duration::from_hours(1);

impl Warehouse {
    fn begin(&self, owner: Ownership) -> Result<BegunStep, RepositoryError> {
        let elsewhere = Some(("warehouse", &self.handle));
        begin_as(&self.repository, owner, &StepStart { elsewhere, ..start("step") })
    }

    fn finish(&self, owner: Ownership, step: &BegunStep, finish: &StepFinish) -> Result<(), RepositoryError> {
        finish_step(&self.repository, owner, step.id, step.checkpoints.as_deref(), finish)
    }

    fn there(&self, query: &str) -> Vec<String> {
        rows(&self.folder.0.join("warehouse.db"), query)
    }

    fn here(&self, query: &str) -> Vec<String> {
        rows(&self.folder.file(), query)
    }
}

#[test]
fn guard_counters_and_checkpoint_are_committed_with_the_rows() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    assert_eq!(warehouse.there("SELECT n FROM item"), ["5"]);
    assert_eq!(
        warehouse.there(
            "SELECT JOB_INSTANCE_ID, STEP_NAME, EPOCH, STEP_EXECUTION_ID, READ_COUNT, CONTEXT FROM BATCH_STEP_CHECKPOINT"
        ),
        [r#"1|step|1|1|5|{"@class":"java.util.HashMap","position":["java.lang.Long",5]}"#]
    );
    assert_eq!(
        warehouse.there("SELECT REPOSITORY FROM BATCH_STEP_CHECKPOINT"),
        warehouse.here("SELECT REPOSITORY FROM BATCH_SCHEMA")
    );
}

#[test]
fn the_first_chunk_is_copied_at_once_and_the_others_in_time() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    for item in [5, 6] {
        commit(&mut step, item).unwrap();
        assert_eq!(warehouse.here("SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
    }
}

#[test]
fn a_failed_chunk_leaves_nothing_there_and_the_next_one_commits() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    let failed = step.chunks.commit(&mut record(1), |chunk, _| {
        chunk.of::<Sqlite>()?.execute("INSERT INTO item VALUES (1)", []).map_err(Failure::new)?;
        Err(Failure::new("no"))
    });
    assert!(matches!(failed, Err(ChunkError::Work(_))));
    commit(&mut step, 2).unwrap();
    assert_eq!(warehouse.there("SELECT n FROM item"), ["2"]);
}

#[test]
fn the_truth_is_there_when_the_owner_dies_before_the_repository_follows() {
    let warehouse = warehouse(NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    drop(first.lock);

    let second = launch(&warehouse.repository);
    let again = warehouse.begin(second.ownership).unwrap();
    assert_eq!((again.context, again.before.read), (context(5), 5));
    let lost = warehouse.repository.steps(first.ownership.execution).unwrap().remove(0);
    assert_eq!((lost.counters.read, lost.context), (5, context(5)));
}

#[test]
fn a_death_before_the_first_chunk_of_a_restart_loses_nothing() {
    let warehouse = warehouse(NEVER);
    let mut launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    for _ in 0..2 {
        drop(launched.lock);
        launched = launch(&warehouse.repository);
        let again = warehouse.begin(launched.ownership).unwrap();
        assert_eq!((again.context, again.before.read), (context(5), 5));
    }
}

#[test]
fn the_epoch_is_raised_there_so_that_the_old_owner_commits_nothing_more() {
    let warehouse = warehouse(NEVER);
    let first = launch(&warehouse.repository);
    let mut old = warehouse.begin(first.ownership).unwrap();
    commit(&mut old, 1).unwrap();
    let parameters = parameters("a");
    let force = LaunchRequest { recovery: Recovery::Force, ..request(&parameters) };
    let second = warehouse.repository.launch(&force).unwrap();
    // Until the new owner reaches the step, the old one still commits, and its work is read afterwards.
    commit(&mut old, 2).unwrap();
    let mut new = warehouse.begin(second.ownership).unwrap();
    assert_eq!(new.context, context(2));
    let error = commit(&mut old, 3).unwrap_err();
    assert!(matches!(error, ChunkError::Repository(RepositoryError::Fenced { .. })), "{error}");
    assert!(matches!(warehouse.begin(first.ownership), Err(RepositoryError::Fenced { .. })));
    commit(&mut new, 4).unwrap();
    assert_eq!(warehouse.there("SELECT n FROM item"), ["1", "2", "4"]);
}

#[test]
fn another_epoch_there_alone_fences_the_owner() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    sql(&warehouse.folder.0.join("warehouse.db"), "UPDATE BATCH_STEP_CHECKPOINT SET EPOCH = EPOCH + 1");
    let error = commit(&mut step, 1).unwrap_err();
    assert!(matches!(error, ChunkError::Repository(RepositoryError::Fenced { .. })), "{error}");
    assert!(warehouse.there("SELECT n FROM item").is_empty());
}

#[test]
fn the_repository_follows_and_reports_a_stop() {
    let warehouse = warehouse(Duration::ZERO);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    assert!(!commit(&mut step, 5).unwrap().stop_requested);
    assert_eq!(warehouse.here("SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
    warehouse.repository.request_stop(launched.ownership.execution).unwrap();
    assert!(commit(&mut step, 6).unwrap().stop_requested);
    assert_eq!(warehouse.here("SELECT VERSION, READ_COUNT FROM BATCH_STEP_EXECUTION"), ["2|6"]);
}

#[test]
fn the_context_of_the_job_reaches_the_repository_at_once() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    let mut record = ChunkRecord { job_context: Some(encode_context(&context(3))), ..record(1) };
    step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
    fail(&warehouse.repository, launched.ownership);
    assert_eq!(launch(&warehouse.repository).context, context(3));
}

#[test]
fn the_end_of_a_step_copies_everything_into_the_repository() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    let counters = Counters { read: 5, rollback: 1, ..Counters::default() };
    let finish = StepFinish { counters, ..ended_step(BatchStatus::Failed, "FAILED") };
    warehouse.finish(launched.ownership, &step, &finish).unwrap();
    fail(&warehouse.repository, launched.ownership);
    let ended = warehouse.repository.steps(launched.ownership.execution).unwrap().remove(0);
    assert_eq!((ended.counters, ended.context), (counters, context(5)));

    let second = launch(&warehouse.repository);
    let again = warehouse.begin(second.ownership).unwrap();
    assert_eq!((again.context, again.before), (context(5), counters));
}

#[test]
fn a_context_that_changed_after_the_last_chunk_is_inherited() {
    let warehouse = warehouse(NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    let finish = StepFinish { context: Some(context(6)), ..ended_step(BatchStatus::Failed, "FAILED") };
    warehouse.finish(first.ownership, &step, &finish).unwrap();
    fail(&warehouse.repository, first.ownership);
    let second = launch(&warehouse.repository);
    assert_eq!(warehouse.begin(second.ownership).unwrap().context, context(6));
}

#[test]
fn a_completed_step_begins_from_scratch() {
    let warehouse = warehouse(NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    warehouse.finish(first.ownership, &step, &finish).unwrap();
    fail(&warehouse.repository, first.ownership);
    let second = launch(&warehouse.repository);
    let mut again = warehouse.begin(second.ownership).unwrap();
    assert!(again.context.is_empty());
    commit(&mut again, 1).unwrap();
}

#[test]
fn another_database_than_before_holds_no_checkpoint() {
    let mut warehouse = warehouse(Duration::ZERO);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    drop(first.lock);
    warehouse.handle = DatabaseHandle::new(Sqlite::open(warehouse.folder.0.join("other.db")));
    let second = launch(&warehouse.repository);
    assert!(warehouse.begin(second.ownership).unwrap().context.is_empty());
}

#[test]
fn two_repositories_keep_their_checkpoints_apart() {
    let one = warehouse(NEVER);
    let other = Warehouse { handle: one.handle.clone(), ..warehouse(NEVER) };
    for warehouse in [&one, &other] {
        let launched = launch(&warehouse.repository);
        let mut step = warehouse.begin(launched.ownership).unwrap();
        assert!(step.context.is_empty());
        commit(&mut step, 5).unwrap();
    }
    assert_eq!(one.there("SELECT COUNT(*) FROM BATCH_STEP_CHECKPOINT"), ["2"]);
}

#[cfg(unix)]
#[test]
fn the_repository_s_own_file_under_another_name_is_its_own() {
    let mut warehouse = warehouse(NEVER);
    let link = warehouse.folder.0.join("link.db");
    std::os::unix::fs::symlink(warehouse.folder.file(), &link).unwrap();
    let sqlite = Sqlite::open(link).on_connect(|connection| {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS item (n); CREATE TEMP TABLE mine (n)")
    });
    warehouse.handle = DatabaseHandle::new(sqlite);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    step.chunks
        .commit(&mut record(5), |chunk, _| {
            chunk.of::<Sqlite>()?.execute("INSERT INTO mine VALUES (1)", []).map_err(Failure::new).map(|_| ())
        })
        .unwrap();
    assert_eq!(warehouse.here("SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
    assert!(warehouse.here("SELECT name FROM sqlite_schema WHERE name = 'BATCH_STEP_CHECKPOINT'").is_empty());
}

#[cfg(unix)]
#[test]
fn a_hard_link_to_the_repository_is_refused() {
    let mut warehouse = warehouse(NEVER);
    let link = warehouse.folder.0.join("link.db");
    std::fs::hard_link(warehouse.folder.file(), &link).unwrap();
    warehouse.handle = DatabaseHandle::new(Sqlite::open(link));
    let launched = launch(&warehouse.repository);
    let error = warehouse.begin(launched.ownership).unwrap_err().to_string();
    assert!(error.contains("link.db: is a hard link to the repository"), "{error}");
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    let mut warehouse = warehouse(NEVER);
    let path = warehouse.folder.0.join("text.db");
    std::fs::write(&path, "this is a text and no database, and long enough to be read as a header of one")
        .unwrap();
    warehouse.handle = DatabaseHandle::new(Sqlite::open(path));
    let launched = launch(&warehouse.repository);
    let error = warehouse.begin(launched.ownership).unwrap_err().to_string();
    assert!(error.contains("text.db: (database `warehouse`) is not a SQLite database"), "{error}");
    assert!(warehouse.repository.steps(launched.ownership.execution).unwrap().is_empty());
}

#[test]
fn many_threads_may_create_one_database() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let (warehouse, barrier) = (&warehouse, &barrier);
            scope.spawn(move || {
                let elsewhere = Some(("warehouse", &warehouse.handle));
                barrier.wait();
                let step = StepStart { elsewhere, ..start(name) };
                let mut step = begin_as(&warehouse.repository, launched.ownership, &step).unwrap();
                commit(&mut step, 1).unwrap();
            });
        }
    });
    assert_eq!(warehouse.there("SELECT COUNT(*) FROM item"), ["8"]);
}

#[test]
fn commits_there_are_copied_for_a_step_whose_end_could_not_be_recorded() {
    let warehouse = warehouse(NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit(&mut step, 5).unwrap();
    commit(&mut step, 9).unwrap();
    drop(step);
    fail(&warehouse.repository, launched.ownership);
    let again = warehouse.begin(launch(&warehouse.repository).ownership).unwrap();
    assert_eq!((again.before.read, again.context), (9, context(9)));
}
