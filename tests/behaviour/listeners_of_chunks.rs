//! The events of a chunk step, and the effect of listeners' errors.

use std::fmt::{self, Write as _};
use std::path::Path;

use batch_runtime::prelude::*;

use crate::support::{World, step};

fn note(heard: &Path, what: &str) {
    let mut text = std::fs::read_to_string(heard).unwrap_or_default();
    write!(text, "{what} ").unwrap();
    std::fs::write(heard, text).unwrap();
}

fn heard(world: &World) -> String {
    std::fs::read_to_string(world.path("heard")).unwrap_or_default()
}

#[derive(Debug)]
enum Trouble {
    Bad(i64),
    Busy,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(number) => write!(f, "{number} is bad"),
            Self::Busy => f.write_str("busy"),
        }
    }
}

impl std::error::Error for Trouble {}

/// Negative numbers cannot be read.
#[reader]
fn numbers() -> impl Iterator<Item = Result<i64, Trouble>> {
    [1, -2, 3, 4, 5].into_iter().map(|number| if number < 0 { Err(Trouble::Bad(number)) } else { Ok(number) })
}

/// Three cannot be processed, and four only on the second attempt.
#[processor]
fn tenfold(number: &i64, heard: &Path) -> Result<i64, Trouble> {
    match number {
        3 => Err(Trouble::Bad(3)),
        4 if !std::fs::read_to_string(heard).unwrap_or_default().contains("asked") => {
            note(heard, "asked");
            Err(Trouble::Busy)
        }
        number => Ok(number * 10),
    }
}

/// Fifty cannot be written.
#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (n INTEGER)").expect("a table");
    for number in numbers {
        if *number == 50 {
            return Err(Trouble::Bad(50));
        }
        tx.execute("INSERT INTO saved VALUES (?1)", [number]).expect("a row");
    }
    Ok(())
}

#[listener(before_step)]
fn step_begins(heard: &Path) {
    note(heard, "step[");
}

#[listener(after_step)]
fn step_ended(counters: &Counters, failure: Option<&Failure>, heard: &Path) {
    note(heard, &format!("]step:{}:{}", counters.write, failure.is_some()));
}

#[listener(before_chunk)]
fn chunk_begins(heard: &Path) {
    note(heard, "chunk[");
}

#[listener(after_chunk)]
fn chunk_ended(counters: &Counters, heard: &Path) {
    note(heard, &format!("]chunk:{}", counters.commit));
}

#[listener(after_read)]
fn was_read(number: &i64, heard: &Path) {
    note(heard, &format!("read:{number}"));
}

#[listener(on_read_error)]
fn not_read(error: &Trouble, heard: &Path) {
    note(heard, &format!("unread:{error}").replace(' ', "_"));
}

#[listener(after_process)]
fn was_processed(number: &i64, heard: &Path) {
    note(heard, &format!("made:{number}"));
}

#[listener(on_process_error)]
fn not_processed(number: &i64, error: &Failure, heard: &Path) {
    note(heard, &format!("unmade:{number}:{}", error.cause()).replace(' ', "_"));
}

#[listener(before_write)]
fn about_to_write(numbers: &[i64], heard: &Path) {
    note(heard, &format!("write:{numbers:?}").replace(' ', ""));
}

#[listener(on_write_error)]
fn not_written(numbers: &[i64], error: &Trouble, heard: &Path) {
    note(heard, &format!("unwritten:{}:{error}", numbers.len()).replace(' ', "_"));
}

#[listener(on_skip_in_read)]
fn skipped_reading(error: &Trouble, heard: &Path) {
    note(heard, &format!("skip:{error}").replace(' ', "_"));
}

#[listener(on_skip_in_process)]
fn skipped_processing(number: Option<&i64>, error: &Trouble, heard: &Path) {
    note(heard, &format!("skip:{number:?}:{error}").replace(' ', "_"));
}

#[listener(on_skip_in_write)]
fn skipped_writing(number: &i64, error: &Trouble, heard: &Path) {
    note(heard, &format!("skip:{number}:{error}").replace(' ', "_"));
}

#[listener(on_retry)]
fn repeated(error: &Trouble, repeat: u32, heard: &Path) {
    note(heard, &format!("again:{error}:{repeat}"));
}

#[step(
    chunk = 3,
    skip(Trouble::Bad(_)),
    retry(Trouble::Busy, limit = 2),
    listeners(
        step_begins,
        step_ended,
        chunk_begins,
        chunk_ended,
        was_read,
        not_read,
        was_processed,
        not_processed,
        about_to_write,
        not_written,
        skipped_reading,
        skipped_processing,
        skipped_writing,
        repeated
    )
)]
fn listened() {
    numbers | tenfold | save
}

#[job]
fn listening(heard: PathBuf) {
    listened;
}

#[test]
fn listeners_are_notified_of_a_chunk_step_in_order() {
    let world = World::new();
    world.completes(&listening(world.path("heard")));
    assert_eq!(
        heard(&world).trim_end(),
        "step[ \
         chunk[ read:1 made:10 unread:-2_is_bad read:3 unmade:3:3_is_bad read:4 asked made:40 \
         unmade:4:busy again:busy:1 write:[10,40] skip:-2_is_bad skip:Some(3):3_is_bad ]chunk:1 \
         chunk[ read:5 made:50 write:[50] unwritten:1:50_is_bad skip:50:50_is_bad ]chunk:2 \
         ]step:2:false"
    );
}

#[listener(after_write)]
fn complains(_: &[i64]) -> Result<(), String> {
    Err("I heard of a write".to_owned())
}

#[listener(after_chunk)]
fn complains_of_chunks(_: &Counters) -> Result<(), String> {
    Err("I heard of a chunk".to_owned())
}

#[reader]
fn few() -> impl Iterator<Item = i64> {
    1..=4
}

#[step(chunk = 2, listeners(complains, complains_of_chunks))]
fn complained_of() {
    few | save
}

#[job]
fn complaining() {
    complained_of;
}

#[test]
fn an_error_of_an_after_listener_changes_nothing() {
    let world = World::new();
    let report = world.completes(&complaining());
    assert_eq!(step(&report, "complained_of").counters.write, 4);
    assert_eq!(world.numbers("SELECT n FROM saved"), [1, 2, 3, 4]);
}

#[listener(before_write)]
fn forbids(numbers: &[i64], forbidden: i64) -> Result<(), String> {
    if numbers.contains(&forbidden) { Err(format!("{forbidden} is not to be written")) } else { Ok(()) }
}

#[step(chunk = 2, listeners(forbids))]
fn forbidden_step() {
    few | save
}

#[job]
fn forbidding(#[param(identifying = false)] forbidden: i64) {
    forbidden_step;
}

#[test]
fn an_error_of_a_before_listener_fails_the_step_and_a_restart_resumes() {
    let world = World::new();
    let report = world.fails(&forbidding(3));
    assert!(report.exit.description.contains("3 is not to be written"), "{}", report.exit.description);
    assert_eq!(world.numbers("SELECT n FROM saved"), [1, 2]);
    world.completes(&forbidding(0));
    assert_eq!(world.numbers("SELECT n FROM saved"), [1, 2, 3, 4]);
}
