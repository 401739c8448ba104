//! Commits of chunks.

use std::time::Duration;

use batch_runtime::repository::{
    BegunStep, ChunkError, ChunkRecord, Launched, RepositoryError, StepStart, encode_context,
};
use batch_runtime::{Failure, StopSignal};

use crate::place::{Place, Repo, Setup};
use crate::support::*;

every_kind![
    rows_counters_and_checkpoint_are_committed_together,
    every_commit_writes_the_time,
    a_running_execution_was_last_written_by_the_last_commit,
    a_failed_chunk_leaves_nothing_and_the_next_one_commits,
    a_refused_statement_leaves_nothing_and_the_next_chunk_commits,
    a_panic_in_a_chunk_leaves_nothing_and_the_next_one_commits,
    the_work_fills_in_the_record,
    a_chunk_of_a_fenced_owner_changes_no_row,
    another_epoch_alone_fences_the_owner,
    a_row_with_an_unexpected_version_fences_the_owner,
    a_component_cannot_end_the_transaction,
    the_next_commit_reports_a_stop,
    the_context_of_the_job_is_committed_with_the_chunk,
    branches_change_the_context_of_the_job_side_by_side,
    a_chunk_that_waits_for_a_lock_is_rolled_back_when_the_job_is_asked_to_stop,
    a_chunk_that_waits_for_a_lock_notices_a_stop_requested_through_the_repository,
    a_chunk_that_waits_for_a_lock_commits_once_it_is_free,
    a_commit_that_fails_is_rolled_back_and_the_next_one_commits,
    concurrent_steps_commit_without_losing_a_chunk,
];

struct Chunks<'p, P> {
    place: &'p P,
    repository: Repo,
    launched: Launched,
    step: BegunStep,
}

fn chunks<P: Place>(place: &P) -> Chunks<'_, P> {
    let repository = place.open();
    make_items(place);
    let launched = launch(&repository);
    let step = begin(&repository, launched.ownership);
    Chunks { place, repository, launched, step }
}

impl<P: Place> Chunks<'_, P> {
    fn commit(&mut self, position: i64) -> Result<bool, ChunkError> {
        commit::<P>(&mut self.step, position).map(|committed| committed.stop_requested)
    }

    fn items(&self) -> Vec<String> {
        items(self.place)
    }

    fn row(&self) -> String {
        let query = "SELECT s.VERSION, READ_COUNT, SHORT_CONTEXT FROM BATCH_STEP_EXECUTION s
                     JOIN BATCH_STEP_EXECUTION_CONTEXT c ON c.STEP_EXECUTION_ID = s.STEP_EXECUTION_ID";
        self.place.rows(query).remove(0)
    }
}

fn stored(version: u32, position: i64) -> String {
    format!(
        r#"{version}|{position}|{{"@class":"java.util.HashMap","position":["java.lang.Long",{position}]}}"#
    )
}

const INSERT: &str = "INSERT INTO item VALUES (1)";

fn rows_counters_and_checkpoint_are_committed_together<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    chunks.commit(5).unwrap();
    assert_eq!(chunks.row(), stored(1, 5));
    chunks.commit(6).unwrap();
    assert_eq!(chunks.row(), stored(2, 6));
    assert_eq!(chunks.items(), ["5", "6"]);
}

fn every_commit_writes_the_time<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    let updated =
        |chunks: &Chunks<P>| chunks.repository.steps(chunks.launched.ownership.execution).unwrap()[0].updated;
    for position in 1..3 {
        let before = updated(&chunks);
        std::thread::sleep(Duration::from_millis(5));
        chunks.commit(position).unwrap();
        assert!(updated(&chunks) > before);
    }
}

fn a_running_execution_was_last_written_by_the_last_commit<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    std::thread::sleep(Duration::from_millis(5));
    chunks.commit(1).unwrap();
    let execution = chunks.launched.ownership.execution;
    let step = chunks.repository.steps(execution).unwrap().remove(0);
    assert!(step.started.unwrap() < step.updated);
    assert_eq!(chunks.repository.execution(execution).unwrap().updated, step.updated);
}

fn a_failed_chunk_leaves_nothing_and_the_next_one_commits<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    let failed = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
        P::execute(chunk, INSERT)?;
        Err(Failure::new("no"))
    });
    assert!(matches!(failed, Err(ChunkError::Work(_))));
    assert!(chunks.items().is_empty());
    assert_eq!(chunks.row(), r#"0|0|{"@class":"java.util.HashMap"}"#);
    chunks.commit(2).unwrap();
    assert_eq!((chunks.items(), chunks.row()), (vec!["2".to_owned()], stored(1, 2)));
}

fn a_refused_statement_leaves_nothing_and_the_next_chunk_commits<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    let failed = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
        P::execute(chunk, INSERT)?;
        P::execute(chunk, "INSERT INTO nothing VALUES (1)")
    });
    let Err(ChunkError::Work(failure)) = failed else { panic!("{failed:?}") };
    assert!(failure.to_string().contains("nothing"), "{failure}");
    assert!(chunks.items().is_empty());
    chunks.commit(2).unwrap();
    assert_eq!((chunks.items(), chunks.row()), (vec!["2".to_owned()], stored(1, 2)));
}

fn a_panic_in_a_chunk_leaves_nothing_and_the_next_one_commits<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        chunks.step.chunks.commit(&mut record(1), |chunk, _| {
            P::execute(chunk, INSERT)?;
            panic!("no")
        })
    }));
    assert!(panicked.is_err());
    assert!(chunks.items().is_empty());
    chunks.commit(2).unwrap();
    assert_eq!(chunks.items(), ["2"]);
}

fn the_work_fills_in_the_record<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    let fill = |filled: &mut ChunkRecord| {
        *filled = record(9);
        Ok(())
    };
    chunks.step.chunks.commit(&mut ChunkRecord::default(), |_, filled| fill(filled)).unwrap();
    assert_eq!(chunks.row(), stored(1, 9));
}

fn a_chunk_of_a_fenced_owner_changes_no_row<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    chunks.commit(1).unwrap();
    let _new = force(&place.open());
    let before = chunks.row();
    for _ in 0..2 {
        let chunk = commit::<P>(&mut chunks.step, 2);
        assert!(is_fenced(&chunk), "{chunk:?}");
    }
    assert_eq!((chunks.items(), chunks.row()), (vec!["1".to_owned()], before));
}

fn another_epoch_alone_fences_the_owner<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    place.sql("UPDATE BATCH_JOB_OWNER SET EPOCH = EPOCH + 1");
    let chunk = commit::<P>(&mut chunks.step, 1);
    assert!(is_fenced(&chunk), "{chunk:?}");
    assert!(chunks.items().is_empty());
}

fn a_row_with_an_unexpected_version_fences_the_owner<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    place.sql("UPDATE BATCH_STEP_EXECUTION SET VERSION = 7");
    let chunk = commit::<P>(&mut chunks.step, 1);
    assert!(is_fenced(&chunk), "{chunk:?}");
    assert!(chunks.items().is_empty());
}

fn a_component_cannot_end_the_transaction<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    for end in ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN"] {
        let ended = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
            for statement in [INSERT].into_iter().chain(end.split(';')) {
                // A component that ignores the error of a `COMMIT` continues without a transaction.
                let _ = P::execute(chunk, statement);
            }
            let _ = P::execute(chunk, "INSERT INTO item VALUES (2)");
            Ok(())
        });
        let Err(ChunkError::Work(failure)) = ended else { panic!("{end}: {ended:?}") };
        assert!(failure.find::<RepositoryError>().is_some(), "{end}: {failure}");
        assert!(failure.is_fatal(), "no rule skips it");
        assert!(chunks.items().is_empty(), "{end}");

        let ended = chunks.step.chunks.commit(&mut record(1), |chunk, _| {
            end.split(';').try_for_each(|statement| P::execute(chunk, statement))
        });
        let Err(ChunkError::Work(failure)) = ended else { panic!("{end}: {ended:?}") };
        assert!(failure.is_fatal(), "no rule skips it");
        chunks.commit(3).unwrap();
        assert_eq!(chunks.items(), ["3"], "{end}");
        place.sql("DELETE FROM item");
    }
}

fn the_next_commit_reports_a_stop<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    assert!(!chunks.commit(1).unwrap());
    assert!(!chunks.repository.stop_requested(chunks.launched.ownership).unwrap());
    place.open().request_stop(chunks.launched.ownership.execution).unwrap();
    assert!(chunks.commit(2).unwrap());
    assert!(chunks.repository.stop_requested(chunks.launched.ownership).unwrap());
}

fn the_context_of_the_job_is_committed_with_the_chunk<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    let mut record = ChunkRecord { job_context: Some(encode_context(&context(3))), ..record(1) };
    chunks.step.chunks.commit(&mut record, |_, _| Err(Failure::new("no"))).unwrap_err();
    chunks.step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
    fail(&chunks.repository, chunks.launched.ownership);
    assert_eq!(launch(&chunks.repository).context, context(3));
}

fn branches_change_the_context_of_the_job_side_by_side<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let mut step = begin_as(&repository, launched.ownership, &start(name)).unwrap();
            scope.spawn(move || {
                for position in 0..20 {
                    let changes = [(format!("{name}{position}"), position.into())].into();
                    let mut record =
                        ChunkRecord { job_context: Some(encode_context(&changes)), ..record(position) };
                    step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
                }
            });
        }
    });
    fail(&repository, launched.ownership);
    assert_eq!(launch(&repository).context.len(), 80);
}

/// A step whose chunks wait for as long as it takes, unless `signal` is raised.
fn patient<P: Place>(place: &P, signal: &StopSignal) -> (Repo, Launched, BegunStep) {
    let repository = place.open_with(Setup { wait: Some(Duration::from_hours(1)), ..Setup::default() });
    make_items(place);
    let launched = launch(&repository);
    let step =
        begin_as(&repository, launched.ownership, &StepStart { stop: signal, ..start("step") }).unwrap();
    (repository, launched, step)
}

fn a_chunk_that_waits_for_a_lock_is_rolled_back_when_the_job_is_asked_to_stop<P: Place>(place: &P) {
    let signal = StopSignal::new();
    let (_repository, _launched, mut step) = patient(place, &signal);
    let lock = place.lock();
    signal.raise();
    let stopped = commit::<P>(&mut step, 1);
    assert!(matches!(stopped, Err(ChunkError::Stopped)), "{stopped:?}");
    drop(lock);
    assert!(items(place).is_empty());
    // A chunk that need not wait is not stopped here, only after it.
    commit::<P>(&mut step, 2).unwrap();
    assert_eq!(items(place), ["2"]);
}

fn a_chunk_that_waits_for_a_lock_notices_a_stop_requested_through_the_repository<P: Place>(place: &P) {
    let signal = StopSignal::new();
    let (repository, launched, mut step) = patient(place, &signal);
    repository.request_stop(launched.ownership.execution).unwrap();
    let _lock = place.lock();
    let stopped = commit::<P>(&mut step, 1);
    assert!(matches!(stopped, Err(ChunkError::Stopped)), "{stopped:?}");
    assert!(signal.is_raised());
}

fn a_chunk_that_waits_for_a_lock_commits_once_it_is_free<P: Place>(place: &P) {
    let signal = StopSignal::new();
    let (_repository, _launched, mut step) = patient(place, &signal);
    let lock = place.lock();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| commit::<P>(&mut step, 1));
        // Longer than the interval between two checks.
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waits.is_finished());
        drop(lock);
        waits.join().unwrap().unwrap();
    });
    assert_eq!(items(place), ["1"]);
}

fn a_commit_that_fails_is_rolled_back_and_the_next_one_commits<P: Place>(place: &P) {
    let mut chunks = chunks(place);
    place.sql(
        "CREATE TABLE carrier (id INTEGER PRIMARY KEY);
         CREATE TABLE flight (carrier INTEGER REFERENCES carrier (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let failed = chunks
        .step
        .chunks
        .commit(&mut record(1), |chunk, _| P::execute(chunk, "INSERT INTO flight VALUES (7)"));
    let Err(ChunkError::Refused(failure)) = failed else { panic!("{failed:?}") };
    assert!(failure.to_string().to_lowercase().contains("foreign key constraint"), "{failure}");
    assert!(place.rows("SELECT * FROM flight").is_empty());
    chunks.commit(2).unwrap();
    assert_eq!((chunks.items(), chunks.row()), (vec!["2".to_owned()], stored(1, 2)));
}

fn concurrent_steps_commit_without_losing_a_chunk<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let launched = launch(&repository);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let mut step = begin_as(&repository, launched.ownership, &start(name)).unwrap();
            scope.spawn(move || {
                for position in 0..50 {
                    commit::<P>(&mut step, position).unwrap();
                }
            });
        }
    });
    assert_eq!(place.rows("SELECT COUNT(*) FROM item"), ["200"]);
    assert_eq!(place.rows("SELECT DISTINCT VERSION, READ_COUNT FROM BATCH_STEP_EXECUTION"), ["50|49"]);
}
