//! Rows whose key is already there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use batch_runtime::writers::PostgresTable;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;

use super::Place;

#[derive(Debug, Clone, Serialize)]
struct Person {
    id: i64,
    name: Option<String>,
    tags: Vec<i32>,
}

type Row = (i64, Option<String>, Vec<i32>);

fn rows(place: &Place) -> Vec<Row> {
    let rows = place.tx.session().query("SELECT id, name, tags FROM person ORDER BY id", &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[test]
fn upserts_and_ignored_rows_do_what_a_map_does() {
    let tables = "CREATE TABLE person (tags INT[], id BIGINT PRIMARY KEY, name TEXT, seen INT DEFAULT 0)";
    for option in ["statements=named", "statements=unnamed"] {
        let Some(place) = Place::at(option, tables) else { return };
        let upsert = RefCell::new(PostgresTable::<Person>::into("person").upsert(&["id"]));
        let ignore = RefCell::new(PostgresTable::<Person>::into("person").on_conflict_ignore());
        let person = (0..40_i64, any::<Option<String>>(), vec(any::<i32>(), 0..3))
            .prop_map(|(id, name, tags)| Person { id, name: name.map(|name| name.replace('\0', "")), tags });
        let chunks = vec((any::<bool>(), vec(person, 1..60)), 1..8);
        let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(chunks in chunks)| {
            place.tx.session().batch_execute("TRUNCATE person").unwrap();
            let mut model: BTreeMap<i64, (Option<String>, Vec<i32>)> = BTreeMap::new();
            for (updates, people) in chunks {
                let writer = if updates { &upsert } else { &ignore };
                place.write(&mut writer.borrow_mut(), &people).unwrap();
                for Person { id, name, tags } in people {
                    if updates {
                        model.insert(id, (name, tags));
                    } else {
                        model.entry(id).or_insert((name, tags));
                    }
                }
                let expected: Vec<Row> =
                    model.iter().map(|(id, (name, tags))| (*id, name.clone(), tags.clone())).collect();
                prop_assert_eq!(rows(&place), expected);
            }
        });
    }
}

#[test]
fn columns_that_are_not_written_stay_as_they_are() {
    let Some(place) = Place::with(
        "CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT, seen BIGINT DEFAULT 5);
         INSERT INTO person VALUES (1, 'old', 77)",
    ) else {
        return;
    };
    let mut writer = PostgresTable::into("person").columns(["name", "id"]).upsert(&["id"]);
    place.write(&mut writer, &[("new", 1), ("other", 2)]).unwrap();
    assert_eq!(place.texts("SELECT name FROM person ORDER BY id"), ["new", "other"]);
    assert_eq!(place.numbers("SELECT seen FROM person ORDER BY id"), [77, 5]);
    let mut only_keys = PostgresTable::into("person").columns(["id"]).upsert(&["id"]);
    place.write(&mut only_keys, &[(1,), (3,), (3,)]).unwrap();
    assert_eq!(place.numbers("SELECT id FROM person ORDER BY id"), [1, 2, 3]);
}

#[test]
fn the_server_says_which_keys_are_equal() {
    let Some(place) = Place::with(
        "CREATE COLLATION careless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE t (name TEXT COLLATE careless, price NUMERIC, n INT, UNIQUE (name, price))",
    ) else {
        return;
    };
    let mut writer = PostgresTable::into("t").columns(["name", "price", "n"]).upsert(&["name", "price"]);
    let chunk = [("Ada", Some("1.50"), 1), ("ADA", Some("1.5"), 2), ("Ada", Some("2"), 3)];
    place.write(&mut writer, &chunk).unwrap();
    place.write(&mut writer, &[("ada", Some("2.0"), 4)]).unwrap();
    assert_eq!(place.numbers("SELECT n::bigint FROM t ORDER BY price"), [2, 4]);
    // No two NULLs are equal.
    place.write(&mut writer, &[("ada", None, 5), ("ada", None, 6), ("bob", None, 7)]).unwrap();
    assert_eq!(place.numbers("SELECT n::bigint FROM t WHERE price IS NULL ORDER BY n"), [5, 6, 7]);
}

#[test]
fn where_nulls_are_equal_the_last_row_with_a_null_is_written() {
    let Some(place) = Place::with("") else { return };
    if place.tx.session().server_version() < 15 {
        return;
    }
    place.tx.session().batch_execute("CREATE TABLE t (k INT, n INT, UNIQUE NULLS NOT DISTINCT (k))").unwrap();
    let mut writer = PostgresTable::into("t").columns(["k", "n"]).upsert(&["k"]);
    place.write(&mut writer, &[(None, 1), (Some(1), 2), (None, 3)]).unwrap();
    place.write(&mut writer, &[(None, 4)]).unwrap();
    assert_eq!(place.numbers("SELECT n::bigint FROM t ORDER BY n"), [2, 4]);
}

#[test]
fn a_key_must_be_written_and_unique() {
    let Some(place) = Place::with("CREATE TABLE person (id SERIAL PRIMARY KEY, name TEXT)") else { return };
    let mut writer = PostgresTable::into("person").columns(["name"]).upsert(&["id"]);
    assert_eq!(
        place.refused(&mut writer, &[("a",), ("b",)]),
        "table `person`: the key `id` is not among the columns that are written: write it too, or name another key"
    );
    let mut writer = PostgresTable::into("person").columns(["name"]).upsert(&["name"]);
    let error = place.refused(&mut writer, &[("a",)]);
    assert!(
        error.starts_with("table `person`: there is no unique or exclusion constraint matching"),
        "{error}"
    );
}
