//! Commits of chunks on a server.

use std::sync::Barrier;

use batch_runtime::postgres::{PgError, Postgres};
use batch_runtime::repository::{
    BegunStep, ChunkError, LaunchRequest, Launched, Ownership, RepositoryError, StepStart,
};
use batch_runtime::{ChunkTransaction, DatabaseHandle, Durability, Failure};

use super::schema;
use crate::place::{Place, Repo};
use crate::postgres::Schema;
use crate::support::*;

struct Chunks {
    place: Schema,
    repository: Repo,
    launched: Launched,
    step: BegunStep,
}

fn chunks() -> Option<Chunks> {
    let place = schema()?;
    let repository = place.open();
    make_items(&place);
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    Some(Chunks { place, repository, launched, step })
}

impl Chunks {
    fn commit(
        &mut self,
        work: impl FnOnce(&ChunkTransaction<'_>) -> Result<(), Failure>,
    ) -> Result<(), ChunkError> {
        self.step.chunks.commit(&mut record(1), |chunk, _| work(chunk)).map(drop)
    }

    fn next_commits(&mut self) {
        commit::<Schema>(&mut self.step, 7).unwrap();
        assert_eq!(items(&self.place), ["7"]);
        assert_eq!(self.place.rows("SELECT VERSION, READ_COUNT FROM BATCH_STEP_EXECUTION"), ["1|7"]);
    }
}

fn send(chunk: &ChunkTransaction<'_>, statement: &str) -> Result<(), Failure> {
    chunk.of::<Postgres>()?.send(statement, &[]).map_err(Failure::new)
}

#[test]
fn a_statement_that_was_only_sent_fails_the_chunk_with_its_own_error() {
    let Some(mut chunks) = chunks() else { return };
    let failed = chunks.commit(|chunk| {
        send(chunk, "INSERT INTO item VALUES (1)")?;
        send(chunk, "INSERT INTO item SELECT 1 / n FROM generate_series(0, 1) AS g (n)")
    });
    let Err(ChunkError::Work(failure)) = failed else { panic!("{failed:?}") };
    let error = failure.find::<PgError>().unwrap();
    assert_eq!(error.code(), Some("22012"));
    assert!(error.to_string().contains("INSERT INTO item SELECT 1 / n"), "{error}");
    chunks.next_commits();
}

#[test]
fn a_division_by_zero_of_a_component_is_not_taken_for_a_failed_guard() {
    let Some(mut chunks) = chunks() else { return };
    chunks.place.sql("CREATE TABLE guard (n BIGINT)");
    let failed = chunks.commit(|chunk| {
        send(chunk, "INSERT INTO guard SELECT 1 / 0 FROM item RIGHT JOIN (SELECT 1) AS x ON true")
    });
    let Err(ChunkError::Work(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!(failure.find::<PgError>().unwrap().code(), Some("22012"));
    chunks.next_commits();
}

#[test]
fn a_violated_constraint_is_refused_whether_it_is_seen_at_once_or_by_the_commit() {
    let Some(mut chunks) = chunks() else { return };
    chunks.place.sql(
        "ALTER TABLE item ADD PRIMARY KEY (n);
         CREATE TABLE part (n BIGINT REFERENCES item (n) DEFERRABLE INITIALLY DEFERRED)",
    );
    for statement in ["INSERT INTO item VALUES (1), (1)", "INSERT INTO part VALUES (5)"] {
        let refused = chunks.commit(|chunk| send(chunk, statement));
        let Err(ChunkError::Refused(failure)) = refused else { panic!("{refused:?}") };
        assert!(failure.find::<PgError>().unwrap().code().unwrap().starts_with("23"), "{failure}");
    }
    chunks.next_commits();
}

#[test]
fn a_transaction_that_a_component_ends_by_a_trick_is_detected() {
    // The words of the statement do not show that it ends the transaction.
    let hidden = "CREATE FUNCTION f() RETURNS INT BEGIN ATOMIC SELECT 1; END; ";
    for end in ["COMMIT", "ROLLBACK", "ROLLBACK; BEGIN", "COMMIT AND CHAIN"] {
        let Some(mut chunks) = chunks() else { return };
        let ended = chunks.commit(|chunk| Schema::execute(chunk, &format!("{hidden}{end}")));
        let ended_it = match &ended {
            Err(ChunkError::Work(failure)) => {
                failure.find::<RepositoryError>().is_some() && failure.is_fatal()
            }
            Err(ChunkError::Repository(error)) => matches!(error, RepositoryError::TransactionEnded),
            _ => false,
        };
        assert!(ended_it, "{end}: {ended:?}");
        chunks.next_commits();
    }
}

#[test]
fn a_deadlock_between_two_steps_is_repeated_and_loses_nothing() {
    let Some(place) = schema() else { return };
    let repository = place.open();
    place.sql(
        "CREATE TABLE total (id INT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO total VALUES (1, 0), (2, 0)",
    );
    let launched = launch(&repository);
    let barrier = Barrier::new(2);
    let repeated: u32 = std::thread::scope(|scope| {
        let branches = [("a", 1, 2), ("b", 2, 1)].map(|(name, first, second)| {
            let (repository, barrier, owner) = (&repository, &barrier, launched.ownership);
            scope.spawn(move || {
                let mut step = begin_as(repository, owner, &start(name)).unwrap();
                let mut repeated = 0;
                loop {
                    let committed = step.chunks.commit(&mut record(1), |chunk, _| {
                        Schema::execute(chunk, &format!("UPDATE total SET n = n + 1 WHERE id = {first}"))?;
                        if repeated == 0 {
                            barrier.wait();
                        }
                        send(chunk, &format!("UPDATE total SET n = n + 1 WHERE id = {second}"))
                    });
                    match committed {
                        Ok(_) => return repeated,
                        Err(ChunkError::Again(failure)) => {
                            assert_eq!(failure.find::<PgError>().unwrap().code(), Some("40P01"));
                            repeated += 1;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        branches.into_iter().map(|branch| branch.join().unwrap()).sum()
    });
    // More than once if the step that gave way locks its first row again before the other one locks its second.
    assert!(repeated >= 1);
    assert_eq!(place.rows("SELECT n FROM total"), ["2", "2"]);
}

#[test]
fn a_serialization_failure_is_repeated_without_a_rule() {
    let Some(mut chunks) = chunks() else { return };
    let fails = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$";
    for run in [Schema::execute, send] {
        let again = chunks.commit(|chunk| {
            run(chunk, "INSERT INTO item VALUES (1)")?;
            run(chunk, fails)
        });
        assert!(matches!(again, Err(ChunkError::Again(_))), "{again:?}");
    }
    chunks.next_commits();
}

/// Begins another step whose chunks go to the same database, as a `#[database]` function sets it up.
fn begin_in(chunks: &Chunks, database: Postgres) -> BegunStep {
    let handle = DatabaseHandle::new(database);
    let elsewhere = Some(("warehouse", &handle));
    let step = StepStart { elsewhere, ..start("other") };
    begin_as(&chunks.repository, chunks.launched.ownership, &step).unwrap()
}

#[test]
fn a_time_limit_ends_a_statement_and_fails_the_chunk() {
    let Some(chunks) = chunks() else { return };
    let mut step = begin_in(&chunks, chunks.place.database().statement_timeout("300ms"));
    for run in [Schema::execute, send] {
        let failed = step.chunks.commit(&mut record(1), |chunk, _| run(chunk, "SELECT pg_sleep(60)"));
        let Err(ChunkError::Work(failure)) = failed else { panic!("{failed:?}") };
        let error = failure.find::<PgError>().unwrap();
        assert!(error.to_string().contains("due to statement timeout"), "{error}");
    }
    commit::<Schema>(&mut step, 3).unwrap();
    assert_eq!(items(&chunks.place), ["3"]);
    assert!(!chunks.place.tables().contains(&"BATCH_STEP_CHECKPOINT".to_owned()));
}

#[test]
fn a_commit_waits_for_the_disk_if_it_must_survive_a_crash_of_the_machine() {
    let Some(place) = schema() else { return };
    let repository = place.open();
    for (durability, waits) in [(Durability::Machine, "on"), (Durability::Process, "off")] {
        let parameters = parameters("a");
        let launched = repository.launch(&LaunchRequest { durability, ..request(&parameters) }).unwrap();
        let mut step = begin(&repository, launched.ownership);
        let setting = |chunk: &ChunkTransaction<'_>| {
            let row = chunk.of::<Postgres>()?.query_one("SELECT current_setting('synchronous_commit')", &[]);
            Ok(row.map_err(Failure::new)?.get::<_, String>(0))
        };
        step.chunks
            .commit(&mut record(1), |chunk, _| {
                assert_eq!(setting(chunk)?, waits);
                Ok(())
            })
            .unwrap();
        fail(&repository, launched.ownership);
    }
}

#[test]
fn an_empty_chunk_of_a_fenced_owner_is_fenced_too() {
    let Some(mut chunks) = chunks() else { return };
    let _new = force(&chunks.place.open());
    let old: Ownership = chunks.launched.ownership;
    let fenced = chunks.commit(|_| Ok(()));
    assert!(matches!(
        fenced,
        Err(ChunkError::Repository(RepositoryError::Fenced { execution })) if execution == old.execution
    ));
}
