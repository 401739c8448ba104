//! Parts: ranges of the key, which make up the whole.

use batch_runtime::readers::{PostgresPart, PostgresReader};
use batch_runtime::{Reader, Splittable};
use batch_tests::postgres::{Database, database};

use super::{people, query, rest, stored};

fn open(database: &Database, sql: &str) -> PostgresReader<i64> {
    query(database, sql).key("id").page(3).rows_as().unwrap()
}

fn part_of(part: &PostgresPart) -> PostgresPart {
    serde_json::from_str(&serde_json::to_string(part).unwrap()).unwrap()
}

const QUERIES: [&str; 2] = ["SELECT id FROM person", "SELECT id FROM person JOIN (VALUES (1)) AS v ON true"];

#[test]
fn the_parts_are_even_and_make_up_the_whole() {
    let Some(database) = database() else { return };
    people(&database, 10);
    for sql in QUERIES {
        for parts in 1..13 {
            let split = open(&database, sql).split(parts).unwrap();
            assert_eq!(split.len(), parts.min(10));
            let mut all = Vec::new();
            for part in &split {
                let mut reader = open(&database, sql);
                reader.narrow(part_of(part)).unwrap();
                let rows = rest(&mut reader);
                let even = 10 / split.len()..=10_usize.div_ceil(split.len());
                assert!(even.contains(&rows.len()), "{rows:?} of {} parts", split.len());
                all.extend(rows);
            }
            assert_eq!(all, (1..=10).map(|n| n * 10).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_part_resumes_and_knows_its_progress() {
    let Some(database) = database() else { return };
    people(&database, 10);
    for sql in QUERIES {
        let part = open(&database, sql).split(2).unwrap().pop().unwrap();
        let narrowed = || {
            let mut reader = query(&database, sql).key("id").page(2).counted().rows_as::<i64>().unwrap();
            reader.narrow(part_of(&part)).unwrap();
            reader
        };
        let mut reader = narrowed();
        assert_eq!(reader.progress().unwrap().total, 5);
        assert_eq!(reader.read().unwrap(), Some(60));
        let mut restarted = narrowed();
        restarted.resume(stored(&reader)).unwrap();
        assert_eq!(restarted.progress().unwrap().done, 1);
        assert_eq!(rest(&mut restarted), [70, 80, 90, 100]);
    }
}

#[test]
fn rows_that_are_added_belong_to_the_part_of_their_key() {
    let Some(database) = database() else { return };
    people(&database, 4);
    for sql in QUERIES {
        let parts = open(&database, sql).split(2).unwrap();
        database
            .connect()
            .batch_execute("INSERT INTO person VALUES (1, ''), (21, ''), (99, '') ON CONFLICT DO NOTHING")
            .unwrap();
        let rows: Vec<_> = parts
            .into_iter()
            .map(|part| {
                let mut reader = open(&database, sql);
                reader.narrow(part).unwrap();
                rest(&mut reader)
            })
            .collect();
        assert_eq!(rows, [vec![1, 10, 20], vec![21, 30, 40, 99]]);
        database.connect().batch_execute("DELETE FROM person WHERE id IN (1, 21, 99)").unwrap();
    }
}

#[test]
fn an_empty_query_has_one_part() {
    let Some(database) = database() else { return };
    people(&database, 0);
    for sql in QUERIES {
        assert_eq!(open(&database, sql).split(4).unwrap().len(), 1);
    }
}

#[test]
fn a_part_of_another_key_is_refused() {
    let Some(database) = database() else { return };
    people(&database, 4);
    let part = open(&database, QUERIES[0]).split(2).unwrap().pop().unwrap();
    let mut other = open(&database, "SELECT id::numeric AS id FROM person");
    let error = other.narrow(part).unwrap_err().to_string();
    assert!(
        error.starts_with("an earlier execution stopped at `id` int8, but the key is `id` numeric now"),
        "{error}"
    );
}

#[test]
fn a_key_that_is_null_is_refused_before_the_parts_are_made() {
    let Some(database) = database() else { return };
    let sql = "SELECT * FROM (VALUES (1::bigint), (2), (NULL)) AS v (id)";
    let error = query(&database, sql).key("id").rows_as::<i64>().unwrap().split(2).unwrap_err();
    assert!(error.to_string().contains("it is NULL in a row"), "{error}");
    assert!(super::error::<i64>(query(&database, sql).key("id")).contains("it is NULL in a row"));
}
