//! If a reader fails, a bad record is skipped, and a reader that cannot continue is reopened.

use batch_runtime::prelude::*;
use batch_runtime::repository::{BatchStatus, Counters};

use super::script::*;
use crate::support::{World, step, summed};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sale {
    id: i64,
    cents: i64,
}

#[reader]
fn sales(input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn id(sale: Sale) -> i64 {
    sale.id
}

#[step(chunk = 4, skip(ReadError))]
fn load() {
    sales | id | save
}

#[job]
fn load_job(input: PathBuf) {
    load;
}

/// Lines 3, 6 and the last two are bad.
const SALES: &str = "id,cents\n1,1\n2,two\n3,3\n4,4\n5\n6,6\n7,7\n8,8\n9,\"nine\"\n10,x\n";

#[test]
fn bad_lines_are_skipped_and_each_chunk_is_full_anyway() {
    let world = World::new();
    std::fs::write(world.path("in.csv"), SALES).unwrap();
    let counters = step(&world.completes(&load_job(world.path("in.csv"))), "load").counters;
    assert_eq!(calls(Place::Write), [4, 2]);
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 3, 4, 6, 7, 8]);
    assert_eq!(counters, Counters { read: 6, write: 6, read_skip: 4, commit: 2, ..Counters::default() });
    assert_adds_up(counters, 10);
    let all = skipped(&world);
    let lines: Vec<_> =
        all.iter().map(|skipped| skipped.location.clone().unwrap_or(skipped.error.clone())).collect();
    for (line, told) in [3, 6, 10, 11].iter().zip(&lines) {
        assert!(told.contains("in.csv") && told.contains(&format!("line {line}")), "{told}");
    }
    assert!(all.iter().all(|skipped| skipped.phase == "READ"));
    let lines: Vec<_> = all.iter().map(|skipped| skipped.item.as_deref().unwrap_or_default()).collect();
    assert_eq!(lines, ["2,two", "5", "9,\"nine\"", "10,x"], "as they are in the file");
}

#[step(chunk = 4, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2))]
fn count() {
    numbers | save
}

#[job]
fn count_job() {
    count;
}

#[test]
fn a_last_chunk_of_nothing_but_skips_is_committed() {
    let world = World::new();
    input(10);
    fails(Place::Read, Trouble::Bad, [9, 10], ALWAYS);
    let counters = step(&world.completes(&count_job()), "count").counters;
    assert_eq!(counters, Counters { read: 8, write: 8, read_skip: 2, commit: 3, ..Counters::default() });
    assert_eq!(skipped(&world)[1].position, r#"{"v":1,"at":9,"ahead":1}"#);
}

#[test]
fn a_reader_that_cannot_continue_is_reopened_at_its_position_and_nothing_is_lost_or_duplicated() {
    let world = World::new();
    fails(Place::Read, Trouble::Busy, [1, 6, 7, 20], 2);
    let counters = step(&world.completes(&count_job()), "count").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
    assert_eq!(counters, Counters { read: 20, write: 20, commit: 5, ..Counters::default() });
    assert_eq!(opened(), 1 + 4 * 2);
}

#[test]
fn a_reader_that_cannot_continue_within_done_records_is_reopened_there() {
    let world = World::new();
    fails(Place::Read, Trouble::Busy, [5], ALWAYS);
    world.fails(&count_job());
    world.mark_done(&[(2, 6)]);
    heal();
    fails(Place::Read, Trouble::Busy, [7, 9, 11], 2);
    let counters = step(&world.completes(&count_job()), "count").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[7, 8, 9, 10]));
    assert_eq!((counters.read, counters.read_skip), (12, 0));
}

#[test]
fn a_reader_is_reopened_after_the_skipped_records() {
    let world = World::new();
    fails(Place::Read, Trouble::Bad, [2, 5, 6], ALWAYS);
    fails(Place::Read, Trouble::Busy, [3, 7], 1);
    let counters = step(&world.completes(&count_job()), "count").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[2, 5, 6]));
    assert_eq!(counters.read_skip, 3);
    assert_eq!(skipped(&world).len(), 3);
}

#[test]
fn a_reader_that_never_recovers_fails_the_step_and_says_how_often_it_was_tried() {
    let world = World::new();
    fails(Place::Read, Trouble::Busy, [10], ALWAYS);
    let report = world.fails(&count_job());
    let failed = step(&report, "count");
    assert_eq!(
        failed.counters,
        Counters { read: 8, write: 8, commit: 2, rollback: 1, ..Counters::default() }
    );
    let text = &failed.exit.description;
    assert!(text.contains("10 is busy") && text.contains("tried 3 times"), "{text}");
    heal();
    let report = world.completes(&count_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
    assert_eq!(summed(step(&report, "count")).read, 20);
}

#[test]
fn a_bad_record_is_not_tried_again() {
    let world = World::new();
    fails(Place::Read, Trouble::Bad, [2], 1);
    let report = world.completes(&count_job());
    assert_eq!(step(&report, "count").counters.read_skip, 1);
    assert_eq!(opened(), 1);
}

#[step(chunk = 4, skip(Trouble))]
fn lenient() {
    numbers | save
}

#[job]
fn lenient_job() {
    lenient;
}

#[test]
fn an_error_that_the_reader_cannot_step_over_is_never_skipped() {
    let world = World::new();
    fails(Place::Read, Trouble::Fatal, [6], ALWAYS);
    let report = world.run(&lenient_job());
    assert_eq!(report.status, BatchStatus::Failed);
    assert_eq!(step(&report, "lenient").counters.read_skip, 0);
    heal();
    world.completes(&lenient_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
}

#[test]
fn a_read_that_failed_before_the_next_record_is_placed_after_the_last_one() {
    let world = World::new();
    fails(Place::Read, Trouble::Fatal, [6], ALWAYS);
    let report = world.run(&lenient_job());
    let text = &step(&report, "lenient").exit.description;
    assert_eq!(text, "reading in `numbers`: after number 5: 6 is fatal");
}

#[step(chunk = 4, retry(Trouble, limit = 5))]
fn repeating() {
    numbers | save
}

#[job]
fn repeating_job() {
    repeating;
}

#[test]
fn a_failure_says_that_retry_does_not_reread_a_record_that_was_stepped_over() {
    let world = World::new();
    fails(Place::Read, Trouble::Bad, [6], ALWAYS);
    let report = world.fails(&repeating_job());
    let text = &step(&report, "repeating").exit.description;
    assert!(
        text.starts_with("reading in `numbers`: number 6: 6 is bad; `retry(Trouble)` does not apply"),
        "{text}"
    );
    assert!(text.contains("`Reader::steps_over`"), "{text}");
    assert_eq!(opened(), 1);
}
