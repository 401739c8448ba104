//! If a writer fails, the bad item is found by bisection inside the chunk's single transaction.

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use super::script::*;
use crate::support::{World, step, summed};

#[step(chunk = 8, skip(Trouble::Bad(..)))]
fn load() {
    numbers | take | save
}

#[job]
fn load_job() {
    load;
}

#[test]
fn rows_are_those_of_an_input_without_the_bad_items() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [1, 8, 12, 20], ALWAYS);
    let counters = step(&world.completes(&load_job()), "load").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[1, 8, 12, 20]));
    assert_eq!(
        counters,
        Counters { read: 20, write: 16, write_skip: 4, commit: 3, rollback: 3, ..Counters::default() }
    );
    assert_adds_up(counters, 20);
    assert_eq!(calls(Place::Process).len(), 20, "no item is processed twice");
}

#[test]
fn an_item_that_cannot_be_written_is_recorded_with_its_place_error_and_value() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [12], ALWAYS);
    world.completes(&load_job());
    assert_eq!(
        skipped(&world),
        [Skipped {
            phase: "WRITE".into(),
            position: r#"{"v":1,"at":9,"ahead":3}"#.into(),
            location: Some("number 12".into()),
            error: "writing in `save`: number 12: 12 is bad".into(),
            item: Some("12".into()),
        }]
    );
}

#[test]
fn skips_of_a_chunk_are_recorded_in_the_order_of_the_input() {
    let world = World::new();
    input(8);
    fails(Place::Read, Trouble::Bad, [4], ALWAYS);
    fails(Place::Process, Trouble::Bad, [6, 2], ALWAYS);
    fails(Place::Write, Trouble::Bad, [7, 1, 5], ALWAYS);
    let counters = step(&world.completes(&load_job()), "load").counters;
    let phases: Vec<_> = skipped(&world).into_iter().map(|skipped| skipped.phase).collect();
    assert_eq!(phases, ["WRITE", "PROCESS", "READ", "WRITE", "PROCESS", "WRITE"]);
    assert_eq!(
        counters,
        Counters {
            read: 7,
            write: 2,
            read_skip: 1,
            process_skip: 2,
            write_skip: 3,
            commit: 1,
            rollback: 1,
            ..Counters::default()
        }
    );
    assert_adds_up(counters, 8);
}

#[test]
fn a_chunk_of_unwritable_items_is_committed_with_its_skips() {
    let world = World::new();
    input(16);
    fails(Place::Write, Trouble::Bad, 1..=8, ALWAYS);
    let counters = step(&world.completes(&load_job()), "load").counters;
    assert_eq!((counters.write, counters.write_skip, counters.commit), (8, 8, 2));
    assert_eq!(world.numbers("SELECT number FROM saved"), (9..=16).collect::<Vec<_>>());
}

#[test]
fn an_unskippable_failure_during_the_search_rolls_the_whole_chunk_back() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [9], ALWAYS);
    fails(Place::Write, Trouble::Fatal, [14], ALWAYS);
    let report = world.fails(&load_job());
    let failed = step(&report, "load");
    assert_eq!(failed.counters.write, 8);
    assert!(failed.exit.description.contains("14 is fatal"), "{}", failed.exit.description);
    assert_eq!(world.numbers("SELECT number FROM saved"), (1..=8).collect::<Vec<_>>());
    assert!(skipped(&world).is_empty(), "a chunk that is rolled back records no skip");
    heal();
    fails(Place::Write, Trouble::Bad, [9], ALWAYS);
    let report = world.completes(&load_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[9]));
    assert_eq!(summed(step(&report, "load")).write_skip, 1);
    assert_eq!(skipped(&world).len(), 1);
}

#[step(chunk = 8, skip(Trouble::Bad(..)))]
fn both() {
    numbers | (audit, save)
}

#[job]
fn both_job() {
    both;
}

#[test]
fn neither_of_two_writers_keeps_an_item_that_the_other_cannot_write() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [3, 4, 17], ALWAYS);
    let counters = step(&world.completes(&both_job()), "both").counters;
    for table in ["saved", "audited"] {
        assert_eq!(
            world.numbers(&format!("SELECT number FROM {table}")),
            without(20, &[3, 4, 17]),
            "{table}"
        );
    }
    assert_eq!((counters.write, counters.write_skip, counters.commit), (17, 3, 3));
}

enum Kind {
    Even,
    Odd,
}

#[classifier]
fn kind(number: &i64) -> Kind {
    if number % 2 == 0 { Kind::Even } else { Kind::Odd }
}

#[step(chunk = 8, skip(Trouble::Bad(..)))]
fn routed() {
    numbers
        | match kind {
            Kind::Odd => audit,
            Kind::Even => save,
        }
}

#[job]
fn routed_job() {
    routed;
}

#[test]
fn items_that_are_routed_keep_their_places_in_the_input() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [2, 6, 10], ALWAYS);
    let counters = step(&world.completes(&routed_job()), "routed").counters;
    let even = |number: &i64| number % 2 == 0;
    let left = without(20, &[2, 6, 10]);
    assert_eq!(
        world.numbers("SELECT number FROM saved"),
        left.iter().copied().filter(even).collect::<Vec<_>>()
    );
    assert_eq!(world.numbers("SELECT count(*) FROM audited"), [10]);
    assert_eq!((counters.write, counters.write_skip, counters.commit), (17, 3, 3));
    let all = skipped(&world);
    let found: Vec<_> = all.iter().map(|it| (it.position.as_str(), it.item.as_deref().unwrap())).collect();
    assert_eq!(
        found,
        [
            (r#"{"v":1,"at":1,"ahead":1}"#, "2"),
            (r#"{"v":1,"at":1,"ahead":5}"#, "6"),
            (r#"{"v":1,"at":9,"ahead":1}"#, "10")
        ]
    );
}

/// Rolls the whole transaction back itself at one number, as a user's trigger might.
#[writer]
fn rolled_back(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    called(Place::Write, numbers.len());
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS strict (number INTEGER PRIMARY KEY);
         CREATE TRIGGER IF NOT EXISTS no BEFORE INSERT ON strict WHEN NEW.number IN (6, 11, 12)
         BEGIN SELECT RAISE(ROLLBACK, 'that number is not taken'); END",
    )?;
    for number in numbers {
        tx.execute("INSERT INTO strict VALUES (?1)", [number])?;
    }
    Ok(())
}

#[step(chunk = 8, skip(rusqlite::Error))]
fn strictly() {
    numbers | rolled_back
}

#[job]
fn strictly_job() {
    strictly;
}

#[test]
fn a_database_that_rolls_back_by_itself_loses_no_good_item() {
    let world = World::new();
    let counters = step(&world.completes(&strictly_job()), "strictly").counters;
    assert_eq!(world.numbers("SELECT number FROM strict"), without(20, &[6, 11, 12]));
    assert_eq!((counters.read, counters.write, counters.write_skip, counters.commit), (20, 17, 3, 3));
    let items: Vec<_> = skipped(&world).into_iter().map(|skipped| skipped.item.unwrap()).collect();
    assert_eq!(items, ["6", "11", "12"]);
    assert!(skipped(&world)[0].error.contains("that number is not taken"));
}

#[writer]
fn or_rollback(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS tens (ten INTEGER PRIMARY KEY, number INTEGER)")?;
    for number in numbers {
        let ten = if number % 10 == 5 { 1 } else { *number };
        tx.execute("INSERT OR ROLLBACK INTO tens VALUES (?1, ?2)", [ten, *number])?;
    }
    Ok(())
}

#[step(chunk = 8, skip(rusqlite::Error))]
fn tens() {
    numbers | or_rollback
}

#[job]
fn tens_job() {
    tens;
}

#[test]
fn insert_or_rollback_loses_no_good_item_either() {
    let world = World::new();
    let counters = step(&world.completes(&tens_job()), "tens").counters;
    assert_eq!(world.numbers("SELECT number FROM tens ORDER BY number"), without(20, &[5, 15]));
    assert_eq!((counters.write, counters.write_skip, counters.commit), (18, 2, 3));
}

#[step(chunk = 6, skip(Trouble::Bad(..)))]
fn many() {
    numbers | several | save
}

#[job]
fn many_job() {
    many;
}

#[test]
fn only_the_unwritable_ones_of_several_items_made_from_one_are_skipped() {
    let world = World::new();
    input(6);
    fails(Place::Write, Trouble::Bad, [500], ALWAYS);
    let counters = step(&world.completes(&many_job()), "many").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 2, 200, 4, 5]);
    assert_eq!(
        counters,
        Counters {
            read: 6,
            filter: 2,
            write: 5,
            write_skip: 1,
            commit: 1,
            rollback: 1,
            ..Counters::default()
        }
    );
    assert_eq!(skipped(&world)[0].position, r#"{"v":1,"at":1,"ahead":4}"#);
}
