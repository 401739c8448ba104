//! The ways in which rows get into tables of any kind.

use batch_runtime::writers::{PostgresTable, PostgresWriteError};
use serde::Serialize;

use super::Place;

#[derive(Clone, Copy, Serialize)]
struct Odd {
    #[serde(rename = "a\"b")]
    ab: i32,
    #[serde(rename = "Order")]
    order: i32,
}

#[derive(Serialize)]
struct Shouted {
    id: i32,
    #[serde(rename = "DEP_DELAY")]
    delay: i32,
}

#[test]
fn any_number_of_items_becomes_as_many_rows() {
    let Some(place) = Place::with("CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT)") else { return };
    let long = "x".repeat(1_000);
    let mut copied = PostgresTable::into("t").columns(["id", "text"]);
    let mut inserted = PostgresTable::into("t").columns(["id", "text"]).on_conflict_ignore();
    for writer in [&mut copied, &mut inserted] {
        for number in [1, 7, 1_000, 5_000] {
            place.tx.session().batch_execute("TRUNCATE t").unwrap();
            let items: Vec<(i64, &str)> = (0..number).map(|id| (id, &*long)).collect();
            place.write(writer, &items).unwrap();
            assert_eq!(place.numbers("SELECT id FROM t ORDER BY id"), (0..number).collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_item_may_become_any_number_of_rows() {
    let Some(place) = Place::with("CREATE TABLE t (id BIGINT)") else { return };
    let mut writer = PostgresTable::<(i64, i64)>::rows("t", ["id"], |&(from, to), rows| {
        for id in from..to {
            rows.add(&(id,))?;
        }
        Ok(())
    });
    place.write(&mut writer, &[(0, 100), (100, 100), (100, 101), (101, 275)]).unwrap();
    place.write(&mut writer, &[(5, 5)]).unwrap();
    assert_eq!(place.numbers("SELECT id FROM t ORDER BY id"), (0..275).collect::<Vec<_>>());
}

#[test]
fn an_error_of_the_closure_keeps_its_type_and_names_the_item() {
    let Some(place) = Place::with("CREATE TABLE t (id BIGINT)") else { return };
    let mut writer = PostgresTable::<&str>::rows("t", ["id"], |text, rows| {
        rows.add(&(text.parse::<i64>()?,))?;
        Ok(())
    });
    let failure = place.write(&mut writer, &["1", "two"]).unwrap_err();
    assert_eq!(failure.to_string(), "table `t`, item 2: invalid digit found in string");
    assert!(failure.find::<std::num::ParseIntError>().is_some());
}

#[test]
fn names_are_exact_and_may_be_of_a_schema() {
    let Some(place) = Place::with(
        "CREATE SCHEMA \"Big\"; CREATE TABLE \"Big\".\"date\" (\"Order\" INT, \"a\"\"b\" INT); CREATE TABLE text (n INT);
         CREATE TEMP TABLE brief (n INT)",
    ) else {
        return;
    };
    for table in ["Big.date", "\"Big\".date"] {
        let mut copied = PostgresTable::into(table);
        let mut inserted = PostgresTable::into(table).on_conflict_ignore();
        place.write(&mut copied, &[Odd { ab: 1, order: 2 }]).unwrap();
        place.write(&mut inserted, &[Odd { ab: 1, order: 2 }]).unwrap();
    }
    assert_eq!(place.numbers("SELECT sum(\"Order\" * 10 + \"a\"\"b\") FROM \"Big\".date"), [84]);
    for table in ["text", "brief"] {
        place.write(&mut PostgresTable::into(table).columns(["n"]).on_conflict_ignore(), &[(1,)]).unwrap();
    }
    let error = place.refused(&mut PostgresTable::into("big.date"), &[Odd { ab: 1, order: 2 }]);
    assert_eq!(
        error,
        "table `big.date`: there is no such table; check the name, its schema, and the `search_path`"
    );
}

#[test]
fn tuples_need_names_and_structs_need_columns() {
    let Some(place) = Place::with("CREATE TABLE t (id INT, dep_delay INT)") else { return };
    let error = place.refused(&mut PostgresTable::into("t"), &[(1, 2)]);
    assert_eq!(
        error,
        "table `t`, item 1: a tuple does not name its columns; write a struct that derives `Serialize`, or name them with `.columns([..])`"
    );
    let mut three = PostgresTable::into("t").columns(["id", "dep_delay", "id"]);
    assert_eq!(
        place.refused(&mut three, &[(1, 2)]),
        "table `t`, item 1: the row has 2 values, but there are 3 columns"
    );
    let mut one = PostgresTable::into("t").columns(["id"]);
    assert_eq!(
        place.refused(&mut one, &[(1, 2)]),
        "table `t`, item 1: the row has 2 values, but there are 1 columns"
    );

    let mut shouted = PostgresTable::into("t");
    assert_eq!(
        place.refused(&mut shouted, &[Shouted { id: 1, delay: 2 }]),
        "table `t`, item 1, column `DEP_DELAY`: the table has no such column; it has `dep_delay`: rename the field, as with `#[serde(rename = \"dep_delay\")]`"
    );
    let mut unknown = PostgresTable::into("t").columns(["id", "late"]);
    assert_eq!(
        place.refused(&mut unknown, &[(1, 2)]),
        "table `t`, item 1, column `late`: the table has no such column; add it, or leave the field out with `#[serde(skip)]`"
    );
}

#[test]
fn views_rules_and_row_level_security_work_as_with_insert() {
    let Some(place) = Place::with(
        "CREATE TABLE t (id BIGINT, owner TEXT DEFAULT current_user); CREATE VIEW v AS SELECT id FROM t WHERE id > 0;
         CREATE TABLE ruled (id BIGINT); CREATE TABLE log (id BIGINT);
         CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES (NEW.id);
         CREATE TABLE secured (id BIGINT); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE POLICY positive ON secured USING (id > 0); CREATE ROLE clerk;
         GRANT ALL ON t, v, ruled, log, secured TO clerk; SET ROLE clerk",
    ) else {
        return;
    };
    for table in ["v", "ruled", "secured"] {
        place.write(&mut PostgresTable::into(table).columns(["id"]), &[(1_i64,), (2,)]).unwrap();
        assert_eq!(place.numbers(&format!("SELECT id FROM {table} ORDER BY id")), [1, 2]);
    }
    assert_eq!(place.numbers("SELECT id FROM log ORDER BY id"), [1, 2]);
    let error = place.refused(&mut PostgresTable::into("secured").columns(["id"]), &[(-1_i64,)]);
    assert!(error.starts_with("table `secured`: new row violates row-level security policy"), "{error}");
    place.tx.session().batch_execute("RESET ROLE; DROP OWNED BY clerk; DROP ROLE clerk").unwrap();
}

#[test]
fn the_server_applies_partitions_and_defaults() {
    let Some(place) = Place::with(
        "CREATE TABLE t (id BIGINT, day DATE NOT NULL, made SERIAL) PARTITION BY RANGE (day);
         CREATE TABLE t_2024 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    ) else {
        return;
    };
    let mut writer = PostgresTable::into("t").columns(["id", "day"]);
    place.write(&mut writer, &[(1, "2024-01-01"), (2, "2024-12-31")]).unwrap();
    assert_eq!(place.numbers("SELECT made::bigint FROM t_2024 ORDER BY id"), [1, 2]);
    let failure = place.write(&mut writer, &[(3, "2024-06-01"), (4, "2025-01-01")]).unwrap_err();
    assert!(matches!(failure.find(), Some(PostgresWriteError::Row { item: 2, .. })), "{failure}");
}

#[test]
fn dropping_or_adding_an_unwritten_column_does_not_matter() {
    let Some(place) = Place::with("CREATE TABLE t (gone INT, id BIGINT, kept INT); ALTER TABLE t DROP gone")
    else {
        return;
    };
    place
        .write(&mut PostgresTable::into("t").columns(["kept", "id"]).on_conflict_ignore(), &[(1, 2)])
        .unwrap();
    place.tx.session().batch_execute("ALTER TABLE t ADD more TEXT DEFAULT 'x'").unwrap();
    place
        .write(&mut PostgresTable::into("t").columns(["kept", "id"]).on_conflict_ignore(), &[(3, 4)])
        .unwrap();
    place.write(&mut PostgresTable::into("t").columns(["kept", "id"]), &[(5, 6)]).unwrap();
    assert_eq!(place.numbers("SELECT id FROM t ORDER BY id"), [2, 4, 6]);
    assert_eq!(place.texts("SELECT DISTINCT more FROM t"), ["x"]);
}
