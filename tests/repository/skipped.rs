//! Skipped items: committed with their chunk, never lost, never duplicated.

use std::time::Duration;

use batch_runtime::repository::{
    BatchStatus, BegunStep, ChunkError, ChunkRecord, Ownership, RepositoryError, SkipPhase, SkippedItem,
    Stored,
};
use batch_runtime::{ExecutionId, Failure};

use crate::place::{Place, Repo};
use crate::support::*;
use crate::warehouse::{NEVER, Warehouse};

every_kind![
    skipped_items_are_committed_with_their_chunk_and_read_back_in_full,
    skips_of_a_rolled_back_chunk_are_dropped_and_their_numbers_reused,
    a_fenced_owner_records_no_skips,
    a_very_long_error_text_is_cut,
    a_missing_execution_is_an_error_rather_than_no_skips,
];

every_pair![
    another_database_takes_the_skips_with_the_rows_and_the_repository_follows,
    the_end_of_a_step_copies_the_remaining_skips,
    a_takeover_copies_the_skips_of_a_dead_owner_once,
    a_step_that_could_not_copy_its_skips_is_incomplete_and_its_next_start_copies_them,
    more_skips_than_fit_on_a_page_are_all_copied,
];

fn skipped(name: &str) -> SkippedItem {
    SkippedItem {
        phase: SkipPhase::Process,
        position: r#"{"v":1,"at":5,"ahead":2}"#.to_owned(),
        location: Some(format!("flights.csv, line {name}")),
        error: format!("no carrier in {name}"),
        item: Some(format!("\"{name}\"")),
    }
}

/// Commits a chunk that skips items.
fn skip(step: &mut BegunStep, names: &[&str]) -> Result<Stored, ChunkError> {
    let skipped = names.iter().copied().map(skipped).collect();
    step.chunks.commit(&mut ChunkRecord { skipped, ..record(1) }, |_, _| Ok(()))
}

fn names(repository: &Repo, owner: Ownership) -> Vec<String> {
    let rows = repository.skipped_items(owner.execution).unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.sequence, row.item.item.unwrap())).collect()
}

fn skipped_items_are_committed_with_their_chunk_and_read_back_in_full<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    skip(&mut step, &["a"]).unwrap();
    let read = SkippedItem { phase: SkipPhase::Read, location: None, item: None, ..skipped("b") };
    let both = ChunkRecord { skipped: vec![read.clone(), skipped("c")], ..record(2) };
    step.chunks.commit(&mut both.clone(), |_, _| Ok(())).unwrap();

    let rows = repository.skipped_items(launched.ownership.execution).unwrap();
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(rows.iter().all(|row| row.step == "step" && row.step_execution == step.id));
    assert_eq!(rows.into_iter().map(|row| row.item).collect::<Vec<_>>(), [skipped("a"), read, skipped("c")]);
}

fn skips_of_a_rolled_back_chunk_are_dropped_and_their_numbers_reused<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    let mut given_up = ChunkRecord { skipped: vec![skipped("a")], ..record(1) };
    step.chunks.commit(&mut given_up, |_, _| Err(Failure::new("no"))).unwrap_err();
    place.forbid_rows("BATCH_SKIPPED_ITEM");
    skip(&mut step, &["b"]).unwrap_err();
    place.allow_rows("BATCH_SKIPPED_ITEM");
    assert!(names(&repository, launched.ownership).is_empty());
    assert_eq!(repository.steps(launched.ownership.execution).unwrap()[0].counters.commit, 0);
    skip(&mut step, &["c"]).unwrap();
    assert_eq!(names(&repository, launched.ownership), [r#"1 "c""#]);
}

fn a_fenced_owner_records_no_skips<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    let mut step = begin(&repository, first.ownership);
    let _second = force(&repository);
    skip(&mut step, &["a"]).unwrap_err();
    assert!(names(&repository, first.ownership).is_empty());
}

fn a_very_long_error_text_is_cut<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    let long = SkippedItem { error: "ä".repeat(3_000), ..skipped("a") };
    step.chunks.commit(&mut ChunkRecord { skipped: vec![long], ..record(1) }, |_, _| Ok(())).unwrap();
    let rows = repository.skipped_items(launched.ownership.execution).unwrap();
    assert_eq!(rows[0].item.error, "ä".repeat(2_500));
}

fn a_missing_execution_is_an_error_rather_than_no_skips<P: Place>(place: &P) {
    let error = place.open().skipped_items(ExecutionId(7)).unwrap_err();
    assert!(matches!(error, RepositoryError::NoSuchExecution(ExecutionId(7))), "{error}");
}

fn another_database_takes_the_skips_with_the_rows_and_the_repository_follows<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, Duration::ZERO);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    skip(&mut step, &["a", "b"]).unwrap();
    skip(&mut step, &["c"]).unwrap();
    assert_eq!(
        warehouse
            .there
            .rows("SELECT STEP_EXECUTION_ID, SEQUENCE, ITEM FROM BATCH_STEP_SKIPPED_ITEM ORDER BY 1, 2"),
        [r#"1|1|"a""#, r#"1|2|"b""#, r#"1|3|"c""#]
    );
    let here = names(&warehouse.repository, launched.ownership);
    assert_eq!(here, [r#"1 "a""#, r#"2 "b""#, r#"3 "c""#]);
}

fn the_end_of_a_step_copies_the_remaining_skips<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    for name in ["a", "b", "c"] {
        skip(&mut step, &[name]).unwrap();
    }
    assert_eq!(names(&warehouse.repository, launched.ownership), [r#"1 "a""#]);
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    warehouse.finish(launched.ownership, &step, &finish).unwrap();
    assert_eq!(names(&warehouse.repository, launched.ownership), [r#"1 "a""#, r#"2 "b""#, r#"3 "c""#]);
}

fn a_takeover_copies_the_skips_of_a_dead_owner_once<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    for name in ["a", "b", "c"] {
        skip(&mut step, &[name]).unwrap();
    }
    drop(first.lock);
    let mut owner = first.ownership;
    for _ in 0..2 {
        let launched = launch(&warehouse.repository);
        owner = launched.ownership;
        warehouse.begin(owner).unwrap();
        assert_eq!(names(&warehouse.repository, first.ownership), [r#"1 "a""#, r#"2 "b""#, r#"3 "c""#]);
    }
    assert!(names(&warehouse.repository, owner).is_empty());
}

fn a_step_that_could_not_copy_its_skips_is_incomplete_and_its_next_start_copies_them<R: Place, W: Place>(
    here: &R,
    there: &W,
) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let first = launch(&warehouse.repository);
    let mut step = warehouse.begin(first.ownership).unwrap();
    warehouse.here.forbid_rows("BATCH_SKIPPED_ITEM");
    skip(&mut step, &["a"]).unwrap();
    let finish = |status| warehouse.finish(first.ownership, &step, &ended_step(status, "X"));
    assert!(finish(BatchStatus::Completed).is_err());
    finish(BatchStatus::Failed).unwrap();
    fail(&warehouse.repository, first.ownership);
    assert!(names(&warehouse.repository, first.ownership).is_empty());
    warehouse.here.allow_rows("BATCH_SKIPPED_ITEM");
    warehouse.begin(launch(&warehouse.repository).ownership).unwrap();
    assert_eq!(names(&warehouse.repository, first.ownership), [r#"1 "a""#]);
}

fn more_skips_than_fit_on_a_page_are_all_copied<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let mut step = warehouse.begin(launched.ownership).unwrap();
    skip(&mut step, &vec!["a"; 2_500]).unwrap();
    assert_eq!(names(&warehouse.repository, launched.ownership).len(), 2_500);
}
