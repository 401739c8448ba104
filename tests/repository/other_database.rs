//! Steps whose rows go to another database.

use std::sync::Barrier;
use std::time::Duration;

use batch_runtime::repository::{
    BatchStatus, ChunkError, ChunkRecord, Counters, RepositoryError, StepFinish, StepStart, encode_context,
};
use batch_runtime::{Failure, StopSignal};

use crate::place::Place;
use crate::support::*;
use crate::warehouse::{NEVER, Warehouse};

every_pair![
    guard_counters_and_checkpoint_are_committed_with_the_rows,
    the_first_chunk_is_copied_at_once_and_the_others_in_time,
    a_failed_chunk_leaves_nothing_there_and_the_next_one_commits,
    the_truth_is_there_when_the_owner_dies_before_the_repository_follows,
    a_death_before_the_first_chunk_of_a_restart_loses_nothing,
    the_epoch_is_raised_there_so_that_the_old_owner_commits_nothing_more,
    another_epoch_there_alone_fences_the_owner,
    the_repository_follows_and_reports_a_stop,
    the_context_of_the_job_reaches_the_repository_at_once,
    the_end_of_a_step_copies_everything_into_the_repository,
    a_context_that_changed_after_the_last_chunk_is_inherited,
    a_completed_step_begins_from_scratch,
    another_database_than_before_holds_no_checkpoint,
    two_repositories_keep_their_checkpoints_apart,
    a_database_that_cannot_be_opened_is_named,
    many_threads_may_create_one_database,
    commits_there_are_copied_for_a_step_whose_end_could_not_be_recorded,
    a_step_that_has_another_name_now_finds_its_checkpoint,
    a_component_cannot_end_the_transaction_there,
    a_commit_that_fails_there_is_rolled_back,
    a_step_that_waits_for_a_lock_there_does_not_begin_when_the_job_is_asked_to_stop,
    a_chunk_that_waits_for_a_lock_there_notices_a_stop_requested_through_the_repository,
];

every_kind![the_repository_s_own_database_under_another_name_is_its_own];

fn guard_counters_and_checkpoint_are_committed_with_the_rows<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    assert_eq!(items(warehouse.there), ["5"]);
    assert_eq!(
        warehouse.there.rows(
            "SELECT JOB_INSTANCE_ID, STEP_NAME, EPOCH, STEP_EXECUTION_ID, READ_COUNT, CONTEXT FROM BATCH_STEP_CHECKPOINT"
        ),
        [r#"1|step|1|1|5|{"@class":"java.util.HashMap","position":["java.lang.Long",5]}"#]
    );
    assert_eq!(
        warehouse.there.rows("SELECT REPOSITORY FROM BATCH_STEP_CHECKPOINT"),
        warehouse.here.rows("SELECT REPOSITORY FROM BATCH_SCHEMA")
    );
}

fn the_first_chunk_is_copied_at_once_and_the_others_in_time<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    for item in [5, 6] {
        commit::<W>(&mut step, item).unwrap();
        assert_eq!(warehouse.here.rows("SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
    }
}

fn a_failed_chunk_leaves_nothing_there_and_the_next_one_commits<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    let failed = step.chunks.commit(&mut record(1), |chunk, _| {
        W::execute(chunk, "INSERT INTO item VALUES (1)")?;
        Err(Failure::new("no"))
    });
    assert!(matches!(failed, Err(ChunkError::Work(_))));
    commit::<W>(&mut step, 2).unwrap();
    assert_eq!(items(warehouse.there), ["2"]);
}

fn the_truth_is_there_when_the_owner_dies_before_the_repository_follows<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    commit::<W>(&mut step, 6).unwrap();
    drop(first.lock);

    let second = launch(&warehouse.repository);
    let again = warehouse.begin(second.ownership).unwrap();
    assert_eq!((again.context, again.before.read), (context(6), 6));
    let lost = warehouse.repository.steps(first.ownership.execution).unwrap().remove(0);
    assert_eq!((lost.counters.read, lost.context), (6, context(6)));
}

fn a_death_before_the_first_chunk_of_a_restart_loses_nothing<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let mut launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    for _ in 0..2 {
        drop(launched.lock);
        launched = launch(&warehouse.repository);
        let again = warehouse.begin(launched.ownership).unwrap();
        assert_eq!((again.context, again.before.read), (context(5), 5));
    }
}

fn the_epoch_is_raised_there_so_that_the_old_owner_commits_nothing_more<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut old = warehouse.begin(first.ownership).unwrap();
    commit::<W>(&mut old, 1).unwrap();
    let second = force(&warehouse.repository);
    // Until the new owner reaches the step, the old one still commits, and its work is read afterwards.
    commit::<W>(&mut old, 2).unwrap();
    let mut new = warehouse.begin(second.ownership).unwrap();
    assert_eq!(new.context, context(2));
    let chunk = commit::<W>(&mut old, 3);
    assert!(is_fenced(&chunk), "{chunk:?}");
    assert!(matches!(warehouse.begin(first.ownership), Err(RepositoryError::Fenced { .. })));
    commit::<W>(&mut new, 4).unwrap();
    assert_eq!(items(warehouse.there), ["1", "2", "4"]);
}

fn another_epoch_there_alone_fences_the_owner<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    warehouse.there.sql("UPDATE BATCH_STEP_CHECKPOINT SET EPOCH = EPOCH + 1");
    let chunk = commit::<W>(&mut step, 1);
    assert!(is_fenced(&chunk), "{chunk:?}");
    assert!(items(warehouse.there).is_empty());
}

fn the_repository_follows_and_reports_a_stop<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, Duration::ZERO);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    assert!(!commit::<W>(&mut step, 5).unwrap().stop_requested);
    assert_eq!(warehouse.here.rows("SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
    warehouse.repository.request_stop(launched.ownership.execution).unwrap();
    assert!(commit::<W>(&mut step, 6).unwrap().stop_requested);
    assert_eq!(warehouse.here.rows("SELECT VERSION, READ_COUNT FROM BATCH_STEP_EXECUTION"), ["2|6"]);
}

fn the_context_of_the_job_reaches_the_repository_at_once<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    let mut record = ChunkRecord { job_context: Some(encode_context(&context(3))), ..record(1) };
    step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
    fail(&warehouse.repository, launched.ownership);
    assert_eq!(launch(&warehouse.repository).context, context(3));
}

fn the_end_of_a_step_copies_everything_into_the_repository<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
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

fn a_context_that_changed_after_the_last_chunk_is_inherited<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    let finish = StepFinish { context: Some(context(6)), ..ended_step(BatchStatus::Failed, "FAILED") };
    warehouse.finish(first.ownership, &step, &finish).unwrap();
    fail(&warehouse.repository, first.ownership);
    let second = launch(&warehouse.repository);
    assert_eq!(warehouse.begin(second.ownership).unwrap().context, context(6));
}

fn a_completed_step_begins_from_scratch<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    warehouse.finish(first.ownership, &step, &finish).unwrap();
    fail(&warehouse.repository, first.ownership);
    let second = launch(&warehouse.repository);
    let mut again = warehouse.begin(second.ownership).unwrap();
    assert!(again.context.is_empty());
    commit::<W>(&mut again, 1).unwrap();
}

fn another_database_than_before_holds_no_checkpoint<R: Place, W: Place>(here: &R, there: &W) {
    let mut warehouse = Warehouse::of(here, there, Duration::ZERO);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    drop(first.lock);
    let Some(other) = W::new() else { return };
    warehouse.handle = other.handle();
    let second = launch(&warehouse.repository);
    assert!(warehouse.begin(second.ownership).unwrap().context.is_empty());
}

fn two_repositories_keep_their_checkpoints_apart<R: Place, W: Place>(here: &R, there: &W) {
    let Some((another, unused)) = R::new().zip(W::new()) else { return };
    let one = Warehouse::of(here, there, NEVER);
    let other = Warehouse { handle: one.handle.clone(), ..Warehouse::of(&another, &unused, NEVER) };
    for warehouse in [&one, &other] {
        let launched = launch(&warehouse.repository);
        let mut step = warehouse.begin(launched.ownership).unwrap();
        assert!(step.context.is_empty());
        commit::<W>(&mut step, 5).unwrap();
    }
    assert_eq!(one.there.rows("SELECT COUNT(*) FROM BATCH_STEP_CHECKPOINT"), ["2"]);
}

fn a_database_that_cannot_be_opened_is_named<R: Place, W: Place>(here: &R, there: &W) {
    let mut warehouse = Warehouse::of(here, there, NEVER);
    let (broken, part) = warehouse.there.broken();
    warehouse.handle = broken;
    let launched = launch(&warehouse.repository);
    let error = warehouse.begin(launched.ownership).unwrap_err().to_string();
    assert!(error.contains(&part) && error.contains("(database `warehouse`)"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    assert!(warehouse.repository.steps(launched.ownership.execution).unwrap().is_empty());
}

fn many_threads_may_create_one_database<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let (warehouse, barrier, owner) = (&warehouse, &barrier, launched.ownership);
            scope.spawn(move || {
                barrier.wait();
                commit::<W>(&mut warehouse.begin_as(owner, &start(name)).unwrap(), 1).unwrap();
            });
        }
    });
    assert_eq!(warehouse.there.rows("SELECT COUNT(*) FROM item"), ["8"]);
}

fn commits_there_are_copied_for_a_step_whose_end_could_not_be_recorded<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    commit::<W>(&mut step, 9).unwrap();
    drop(step);
    fail(&warehouse.repository, launched.ownership);
    let again = warehouse.begin(launch(&warehouse.repository).ownership).unwrap();
    assert_eq!((again.before.read, again.context), (9, context(9)));
}

fn a_step_that_has_another_name_now_finds_its_checkpoint<R: Place, W: Place>(here: &R, there: &W) {
    use batch_runtime::repository::{LaunchRequest, Renamed};

    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    commit::<W>(&mut step, 5).unwrap();
    commit::<W>(&mut step, 6).unwrap();
    drop(first.lock);

    let parameters = parameters("a");
    let holds: &batch_runtime::repository::Holds<'_> =
        &|_| Ok(vec![Renamed { from: "step".to_owned(), to: "fill".to_owned() }]);
    let second = warehouse.repository.launch(&LaunchRequest { holds, ..request(&parameters) }).unwrap();
    let earlier_names = ["step".to_owned()];
    let mut again = warehouse
        .begin_as(second.ownership, &StepStart { earlier_names: &earlier_names, ..start("fill") })
        .unwrap();
    assert_eq!((again.context.clone(), again.before.read, again.starts), (context(6), 6, 2));
    commit::<W>(&mut again, 7).unwrap();
    assert_eq!(warehouse.there.rows("SELECT STEP_NAME FROM BATCH_STEP_CHECKPOINT"), ["fill"]);
}

fn a_component_cannot_end_the_transaction_there<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    let ended = step.chunks.commit(&mut record(1), |chunk, _| {
        for statement in ["INSERT INTO item VALUES (1)", "COMMIT", "INSERT INTO item VALUES (2)"] {
            let _ = W::execute(chunk, statement);
        }
        Ok(())
    });
    let Err(ChunkError::Work(failure)) = ended else { panic!("{ended:?}") };
    assert!(failure.is_fatal(), "no rule skips it");
    commit::<W>(&mut step, 3).unwrap();
    assert_eq!(items(warehouse.there), ["3"]);
}

fn a_commit_that_fails_there_is_rolled_back<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    warehouse.there.sql(
        "CREATE TABLE carrier (id INTEGER PRIMARY KEY);
         CREATE TABLE flight (carrier INTEGER REFERENCES carrier (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    let refused =
        step.chunks.commit(&mut record(1), |chunk, _| W::execute(chunk, "INSERT INTO flight VALUES (7)"));
    assert!(matches!(refused, Err(ChunkError::Refused(_))), "{refused:?}");
    commit::<W>(&mut step, 2).unwrap();
    assert_eq!(
        (items(warehouse.there), warehouse.there.rows("SELECT * FROM flight")),
        (vec!["2".to_owned()], vec![])
    );
}

fn a_step_that_waits_for_a_lock_there_does_not_begin_when_the_job_is_asked_to_stop<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    // The tables of checkpoints are there.
    warehouse.begin_as(launched.ownership, &start("earlier")).unwrap();
    let signal = StopSignal::new();
    signal.raise();
    let _lock = warehouse.there.lock();
    let error =
        warehouse.begin_as(launched.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap_err();
    assert!(matches!(error, RepositoryError::Stopped), "{error}");
    assert_eq!(warehouse.repository.steps(launched.ownership.execution).unwrap().len(), 1);
}

fn a_chunk_that_waits_for_a_lock_there_notices_a_stop_requested_through_the_repository<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let signal = StopSignal::new();
    let mut step =
        warehouse.begin_as(launched.ownership, &StepStart { stop: &signal, ..start("step") }).unwrap();
    warehouse.repository.request_stop(launched.ownership.execution).unwrap();
    let lock = warehouse.there.lock();
    let stopped = commit::<W>(&mut step, 1);
    assert!(matches!(stopped, Err(ChunkError::Stopped)), "{stopped:?}");
    assert!(signal.is_raised());
    drop(lock);
    assert!(items(warehouse.there).is_empty());
}

fn the_repository_s_own_database_under_another_name_is_its_own<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let launched = launch(&repository);
    let alias = place.alias();
    let elsewhere = Some(("warehouse", &alias));
    let mut step =
        begin_as(&repository, launched.ownership, &StepStart { elsewhere, ..start("step") }).unwrap();
    commit::<P>(&mut step, 5).unwrap();
    assert_eq!(items(place), ["5"]);
    assert_eq!(place.rows("SELECT READ_COUNT FROM BATCH_STEP_EXECUTION"), ["5"]);
    assert!(!place.tables().contains(&"BATCH_STEP_CHECKPOINT".to_owned()));
}
