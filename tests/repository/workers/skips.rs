//! The limit of the skips of a step, which all its partitions share.

use std::sync::Barrier;

use batch_runtime::repository::{ChunkError, ChunkRecord, Counters, SkipPhase, SkipRoom, SkippedItem};

use super::*;
use crate::warehouse::{NEVER, Warehouse};

every_kind![
    skips_without_room_are_not_committed_and_neither_are_the_rows_of_their_chunk,
    of_partitions_that_skip_at_once_no_more_than_the_limit_is_committed,
];

every_pair![skips_without_room_are_not_committed_in_another_database];

/// A chunk that skips one item, the `count`th of its partition, if there is room.
fn skipping(position: i64, count: u64, below: u64) -> ChunkRecord {
    let skipped = SkippedItem {
        phase: SkipPhase::Process,
        position: String::new(),
        location: None,
        error: "no".to_owned(),
        item: None,
    };
    let record = record(position);
    ChunkRecord {
        counters: Counters { process_skip: count, ..record.counters },
        skipped: vec![skipped],
        skip_room: Some(SkipRoom { step: "step".into(), below }),
        ..record
    }
}

fn skips_without_room_are_not_committed_and_neither_are_the_rows_of_their_chunk<P: Place>(place: &P) {
    let _manager = Manager::offering(place, 2);
    let worker = Worker::of(place);
    let mut steps = [(); 2].map(|()| worker.begin(&worker.claim()));
    for step in &mut steps {
        step.chunks.commit(&mut skipping(1, 1, 2), |chunk, _| P::insert(chunk, 1)).unwrap();
    }
    let refused = steps[0].chunks.commit(&mut skipping(2, 2, 2), |chunk, _| P::insert(chunk, 2));
    assert!(matches!(refused, Err(ChunkError::SkipLimit { so_far: 2 })), "{refused:?}");
    commit::<P>(&mut steps[0], 3).unwrap();
    assert_eq!(items(place), ["1", "1", "3"]);
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_SKIPPED_ITEM"), ["2"]);
}

fn of_partitions_that_skip_at_once_no_more_than_the_limit_is_committed<P: Place>(place: &P) {
    let _manager = Manager::offering(place, 4);
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let worker = Worker::of(place);
                let mut step = worker.begin(&worker.claim());
                barrier.wait();
                for count in 1..=10 {
                    let chunk =
                        step.chunks.commit(&mut skipping(1, count, 15), |chunk, _| P::insert(chunk, 1));
                    match chunk {
                        Ok(_) => {}
                        Err(ChunkError::SkipLimit { so_far: 15 }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_SKIPPED_ITEM"), ["15"]);
    assert_eq!(items(place).len(), 15);
}

fn skips_without_room_are_not_committed_in_another_database<R: Place, W: Place>(here: &R, there: &W) {
    let warehouse = Warehouse::of(here, there, NEVER);
    let launched = launch(&warehouse.repository);
    let names = ["step:partition0", "step:partition1"];
    let mut steps = names.map(|name| warehouse.begin_as(launched.ownership, &start(name)).unwrap());
    for step in &mut steps {
        step.chunks.commit(&mut skipping(1, 1, 2), |chunk, _| W::insert(chunk, 1)).unwrap();
    }
    let refused = steps[1].chunks.commit(&mut skipping(2, 2, 2), |chunk, _| W::insert(chunk, 2));
    assert!(matches!(refused, Err(ChunkError::SkipLimit { so_far: 2 })), "{refused:?}");
    assert_eq!(items(there), ["1", "1"]);
}
