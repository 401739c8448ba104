//! When the server refuses a row, the error names the item at fault.

use batch_runtime::postgres::PgError;
use batch_runtime::writers::{PostgresTable, PostgresWriteError};
use batch_runtime::{ChunkTransaction, OpenTransaction as _, Writer as _};
use serde::Serialize;

use super::Place;

#[derive(Debug, Clone, Serialize)]
struct Person {
    id: i64,
    name: Option<String>,
    age: i32,
}

fn people(ids: impl IntoIterator<Item = i64>) -> Vec<Person> {
    ids.into_iter().map(|id| Person { id, name: Some(format!("p{id}")), age: 30 }).collect()
}

const TABLE: &str =
    "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, age INT CHECK (age >= 0))";

#[test]
fn a_refused_row_of_a_copy_is_named_by_its_item() {
    let Some(place) = Place::with(TABLE) else { return };
    let mut writer = PostgresTable::into("person");
    place.write(&mut writer, &people([41])).unwrap();
    for (number, at) in [(1, 0), (3, 1), (1000, 0), (1000, 999), (3000, 1500)] {
        let mut chunk = people(1000..1000 + number);
        chunk[at].id = 41;
        assert_eq!(
            place.refused(&mut writer, &chunk),
            format!(
                "table `person`, item {}: duplicate key value violates unique constraint \"person_pkey\": Key (id)=(41) already exists (SQLSTATE 23505)",
                at + 1
            )
        );
        let mut chunk = people(1000..1000 + number);
        chunk[at].name = None;
        let error = place.refused(&mut writer, &chunk);
        let start = format!("table `person`, item {}: null value in column \"name\"", at + 1);
        assert!(error.starts_with(&start), "{error}");
        chunk[at] = Person { id: 7, name: Some("x".to_owned()), age: -1 };
        let error = place.refused(&mut writer, &chunk);
        assert!(error.starts_with(&format!("table `person`, item {}: new row", at + 1)), "{error}");
    }
    // Twice in one chunk: the second is one too many.
    let error = place.refused(&mut writer, &people([7, 8, 7, 9]));
    assert!(error.starts_with("table `person`, item 3: duplicate key"), "{error}");
    assert_eq!(place.numbers("SELECT id FROM person"), [41]);
}

#[test]
fn the_item_is_named_if_it_becomes_several_rows() {
    let Some(place) = Place::with(TABLE) else { return };
    let mut writer = PostgresTable::<Vec<i64>>::rows("person", ["id", "name"], |ids, rows| {
        for id in ids {
            rows.add(&(id, "x"))?;
        }
        Ok(())
    });
    let error = place.refused(&mut writer, &[vec![1, 2, 3], vec![], vec![4], vec![5, 2], vec![6]]);
    assert!(error.starts_with("table `person`, item 4: duplicate key"), "{error}");
}

#[test]
fn an_enum_or_a_trigger_that_refuses_a_row_names_it_too() {
    let Some(place) = Place::with(
        "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE t (n INT, mood mood);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.n = 3 THEN RAISE 'not three'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ) else {
        return;
    };
    let mut writer = PostgresTable::into("t").columns(["n", "mood"]);
    let error = place.refused(&mut writer, &[(1, "good"), (2, "bad")]);
    assert!(error.starts_with("table `t`, item 2: invalid input value for enum mood: \"bad\""), "{error}");
    let error = place.refused(&mut writer, &[(1, "good"), (2, "good"), (3, "good"), (4, "good")]);
    assert!(error.starts_with("table `t`, item 3: not three"), "{error}");
}

#[test]
fn an_error_without_a_row_shows_the_key() {
    let Some(place) = Place::with(
        "CREATE TABLE carrier (code TEXT PRIMARY KEY); CREATE TABLE flight (id BIGINT PRIMARY KEY, code TEXT REFERENCES carrier)",
    ) else {
        return;
    };
    let mut copied = PostgresTable::into("flight").columns(["id", "code"]);
    let mut inserted = PostgresTable::into("flight").columns(["id", "code"]).upsert(&["id"]);
    for writer in [&mut copied, &mut inserted] {
        let error = place.refused(writer, &[(1, None), (2, Some("XX"))]);
        assert!(
            error.starts_with("table `flight`: insert or update on table \"flight\" violates"),
            "{error}"
        );
        assert!(error.contains("Key (code)=(XX) is not present in table \"carrier\""), "{error}");
    }
}

#[test]
fn an_error_that_comes_out_later_is_still_the_writers() {
    let Some(place) = Place::with(&format!("{TABLE}; INSERT INTO person VALUES (41, 'x', 1)")) else {
        return;
    };
    let chunk = ChunkTransaction::other(&place.tx);
    let mut writer = PostgresTable::into("person");
    let mut other = PostgresTable::into("person").columns(["id", "name"]).upsert(&["id"]);

    // The error comes out at the next wait for the server: when the chunk is settled, when a statement is executed, or
    // when another writer looks up its table.
    place.tx.begin("7", false).unwrap();
    writer.write(&people([1, 41]), &chunk).unwrap();
    let failure = place.tx.settle().unwrap_err();
    assert!(matches!(failure.find(), Some(PostgresWriteError::Row { item: 2, .. })), "{failure}");
    assert_eq!(failure.find::<PgError>().unwrap().code(), Some("23505"));
    place.tx.give_up().unwrap();

    place.tx.begin("7", false).unwrap();
    writer.write(&people([41]), &chunk).unwrap();
    let error = place.tx.execute("SELECT 1", &[]).unwrap_err();
    assert!(error.to_string().starts_with("table `person`, item 1: duplicate key"), "{error}");
    assert_eq!(error.constraint(), Some("person_pkey"));
    place.tx.give_up().unwrap();

    place.tx.begin("7", false).unwrap();
    writer.write(&people([1, 2, 41]), &chunk).unwrap();
    let error = other.write(&[(5, "y")], &chunk).unwrap_err();
    assert!(error.to_string().starts_with("table `person`, item 3: duplicate key"), "{error}");
    assert!(matches!(error, PostgresWriteError::Earlier { .. }));
    place.tx.give_up().unwrap();
    place.write(&mut other, &[(41, "y")]).unwrap();
    assert_eq!(place.texts("SELECT name FROM person"), ["y"]);
}

#[test]
fn an_item_that_does_not_fit_takes_the_chunk_back_and_the_writer_goes_on() {
    let Some(place) = Place::with(TABLE) else { return };
    let mut writer = PostgresTable::into("person");
    let mut chunk = people(0..2_000);
    chunk[1_500].name = Some("a\0b".to_owned());
    let error = place.refused(&mut writer, &chunk);
    assert!(
        error.starts_with("table `person`, item 1501, column `name`: the text holds the character NUL"),
        "{error}"
    );
    place.write(&mut writer, &chunk[..1_500]).unwrap();
    assert_eq!(place.numbers("SELECT count(*) FROM person"), [1_500]);
}
