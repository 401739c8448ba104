use rusqlite::Connection;
use serde::Serialize;

use super::*;

#[derive(Debug, Clone, Serialize)]
struct Person {
    id: i64,
    name: Option<String>,
    height: f64,
    member: bool,
}

fn person(id: i64) -> Person {
    Person { id, name: Some(format!("p{id}")), height: 1.5, member: true }
}

fn people(ids: impl IntoIterator<Item = i64>) -> Vec<Person> {
    ids.into_iter().map(person).collect()
}

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, height REAL, member INTEGER)",
        )
        .unwrap();
    connection
}

/// Writes in one transaction and commits it.
fn write<T>(
    connection: &mut Connection,
    writer: &mut SqliteTable<T>,
    items: &[T],
) -> Result<(), SqliteWriteError> {
    let tx = connection.transaction().unwrap();
    writer.write(items, &ChunkTransaction::sqlite(&tx))?;
    tx.commit().unwrap();
    Ok(())
}

fn ids(connection: &Connection) -> Vec<i64> {
    let mut statement = connection.prepare("SELECT id FROM person ORDER BY rowid").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn count(connection: &Connection, of: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn any_number_of_items_becomes_as_many_rows() {
    for number in [1, 7, 8, 9, 55, 56, 57, 120, 1000] {
        let mut connection = database();
        write(&mut connection, &mut SqliteTable::into("person"), &people(0..number)).unwrap();
        assert_eq!(ids(&connection), (0..number).collect::<Vec<_>>());
    }
}

#[test]
fn each_field_is_stored_as_its_type() {
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Good,
    }
    #[derive(Serialize)]
    struct Wrapped(u8);
    #[derive(Serialize)]
    struct All {
        a: i64,
        b: f32,
        c: &'static str,
        d: Option<u8>,
        e: Option<u8>,
        f: bool,
        g: Kind,
        h: Wrapped,
        i: char,
        j: (),
    }
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (a, b, c, d, e, f, g, h, i, j)").unwrap();
    let item = All {
        a: i64::MIN,
        b: 0.5,
        c: "é",
        d: Some(3),
        e: None,
        f: true,
        g: Kind::Good,
        h: Wrapped(9),
        i: 'x',
        j: (),
    };
    write(&mut connection, &mut SqliteTable::into("t"), &[item]).unwrap();
    let row: String = connection
        .query_row(
            "SELECT concat_ws('|', a, b, c, d, coalesce(e, 'null'), f, g, h, i, coalesce(j, 'null')) FROM t",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(row, "-9223372036854775808|0.5|é|3|null|1|good|9|x|null");
    let types: String = connection
        .query_row("SELECT typeof(a) || typeof(b) || typeof(c) || typeof(f) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(types, "integerrealtextinteger");
}

#[test]
fn a_flattened_struct_and_a_skipped_field_keep_their_columns() {
    #[derive(Serialize)]
    struct Body {
        height: f64,
    }
    #[derive(Serialize)]
    struct Flat {
        id: i64,
        name: &'static str,
        #[serde(flatten)]
        body: Body,
    }
    #[derive(Serialize)]
    struct Skips {
        id: i64,
        name: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        height: Option<f64>,
    }
    let mut connection = database();
    let flat = [1, 2].map(|id| Flat { id, name: "a", body: Body { height: 2.0 } });
    write(&mut connection, &mut SqliteTable::into("person"), &flat).unwrap();
    let skips = [3, 4].map(|id| Skips { id, name: "a", height: (id == 4).then_some(2.0) });
    write(&mut connection, &mut SqliteTable::into("person"), &skips).unwrap();
    assert_eq!(count(&connection, "person WHERE height = 2.0"), 3);
}

#[test]
fn tuples_go_into_the_columns_given() {
    let mut connection = database();
    let mut writer = SqliteTable::into("main.person").columns(["name", "id"]);
    write(&mut connection, &mut writer, &[("a", 1), ("b", 2)]).unwrap();
    assert_eq!(ids(&connection), [1, 2]);

    let error = write(&mut connection, &mut SqliteTable::into("person"), &[("a", 1)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `person`, item 1: a tuple does not name its columns; write a struct that derives `Serialize`, or name them with `.columns([..])`"
    );
    let mut three = SqliteTable::into("person").columns(["name", "id", "height"]);
    let error = write(&mut connection, &mut three, &[("a", 1)]).unwrap_err();
    assert_eq!(error.to_string(), "table `person`, item 1: the row has 2 values, but there are 3 columns");
}

#[test]
fn an_item_may_become_any_number_of_rows() {
    let mut connection = database();
    let mut writer = SqliteTable::<(i64, i64)>::rows("person", ["id", "name"], |&(from, to), rows| {
        for id in from..to {
            rows.add(&(id, "x"))?;
        }
        Ok(())
    });
    write(&mut connection, &mut writer, &[(0, 100), (100, 100), (100, 101), (101, 275)]).unwrap();
    assert_eq!(ids(&connection), (0..275).collect::<Vec<_>>());
}

#[test]
fn an_error_of_the_closure_keeps_its_type_and_names_the_item() {
    let mut connection = database();
    let mut writer = SqliteTable::<&str>::rows("person", ["id"], |text, rows| {
        rows.add(&(text.parse::<i64>()?,))?;
        Ok(())
    });
    let error = write(&mut connection, &mut writer, &["1", "two"]).unwrap_err();
    assert_eq!(error.to_string(), "table `person`, item 2: invalid digit found in string");
    let SqliteWriteError::Rows { source, .. } = error else { panic!("{error}") };
    assert!(source.is::<std::num::ParseIntError>());
}

#[test]
fn a_row_that_breaks_a_constraint_is_named_with_its_values() {
    let mut connection = database();
    let mut writer = SqliteTable::into("person");
    write(&mut connection, &mut writer, &people([41])).unwrap();
    for (number, culprit) in [(100, 42), (3, 42), (100, 100)] {
        let mut chunk = people(1000..1000 + number);
        let index = usize::try_from(culprit.min(number)).unwrap() - 1;
        chunk[index].id = 41;
        let error = write(&mut connection, &mut writer, &chunk).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("table `person`, item {}: UNIQUE constraint failed: person.id (id = 41)", index + 1)
        );
    }
    let mut chunk = people([1, 2]);
    chunk[1].name = None;
    let error = write(&mut connection, &mut writer, &chunk).unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `person`, item 2: NOT NULL constraint failed: person.name (name = NULL)"
    );
    assert_eq!(ids(&connection), [41], "nothing of a failed chunk stays");
}

#[test]
fn the_search_for_the_culprit_leaves_no_rows() {
    let mut connection = database();
    let tx = connection.transaction().unwrap();
    let mut writer = SqliteTable::into("person");
    // All rows are in one statement, which undoes its own inserts.
    writer.write(&people((0..55).chain([7])), &ChunkTransaction::sqlite(&tx)).unwrap_err();
    writer.write(&people(0..56), &ChunkTransaction::sqlite(&tx)).unwrap();
    tx.commit().unwrap();
    assert_eq!(ids(&connection), (0..56).collect::<Vec<_>>());
}

#[test]
fn a_conflict_is_ignored_updated_or_replaced_on_request() {
    let name_of = |connection: &Connection| -> (String, Option<f64>) {
        connection
            .query_row("SELECT name, height FROM person WHERE id = 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap()
    };
    let after = |writer: SqliteTable<(i64, &'static str)>| {
        let mut connection = database();
        write(&mut connection, &mut SqliteTable::into("person"), &people([1])).unwrap();
        write(&mut connection, &mut writer.columns(["id", "name"]), &[(1, "new"), (2, "b")]).unwrap();
        assert_eq!(ids(&connection), [1, 2]);
        name_of(&connection)
    };
    assert_eq!(after(SqliteTable::into("person").on_conflict_ignore()), ("p1".into(), Some(1.5)));
    assert_eq!(after(SqliteTable::into("person").upsert(&["id"])), ("new".into(), Some(1.5)));
    assert_eq!(after(SqliteTable::into("person").replace()), ("new".into(), None));
}

#[test]
fn an_upsert_of_the_key_alone_keeps_the_row() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE seen (id INTEGER PRIMARY KEY)").unwrap();
    let mut writer = SqliteTable::into("seen").columns(["id"]).upsert(&["id"]);
    write(&mut connection, &mut writer, &[1, 2, 1]).unwrap();
    assert_eq!(count(&connection, "seen"), 2);
}

#[test]
fn a_missing_table_or_column_is_named() {
    let mut connection = database();
    let error = write(&mut connection, &mut SqliteTable::into("nobody"), &people([1])).unwrap_err();
    assert!(error.to_string().starts_with("table `nobody`: no such table: nobody"), "{error}");
    let mut writer = SqliteTable::into("person").columns(["id", "age"]);
    let error = write(&mut connection, &mut writer, &[(1, 2)]).unwrap_err();
    assert!(error.to_string().contains("table person has no column named age"), "{error}");
}

#[test]
fn a_value_that_no_column_holds_is_named_with_its_column() {
    #[derive(Serialize)]
    struct Nested {
        id: u64,
        name: Vec<String>,
    }
    let mut connection = database();
    let mut writer = SqliteTable::into("person");
    let error = write(&mut connection, &mut writer, &[Nested { id: 1, name: vec![] }]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("table `person`, item 1, column `name`: a sequence cannot be stored in a column"),
        "{error}"
    );
    let error = write(&mut connection, &mut writer, &[Nested { id: u64::MAX, name: vec![] }]).unwrap_err();
    assert!(error.to_string().contains("column `id`: 18446744073709551615 does not fit"), "{error}");
}

#[test]
fn a_step_without_a_repository_has_no_transaction() {
    let error = SqliteTable::into("person").write(&people([1]), &ChunkTransaction::none()).unwrap_err();
    assert!(error.to_string().starts_with("table `person`: there is no transaction"), "{error}");
}

#[test]
fn names_are_quoted() {
    #[derive(Serialize)]
    struct Odd {
        #[serde(rename = "order")]
        a: i64,
        #[serde(rename = "x\"y")]
        b: i64,
    }
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE \"group\" (\"order\" INTEGER, \"x\"\"y\" INTEGER)").unwrap();
    write(&mut connection, &mut SqliteTable::into("group"), &[Odd { a: 1, b: 2 }]).unwrap();
    assert_eq!(count(&connection, "\"group\""), 1);
}

#[test]
fn a_restart_finds_the_committed_chunks_and_nothing_else() {
    let folder = std::env::temp_dir().join(format!("batch-sqlite-table-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let open = || Connection::open(folder.join("rows.db")).unwrap();
    {
        let mut connection = open();
        connection
            .execute_batch("CREATE TABLE person (id INTEGER PRIMARY KEY, name, height, member)")
            .unwrap();
        let mut writer = SqliteTable::into("person");
        write(&mut connection, &mut writer, &people(0..100)).unwrap();
        // This transaction is dropped before its commit, as if the process were killed.
        let tx = connection.transaction().unwrap();
        writer.write(&people(100..200), &ChunkTransaction::sqlite(&tx)).unwrap();
    }
    let mut connection = open();
    let mut restarted = SqliteTable::into("person");
    let () = Writer::position(&restarted);
    restarted.open(Some(())).unwrap();
    write(&mut connection, &mut restarted, &people(100..200)).unwrap();
    assert_eq!(ids(&connection), (0..200).collect::<Vec<_>>());
    drop(connection);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_value_that_the_column_would_change_is_refused_with_what_it_would_become() {
    #[derive(Serialize)]
    struct Row<T> {
        v: T,
    }
    let refused = |declared: &str, row: &dyn Fn(&mut Connection) -> Result<(), SqliteWriteError>| {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("CREATE TABLE t (v {declared})")).unwrap();
        row(&mut connection).unwrap_err().to_string()
    };
    let of = |table: &mut Connection, v: f64| {
        write(table, &mut SqliteTable::into("t"), &[Row { v: 1.0 }, Row { v }])
    };
    assert_eq!(
        refused("REAL", &|table| of(table, f64::NAN)),
        "table `t`, item 2, column `v`: SQLite has no NaN and would store NULL; write `None`, or leave the item out"
    );
    assert_eq!(
        refused("INTEGER", &|table| write(table, &mut SqliteTable::into("t"), &[Row { v: "007" }])),
        "table `t`, item 1, column `v`: the text '007' would be stored as a number, because the column is declared as a number; declare the column as TEXT, or write another type"
    );
    let wide = [Row { v: 9_007_199_254_740_993_i64 }];
    assert_eq!(
        refused("REAL", &|table| write(table, &mut SqliteTable::into("t"), &wide)),
        "table `t`, item 1, column `v`: the integer 9007199254740993 would be stored as a rounded number, because the column is declared as REAL; declare the column as INTEGER, or write another type"
    );
}

#[test]
fn a_table_whose_name_holds_a_dot_is_written() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE \"sales.2024\" (n INTEGER); CREATE TABLE \"main.t\" (n INTEGER); CREATE TABLE t (n INTEGER)",
        )
        .unwrap();
    for table in ["sales.2024", "\"sales.2024\"", "main.\"sales.2024\"", "main.t", "\"main.t\""] {
        write(&mut connection, &mut SqliteTable::into(table).columns(["n"]), &[1]).unwrap();
    }
    let rows = ["\"sales.2024\"", "t", "\"main.t\""].map(|table| count(&connection, table));
    assert_eq!(rows, [3, 1, 1]);
}

#[test]
fn a_program_needs_only_the_prelude_to_write_to_a_table() {
    mod program {
        use crate::prelude::*;

        pub(super) fn numbers() -> SqliteTable<(i64,)> {
            SqliteTable::into("t").columns(["n"])
        }
    }
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
    write(&mut connection, &mut program::numbers(), &[(7,)]).unwrap();
    assert_eq!(count(&connection, "t"), 1);
}
