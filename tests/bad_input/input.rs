//! Unreadable input: the step fails, commits stay, and the command resumes once the file is repaired.

use std::fs;

use crate::world::{ENTRIES, RUN, TWO_CHUNKS, World, booked};

/// Checks that a run fails at the text after the entries, commits the chunks before that text, and resumes once the
/// text is repaired.
#[track_caller]
fn fails_after_two_chunks(bad: &[u8], problem: &str) {
    let world = World::empty();
    world.write("in.csv", [ENTRIES.as_bytes(), bad].concat());
    world.fails(RUN, &format!("export failed: reading in `entries`: in.csv, line 7{problem}"));
    assert_eq!(world.names(), ["batch.db", "batch.db.lock", "copy.csv.part", "in.csv"]);
    assert_eq!(world.read("copy.csv.part"), TWO_CHUNKS);
    assert!(booked(&world.file("batch.db")).is_empty());
    let mended = format!("{ENTRIES}f,6,u\n");
    world.write("in.csv", &mended);
    world.completes(RUN, &mended);
}

/// Checks that a run fails before anything is read, and completes once the file is there.
#[track_caller]
fn fails_to_open(world: &World, problem: &str) {
    world.fails(RUN, &format!("export failed: opening in `entries`: {problem}"));
    opens_once_it_is_there(world);
}

#[track_caller]
fn opens_once_it_is_there(world: &World) {
    assert!(!world.names().iter().any(|name| name.starts_with("copy.csv")), "{:?}", world.names());
    if world.file("in.csv").is_dir() {
        fs::remove_dir(world.file("in.csv")).unwrap();
    }
    world.write("in.csv", ENTRIES);
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_missing_file_is_named_and_the_same_command_runs_once_it_is_there() {
    let world = World::empty();
    world.fails_and_says(
        RUN,
        "export failed: opening in `entries`: cannot open in.csv: No such file or directory (os error 2)\n\
         put the input there and run the same command again to resume after the last commit; \
         if the path is wrong, run the job with the right one\n",
    );
    opens_once_it_is_there(&world);
}

#[test]
fn a_folder_is_not_a_file() {
    let world = World::empty();
    fs::create_dir(world.file("in.csv")).unwrap();
    fails_to_open(&world, "in.csv is a folder: a file was expected");
}

#[test]
fn an_empty_file_lacks_its_header() {
    let world = World::empty();
    world.write("in.csv", "");
    fails_to_open(&world, "in.csv is empty: a header line was expected");
}

#[test]
fn a_header_alone_is_an_input_without_items() {
    let world = World::empty();
    world.write("in.csv", "account,cents,note\n");
    world.completes(RUN, "");
}

#[test]
fn a_header_without_a_column_that_is_needed_names_it() {
    let world = World::empty();
    world.write("in.csv", ENTRIES.replacen("account", "acount", 1));
    world.fails(
        RUN,
        "export failed: reading in `entries`: in.csv, header: there is no column `account`, only `acount`, `cents`, `note`",
    );
    assert_eq!(world.read("copy.csv.part"), "");
    world.write("in.csv", ENTRIES);
    world.completes(RUN, ENTRIES);
}

#[test]
fn a_wrong_number_of_columns_is_reported_with_the_line() {
    fails_after_two_chunks(b"f,6\n", ": expected 3 fields, found 2");
    fails_after_two_chunks(b"f,6,u,7\n", ": expected 3 fields, found 4");
}

#[test]
fn an_unclosed_quote_is_reported_with_the_place_where_it_opens() {
    fails_after_two_chunks(b"f,6,\"u\ng,7,t\n", " (byte 49): a quote is opened and never closed");
}

#[test]
fn invalid_utf8_is_reported_with_its_column() {
    fails_after_two_chunks(
        b"f,6,u\xff\n",
        " (byte 49), column `note`: invalid UTF-8, found `u\u{fffd}`; convert the input to UTF-8",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_reported_with_its_column() {
    fails_after_two_chunks(b"f,six,u\n", ", column `cents`: expected an integer, found `six`");
}

#[test]
fn a_long_value_is_cut_at_a_hundred_characters() {
    let shown = "é".repeat(100);
    fails_after_two_chunks(
        format!("f,{shown}é,u\n").as_bytes(),
        &format!(", column `cents`: expected an integer, found `{shown}…`"),
    );
}

#[test]
fn a_value_with_line_breaks_is_reported_on_one_line() {
    fails_after_two_chunks(
        b"f,\"6\n\x1b[2J7\",u\n",
        ", column `cents`: expected an integer, found `6\\n\\u{1b}[2J7`",
    );
}

#[test]
fn a_record_over_16_mib_is_not_taken_into_memory() {
    let long = "u".repeat(16 * 1024 * 1024);
    let problem = " (byte 49): the record is longer than 16777216 bytes";
    fails_after_two_chunks(format!("f,6,{long}\n").as_bytes(), &format!("{problem}; is a line end missing?"));
    fails_after_two_chunks(
        format!("f,6,\"{long}\n").as_bytes(),
        &format!("{problem}; is a closing quote missing?"),
    );
}

#[test]
fn an_input_that_changed_before_the_position_is_refused_until_the_old_one_is_back() {
    for (changed, how) in [
        (ENTRIES.replacen("a,1,x", "a,9,x", 1), "its beginning differs"),
        (format!("{}\n", &ENTRIES[..20]), "it is shorter"),
    ] {
        let world = World::empty();
        world.write("in.csv", format!("{ENTRIES}f,6\n"));
        assert_eq!(world.run(RUN).code, Some(1));
        world.write("in.csv", &changed);
        world.fails_and_says(
            RUN,
            &format!(
                "export failed: opening in `entries`: in.csv was changed since an earlier execution read it up to byte 43: \
                 {how}; restore the old file, or start a new instance (`--next`)\n"
            ),
        );
        assert_eq!(world.read("copy.csv.part"), TWO_CHUNKS);
        world.write("in.csv", ENTRIES);
        world.completes(RUN, ENTRIES);
    }
}
