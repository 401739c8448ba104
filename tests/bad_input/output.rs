//! Unwritable output: the step fails before it reads, existing files stay, and the command resumes once the place is
//! free.

use std::fs;

use crate::world::{ENTRIES, RUN, TWO_CHUNKS, World};

#[test]
fn a_file_that_no_execution_wrote_is_left_alone() {
    let world = World::new();
    world.write("copy.csv", "mine");
    world.fails(
        RUN,
        "export failed: opening in `copy`: copy.csv exists already and was not written by this job; \
         move it away, or let the writer overwrite it",
    );
    assert_eq!(world.names(), ["batch.db", "batch.db.lock", "copy.csv", "in.csv"]);
    assert_eq!(world.read("copy.csv"), "mine");
    fs::rename(world.file("copy.csv"), world.file("mine.csv")).unwrap();
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_file_that_appears_while_the_job_is_down_is_left_alone() {
    let world = World::empty();
    world.write("in.csv", format!("{ENTRIES}f,6\n"));
    assert_eq!(world.run(RUN).code, Some(1));
    world.write("in.csv", ENTRIES);
    world.write("copy.csv", "mine");
    world.fails(
        RUN,
        "export failed: writing in `copy`: copy.csv exists already and was not written by this job; \
         move it away, or let the writer overwrite it",
    );
    assert_eq!(world.read("copy.csv"), "mine");
    fs::remove_file(world.file("copy.csv")).unwrap();
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_reported() {
    let world = World::new();
    fs::create_dir(world.file("copy.csv")).unwrap();
    world.fails(
        RUN,
        "export failed: opening in `copy`: copy.csv is a folder: the name of a file was expected",
    );
    fs::remove_dir(world.file("copy.csv")).unwrap();
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let world = World::new();
    let line = format!("{RUN} --output there/copy.csv");
    world.fails(
        &line,
        "export failed: opening in `copy`: cannot write there/copy.csv: the folder there does not exist; \
         create it, or name another file",
    );
    fs::create_dir(world.file("there")).unwrap();
    assert_eq!(world.run(&line).code, Some(0));
    assert_eq!(world.read("there/copy.csv"), ENTRIES);
}

#[test]
fn an_unfinished_file_that_is_missing_or_shorter_is_not_made_up() {
    for (kept, problem) in [
        (None, "copy.csv.part is missing: an earlier execution committed 43 bytes of copy.csv; restore it"),
        (
            Some(&TWO_CHUNKS[..30]),
            "copy.csv.part has 30 bytes, but an earlier execution committed 43 bytes of copy.csv; restore the file",
        ),
    ] {
        let world = World::empty();
        world.write("in.csv", format!("{ENTRIES}f,6\n"));
        assert_eq!(world.run(RUN).code, Some(1));
        world.write("in.csv", ENTRIES);
        let part = world.file("copy.csv.part");
        match kept {
            None => fs::remove_file(&part).unwrap(),
            Some(kept) => fs::write(&part, kept).unwrap(),
        }
        let cause =
            format!("export failed: opening in `copy`: {problem}, or start a new instance (`--next`)");
        world.fails_and_says(RUN, &format!("{cause}\n"));
        fs::write(part, TWO_CHUNKS).unwrap();
        world.completes(RUN, ENTRIES);
    }
}
