//! A chunk.

use super::*;

#[test]
fn what_fails_in_a_chunk_leaves_nothing_and_the_next_one_commits() {
    let folder = Folder::new();
    let repository = folder.open();
    sql(&folder.file(), "CREATE TABLE item (n)");
    let launched = launch(&repository);
    let mut step = begin(&repository, launched.ownership);
    let failed = step.chunks.commit(&mut record(1), |chunk, _| {
        chunk.of::<crate::Sqlite>()?.execute("INSERT INTO item VALUES (1)", []).map_err(Failure::new)?;
        Err(Failure::new("no"))
    });
    assert!(matches!(failed, Err(ChunkError::Work(_))));
    assert!(rows(&folder.file(), "SELECT n FROM item").is_empty());
    assert!(!commit(&mut step, 2).unwrap().stop_requested);
    assert_eq!(rows(&folder.file(), "SELECT n FROM item"), ["2"]);
    assert_eq!(rows(&folder.file(), "SELECT VERSION, READ_COUNT FROM BATCH_STEP_EXECUTION"), ["1|2"]);
}
