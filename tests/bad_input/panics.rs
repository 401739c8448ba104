//! Panicking components: a failure like any other, reported on one line with its place in the source. The chunk is
//! rolled back, and the command resumes once the component is fixed.

use crate::world::{ENTRIES, RUN, World, booked};

#[track_caller]
fn fails(part: &str, begins: &str, ends: &str, booked_before: &[&str]) {
    let world = World::new();
    let ended = world.run(&format!("{RUN} --panics {part}"));
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let (cause, remedy) = ended.err.split_once('\n').unwrap();
    assert!(cause.starts_with(&format!("{begins}: ")) && cause.contains("panicked at "), "{cause}");
    assert!(cause.contains("programs/ledger.rs:") && cause.ends_with(&format!(": {ends}")), "{cause}");
    assert_eq!(remedy, "fix it and run the same command again to resume after the last commit\n");
    assert_eq!(booked(&world.file("batch.db")), booked_before);
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_reader_that_panics_while_it_opens_fails_its_step() {
    fails("opening", "export failed: opening in `entries`", "the reader does not open", &[]);
}

#[test]
fn a_reader_that_panics_fails_its_step() {
    fails("reader", "export failed: reading in `entries`", "the reader had enough", &[]);
}

#[test]
fn a_processor_that_panics_fails_its_step() {
    fails("processor", "export failed: processing in `padded`", "the processor had enough", &[]);
}

#[test]
fn a_writer_that_panics_fails_its_step_and_loses_its_chunk() {
    fails("writer", "book failed: writing in `books`", "the writer had enough", &["a", "b"]);
}

#[test]
fn a_tasklet_that_panics_fails_its_step() {
    let all = ["a", "b", "c", "d", "e"];
    fails("tasklet", "close failed: running in `close`", "the tasklet had enough", &all);
}
