use crate::program::{Folder, counted};

const TEXT: &str = "one fish\ntwo fish\nred herring\nblue fish\n";

#[test]
fn it_prints_the_lines_with_the_word() {
    let folder = Folder::new();
    folder.write("text.txt", TEXT);
    let ran = folder.run("hello_job", ["run", "--input", "text.txt", "--word", "fish"]).ended_with(0);
    let printed: Vec<&str> = ran.out.lines().filter(|line| line.contains("fish")).collect();
    assert_eq!(printed, TEXT.lines().filter(|line| line.contains("fish")).collect::<Vec<_>>());
    assert!(!ran.out.contains("herring"));
    let counters = counted(&folder.database(), "search");
    assert_eq!((counters.read, counters.filter, counters.write), (4, 1, 3));
}

#[test]
fn a_missing_parameter_is_named_and_exits_with_the_usage_code() {
    let folder = Folder::new();
    let ran = folder.run("hello_job", ["run", "--input", "text.txt"]).ended_with(2);
    assert!(ran.err.contains("word"), "{}", ran.err);
    assert!(!folder.file("batch.db").exists());
}

#[test]
fn the_smallest_program_has_under_25_lines() {
    let source =
        crate::flights::read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello_job.rs"));
    assert!(source.lines().count() < 25, "{} lines", source.lines().count());
}
