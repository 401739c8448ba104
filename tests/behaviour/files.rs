//! Files are written as `NAME.TAG.part`, and get their final names once they are complete.

use batch_runtime::prelude::*;
use batch_runtime::readers::{CsvReader, ReadError};
use batch_runtime::writers::{CsvWriter, JsonLinesWriter};

use crate::support::{World, step};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    id: u32,
    name: String,
}

#[reader]
fn items(input: PathBuf) -> Result<CsvReader<Item>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn check(item: Item, fail_at: Option<u32>) -> Result<Item, String> {
    if fail_at == Some(item.id) { Err(format!("item {} is bad", item.id)) } else { Ok(item) }
}

#[writer]
fn copy(output: PathBuf) -> CsvWriter<Item> {
    CsvWriter::create(output)
}

#[writer]
fn lines(lines_output: PathBuf) -> JsonLinesWriter<Item> {
    JsonLinesWriter::create(lines_output)
}

#[step(chunk = 3)]
fn copy_items() {
    items | check | (copy, lines)
}

#[job]
fn copying(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    #[param(identifying = false)] fail_at: Option<u32>,
) {
    copy_items;
}

const INPUT: &str = "id,name\n1,one\n2,\"two, or so\"\n3,three\n4,four\n5,five\n6,six\n7,seven\n8,eight\n";

fn launch(world: &World, fail_at: Option<u32>) -> batch_runtime::Launch {
    copying(world.path("in.csv"), world.path("out.csv"), world.path("out.jsonl"), fail_at)
}

fn world_with_input() -> World {
    let world = World::new();
    std::fs::write(world.path("in.csv"), INPUT).expect("the folder is writable");
    world
}

#[test]
fn an_unfinished_file_does_not_have_its_final_name() {
    let world = world_with_input();
    world.fails(&launch(&world, Some(5)));
    assert!(!world.path("out.csv").exists());
    assert_eq!(
        std::fs::read_to_string(world.unfinished("out.csv.part")).unwrap(),
        INPUT[..INPUT.find("4,").unwrap()]
    );
}

#[test]
fn a_failed_processor_is_reported_with_the_place_of_its_item() {
    let world = world_with_input();
    for (bad, line) in [(2, 3), (8, 9)] {
        let report = world.fails(&launch(&world, Some(bad)));
        let text = &report.exit.description;
        assert!(text.contains(&format!("in.csv, line {line}: item {bad} is bad")), "{text}");
    }
}

#[test]
fn a_restart_truncates_uncommitted_rows_and_ends_with_the_same_bytes() {
    let world = world_with_input();
    world.fails(&launch(&world, Some(5)));
    // As after a crash between the write and the commit.
    let mut part = std::fs::OpenOptions::new().append(true).open(world.unfinished("out.csv.part")).unwrap();
    std::io::Write::write_all(&mut part, b"4,fo").unwrap();
    drop(part);
    world.fails(&launch(&world, Some(8)));
    let report = world.completes(&launch(&world, None));
    assert_eq!(std::fs::read_to_string(world.path("out.csv")).unwrap(), INPUT);
    assert!(!world.unfinished("out.csv.part").exists());
    let lines = std::fs::read_to_string(world.path("out.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 8);
    let last = step(&report, "copy_items");
    assert_eq!(last.before.read + last.counters.read, 8);
}

#[test]
fn a_file_that_exists_and_belongs_to_no_execution_is_not_touched() {
    let world = world_with_input();
    std::fs::write(world.path("out.csv"), "precious").unwrap();
    let report = world.fails(&launch(&world, None));
    assert!(report.exit.description.contains("out.csv"), "{}", report.exit.description);
    assert_eq!(std::fs::read_to_string(world.path("out.csv")).unwrap(), "precious");
}

#[test]
fn an_input_that_was_changed_before_the_position_is_refused() {
    let world = world_with_input();
    world.fails(&launch(&world, Some(5)));
    std::fs::write(world.path("in.csv"), INPUT.replace("1,one", "1,ONE")).unwrap();
    let report = world.fails(&launch(&world, None));
    assert!(report.exit.description.contains("in.csv"), "{}", report.exit.description);
    assert!(report.exit.description.contains("changed"), "{}", report.exit.description);
    std::fs::write(world.path("in.csv"), INPUT).unwrap();
    world.completes(&launch(&world, None));
    assert_eq!(std::fs::read_to_string(world.path("out.csv")).unwrap(), INPUT);
}

#[test]
fn lines_added_after_the_position_are_read() {
    let world = world_with_input();
    world.fails(&launch(&world, Some(5)));
    let longer = format!("{INPUT}9,nine\n");
    std::fs::write(world.path("in.csv"), &longer).unwrap();
    world.completes(&launch(&world, None));
    assert_eq!(std::fs::read_to_string(world.path("out.csv")).unwrap(), longer);
}
