//! Keys: which columns can be one, and which are refused.

use batch_runtime::Reader;
use batch_runtime::readers::PostgresReader;
use batch_tests::postgres::database;

use super::{all, error, people, query, rest, stored};

#[test]
fn a_key_that_two_rows_have_is_refused_before_either_is_read() {
    let Some(database) = database() else { return };
    people(&database, 5);
    let sql = "SELECT id / 20 AS half, name FROM person";
    for page in [1, 2, 3, 1000] {
        let mut reader = query(&database, sql).key("half").page(page).rows_as::<(i64, String)>().unwrap();
        assert_eq!(reader.read().unwrap().unwrap().1, "p1");
        let error = reader.read().unwrap_err();
        assert_eq!(
            error.to_string(),
            "key `half`: it is not unique: half = 1 occurs more than once; add columns to the key until it is unique"
        );
        assert!(!reader.steps_over(&error));
    }
}

#[test]
fn a_key_that_is_null_in_a_row_is_refused_before_the_first_row() {
    let Some(database) = database() else { return };
    database
        .connect()
        .batch_execute("CREATE TABLE t (a int UNIQUE, b int, UNIQUE (a, b)); INSERT INTO t VALUES (1, 1), (2, NULL), (NULL, 3)")
        .unwrap();
    let refused = |column: &str| {
        format!("key `{column}`: it is NULL in a row; exclude such rows, or read by another key")
    };
    assert_eq!(
        error::<(Option<i32>, Option<i32>)>(query(&database, "SELECT * FROM t").key("a")),
        refused("a")
    );
    let some = "SELECT * FROM t WHERE a IS NOT NULL";
    assert_eq!(error::<(i32, Option<i32>)>(query(&database, some).key(["a", "b"])), refused("b"));
    assert_eq!(all::<(i32, Option<i32>)>(query(&database, some).key("a")), [(1, Some(1)), (2, None)]);
    let outer = "SELECT t.a, o.b FROM t LEFT JOIN (SELECT 1 AS a, 7 AS b) AS o USING (a) WHERE a IS NOT NULL";
    assert_eq!(error::<(i32, Option<i32>)>(query(&database, outer).key("b")), refused("b"));
}

#[test]
fn a_null_that_appears_while_the_rows_are_read_is_refused_where_it_is_met() {
    let Some(database) = database() else { return };
    let writer = database.connect();
    writer.batch_execute("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 4)").unwrap();
    let mut reader = query(&database, "SELECT a FROM t").key("a").page(3).rows_as::<Option<i32>>().unwrap();
    reader.read().unwrap();
    writer.batch_execute("INSERT INTO t VALUES (NULL)").unwrap();
    let end = std::iter::from_fn(|| reader.read().transpose()).find_map(Result::err);
    assert!(end.is_none_or(|error| error.to_string().contains("it is NULL in a row")));
}

#[test]
fn a_key_that_changes_by_itself_is_refused() {
    let Some(database) = database() else { return };
    people(&database, 5);
    for (sql, problem) in [
        ("SELECT random() AS key, name FROM person", "it changes each time the query is run"),
        ("SELECT clock_timestamp()::text AS key, name FROM person", "it changes each time the query is run"),
        ("SELECT row_number() OVER () AS key, name FROM person", "it is computed by a window function"),
        (
            "SELECT rank() OVER (ORDER BY name)::int AS key, name FROM person",
            "it is computed by a window function",
        ),
    ] {
        let error = error::<serde_json::Value>(query(&database, sql).key("key"));
        assert!(error.starts_with(&format!("key `key`: {problem}")), "{sql}: {error}");
    }
    // A window function beside the key, or that chooses rows, does no harm.
    for sql in [
        "SELECT id, row_number() OVER (ORDER BY name) AS place FROM person",
        "SELECT id + 1 AS id, row_number() OVER (ORDER BY name) AS place FROM person",
        "SELECT id, n FROM (SELECT id, row_number() OVER (PARTITION BY name ORDER BY id) AS n FROM person) AS p WHERE n = 1",
    ] {
        assert_eq!(all::<(i64, i64)>(query(&database, sql).key("id").page(2)).len(), 5, "{sql}");
    }
}

#[test]
fn the_collation_or_the_type_decides_which_keys_are_equal() {
    let Some(database) = database() else { return };
    let session = database.connect();
    session
        .batch_execute(
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE t (a text COLLATE loose, b numeric, c float8, d char(4), e interval, f text);
             INSERT INTO t VALUES ('a', 1.0, 0, 'x', '1 day', 'a'), ('A', 1.00, '-0', 'x ', '24 hours', 'A')",
        )
        .unwrap();
    for column in ["a", "b", "c", "d", "e"] {
        for page in [1, 2, 1000] {
            let sql = format!("SELECT {column}, f FROM t");
            let mut reader = query(&database, &sql)
                .key(column)
                .page(page)
                .rows(|row| Ok(row.get::<_, String>("f")))
                .unwrap();
            let error = reader.read().unwrap_err().to_string();
            assert!(error.starts_with(&format!("key `{column}`: it is not unique: {column} = ")), "{error}");
        }
    }
    assert_eq!(all::<String>(query(&database, "SELECT f FROM t").key("f")), ["A", "a"]);
}

#[test]
fn rows_come_in_the_order_of_the_collation_of_the_query() {
    let Some(database) = database() else { return };
    database
        .connect()
        .batch_execute(
            "CREATE TABLE t (name text COLLATE \"de-x-icu\" PRIMARY KEY);
             INSERT INTO t VALUES ('Zoo'), ('äpfel'), ('Apfel'), ('apfel'), ('b')",
        )
        .unwrap();
    for page in [1, 2, 5] {
        let read = |sql| all::<String>(query(&database, sql).key("name").page(page));
        assert_eq!(read("SELECT name FROM t"), ["apfel", "Apfel", "äpfel", "b", "Zoo"]);
        assert_eq!(read("SELECT name COLLATE \"C\" AS name FROM t"), ["Apfel", "Zoo", "apfel", "b", "äpfel"]);
        assert_eq!(read("SELECT name::name AS name FROM t"), ["apfel", "Apfel", "äpfel", "b", "Zoo"]);
    }
}

/// Values of a type in the order in which they are sorted, as SQL.
const SORTED: [(&str, &[&str]); 19] = [
    ("bool", &["false", "true"]),
    ("int2", &["'-32768'", "'0'", "'32767'"]),
    ("int8", &["'-9223372036854775808'", "'-1'", "'9007199254740993'", "'9223372036854775807'"]),
    ("oid", &["'0'", "'4294967295'"]),
    (
        "float4",
        &["'-Infinity'", "'-1.1'", "'0'", "'1e-40'", "'0.1'", "'3.4028235e38'", "'Infinity'", "'NaN'"],
    ),
    (
        "float8",
        &[
            "'-Infinity'",
            "'-1e300'",
            "'-0.1'",
            "'0'",
            "'5e-324'",
            "'0.30000000000000004'",
            "'1e22'",
            "'Infinity'",
            "'NaN'",
        ],
    ),
    (
        "numeric",
        &[
            "'-Infinity'",
            "'-12345678901234567890123456789.5'",
            "'0.00'",
            "'0.0000000000000000001'",
            "'1.50'",
            "'1e30'",
            "'NaN'",
        ],
    ),
    ("text", &["''", "' '", "'\\x01'", "'A'", "'a''b'", "'ä'", "'\u{1F600}'"]),
    ("varchar", &["''", "'a'", "'b'"]),
    ("char(3)", &["'a'", "'ab'", "'b'"]),
    ("name", &["'a'", "'b'"]),
    ("\"char\"", &["''", "'a'", "'b'"]),
    ("bytea", &["''", "'\\x00'", "'\\x00ff'", "'\\x27'"]),
    (
        "date",
        &["'-infinity'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'2024-02-29'", "'10000-01-01'", "'infinity'"],
    ),
    (
        "timestamp",
        &[
            "'-infinity'",
            "'0044-03-15 12:00:00.5 BC'",
            "'2024-02-29 00:00:00.000001'",
            "'294276-12-31'",
            "'infinity'",
        ],
    ),
    (
        "timestamptz",
        &[
            "'0044-03-15 12:00:00 BC'",
            "'1970-01-01 00:00:00.000001+02'",
            "'2024-02-29 23:59:59.999999'",
            "'infinity'",
        ],
    ),
    ("time", &["'00:00'", "'23:59:59.999999'", "'24:00'"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-0000-4000-8000-000000000000'"]),
    ("interval", &["'-1 year'", "'-1 day 1 hour'", "'0'", "'1 mon -3 days 00:00:00.000001'", "'1 year'"]),
];

/// More types, whose texts only the server knows.
const MORE: [(&str, &[&str]); 7] = [
    ("timetz", &["'00:00+02'", "'00:00-02'", "'24:00+00'"]),
    ("inet", &["'10.0.0.1'", "'10.0.0.0/8'", "'2001:db8::1'"]),
    ("jsonb", &["'null'", "'1.50'", "'[1, {\"a\": 2}]'"]),
    ("int4[]", &["'{}'", "'{1}'", "'{1,2}'", "'{2,NULL}'"]),
    ("bit(3)", &["'000'", "'101'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("mood", &["'sad'", "'fine'", "'best'"]),
];

#[test]
fn every_type_with_an_order_is_a_key_and_a_stored_position_is_the_same_value() {
    let Some(database) = database() else { return };
    // Nothing depends on how the server writes dates and numbers.
    database
        .connect()
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('sad', 'fine', 'best');
             DO $$ DECLARE setting text; BEGIN
                FOREACH setting IN ARRAY ARRAY['TimeZone = ''Asia/Kolkata''', 'DateStyle = SQL, DMY',
                    'IntervalStyle = iso_8601', 'extra_float_digits = 0', 'bytea_output = escape']
                LOOP EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting); END LOOP;
             END $$",
        )
        .unwrap();
    let session = database.connect();
    for (type_, values) in SORTED.into_iter().chain(MORE) {
        let rows: Vec<_> = values.iter().map(|value| format!("({value}::{type_})")).collect();
        session
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS t; CREATE TABLE t (k {type_} PRIMARY KEY); INSERT INTO t VALUES {}",
                rows.join(", ")
            ))
            .unwrap();
        let expected: Vec<String> = session
            .query("SELECT k::text FROM t ORDER BY t.k", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(expected.len(), values.len(), "{type_}");
        for sql in [
            "SELECT k, k::text AS text FROM t",
            "SELECT k, k::text AS text FROM t JOIN (VALUES (1)) v ON true",
        ] {
            let open = || {
                query(&database, sql).key("k").page(2).rows(|row| Ok(row.get::<_, String>("text"))).unwrap()
            };
            assert_eq!(rest(&mut open()), expected, "{type_}");
            let mut position = stored(&open());
            for text in &expected {
                let mut reader = open();
                reader.resume(position).unwrap();
                assert_eq!(reader.read().unwrap().as_ref(), Some(text), "{type_}");
                assert!(reader.location().unwrap().starts_with("k = "));
                position = stored(&reader);
            }
            let mut reader = open();
            reader.resume(position).unwrap();
            assert_eq!(reader.read().unwrap(), None, "{type_}");
        }
    }
}

#[test]
fn a_position_names_the_key_and_is_readable() {
    let Some(database) = database() else { return };
    people(&database, 2);
    let mut reader =
        query(&database, "SELECT * FROM person").key(["name", "ID"]).rows_as::<(i64, String)>().unwrap();
    assert_eq!(serde_json::to_string(&reader.position()).unwrap(), r#"{"after":[],"rows":0}"#);
    reader.read().unwrap();
    assert_eq!(
        serde_json::to_string(&reader.position()).unwrap(),
        r#"{"after":[["name","text","p1"],["id","int8","10"]],"rows":1}"#
    );
    assert_eq!(reader.location().unwrap(), "name = 'p1', id = 10");
}

#[test]
fn a_position_of_another_key_is_refused() {
    let Some(database) = database() else { return };
    people(&database, 2);
    let open = |sql: &str, key: &str| {
        query(&database, sql).key(key.to_owned()).rows_as::<serde_json::Value>().unwrap()
    };
    let mut reader = open("SELECT * FROM person", "id");
    reader.read().unwrap();
    let resume = |sql: &str, key: &str| open(sql, key).resume(stored(&reader)).unwrap_err().to_string();
    assert_eq!(
        resume("SELECT * FROM person", "name"),
        "an earlier execution stopped at `id` int8, but the key is `name` text now; restore the old key, or start a new instance (`--next`)"
    );
    assert!(resume("SELECT id::text AS id FROM person", "id").contains("the key is `id` text now"));
    let mut reader = open("SELECT * FROM person", "name");
    reader.read().unwrap();
    let error = open("SELECT name COLLATE \"en-x-icu\" AS name FROM person", "name").resume(stored(&reader));
    assert!(error.unwrap_err().to_string().contains("the key is `name` text COLLATE \"en-x-icu\" now"));
}

#[test]
fn a_column_that_cannot_be_a_key_is_refused_with_what_to_do() {
    let Some(database) = database() else { return };
    people(&database, 2);
    let error = |sql: &str, key: &[&str]| error::<serde_json::Value>(query(&database, sql).key(key.to_vec()));
    assert_eq!(
        error("SELECT * FROM person", &[]),
        "the query cannot be read in pages: it has no key; add `.key(\"id\")` with the unique column or columns"
    );
    assert!(
        error("SELECT name FROM person", &["id"])
            .contains("the key `id` is not in its result, which has `name`; select it too")
    );
    assert!(
        error("SELECT id, name AS id FROM person", &["id"])
            .contains("two columns of its result are named `id`, the key; rename one with `AS`")
    );
    assert!(
        error("SELECT '{}'::json AS id", &["id"])
            .contains("could not identify an ordering operator for type json")
    );
    assert!(
        error("SELECT 'a' COLLATE \"C\" AS id UNION ALL SELECT 'b' COLLATE \"POSIX\"", &["id"])
            .contains("collation")
    );
}

#[test]
fn pages_of_a_table_with_a_unique_index_are_not_checked_and_all_others_are() {
    let Some(database) = database() else { return };
    people(&database, 3);
    database
        .connect()
        .batch_execute(
            "CREATE TABLE pair (a int NOT NULL, b text NOT NULL, c int UNIQUE, d int NOT NULL, e int NOT NULL, UNIQUE (a, b));
             CREATE UNIQUE INDEX ON pair (d) WHERE d > 0;
             ALTER TABLE pair ADD UNIQUE (e) DEFERRABLE;
             INSERT INTO pair VALUES (1, 'x', 1, 1, 1), (1, 'y', 2, 2, 2), (2, 'x', 3, 3, 3);
             CREATE VIEW everybody AS SELECT * FROM person WHERE name LIKE 'p%';
             CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
             INSERT INTO parent VALUES (1), (2), (3)",
        )
        .unwrap();
    let is_checked = |sql: &str, key: &[&str]| {
        let reader = query(&database, sql).key(key.to_vec()).rows(|_| Ok(())).unwrap();
        format!("{reader:?}").contains("is_proven: false")
    };
    for (sql, key) in [
        ("SELECT * FROM person", &["id"] as &[&str]),
        ("SELECT name, id FROM person AS \"P p\" WHERE name <> ''", &["id"]),
        ("SELECT id, name FROM person", &["name", "id"]),
        ("SELECT upper(name), id, (SELECT max(id) FROM person) FROM person", &["id"]),
        ("SELECT * FROM everybody", &["id"]),
        ("SELECT * FROM pair", &["a", "b"]),
        ("SELECT * FROM pair", &["b", "a"]),
        ("WITH p AS (SELECT * FROM person) SELECT * FROM p", &["id"]),
    ] {
        assert!(!is_checked(sql, key), "{sql}");
    }
    for (sql, key) in [
        ("SELECT * FROM pair", &["a"] as &[&str]),
        ("SELECT * FROM pair", &["c"]),
        ("SELECT * FROM pair", &["d"]),
        ("SELECT * FROM pair", &["e"]),
        ("SELECT * FROM parent", &["id"]),
        ("SELECT id, generate_series(1, 2) FROM person", &["id"]),
        ("SELECT id FROM person UNION ALL SELECT id FROM person", &["id"]),
        ("SELECT id FROM person WHERE false UNION ALL SELECT 1 FROM person", &["id"]),
        ("SELECT person.* FROM person, pair", &["id"]),
        ("SELECT p.id FROM pair LEFT JOIN person AS p ON false", &["id"]),
        ("SELECT id, count(*) FROM person GROUP BY ROLLUP (id)", &["id"]),
        ("SELECT id + 0 AS id FROM person", &["id"]),
        ("SELECT name COLLATE \"C\" AS name, id FROM person", &["name"]),
        ("SELECT a, b COLLATE \"de-x-icu\" AS b FROM pair", &["a", "b"]),
    ] {
        assert!(is_checked(sql, key), "{sql}");
    }
}

#[test]
fn a_bound_session_is_kept_and_may_have_temporary_tables() {
    let Some(database) = database() else { return };
    let session = database.connect();
    session.batch_execute("CREATE TEMP TABLE chosen (id int); INSERT INTO chosen VALUES (1), (2)").unwrap();
    let mut reader =
        PostgresReader::query(session, "SELECT id FROM chosen").key("id").page(1).rows_as::<i32>().unwrap();
    assert_eq!(rest(&mut reader), [1, 2]);
    let session = database.connect();
    session.begin("").unwrap();
    let error = PostgresReader::query(session, "SELECT 1 AS id").key("id").rows_as::<i32>().unwrap_err();
    assert!(error.to_string().contains("a transaction is open on the session"), "{error}");
}
