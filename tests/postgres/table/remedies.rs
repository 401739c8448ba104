//! The remedies that errors suggest for a value that a column cannot hold.

use batch_runtime::writers::PostgresTable;
use serde_json::json;

use super::Place;
use super::any::Any;

/// Columns, values that they cannot hold, and the error about each.
fn problems() -> Vec<(&'static str, Any, &'static str)> {
    let text = |text: &str| Any::Text(text.to_owned());
    vec![
        (
            "small",
            Any::Integer(40_000),
            "the integer 40000 is too large, because the column is of type smallint; declare the column as bigint or numeric, or write another value",
        ),
        (
            "small",
            Any::Real(0.5),
            "the number 0.5 cannot be stored as it is in a column of type smallint; declare the column as double precision, or write another type",
        ),
        (
            "real",
            Any::Real(0.1),
            "the number 0.1 would be rounded, because the column is of type real; declare the column as double precision, or write another value",
        ),
        (
            "price",
            text("1.005"),
            "the number 1.005 would be rounded, because the column is of type numeric(6,2); declare the column as numeric, or write another value",
        ),
        ("price", text("007"), "the text '007' is not a decimal number such as `-12.50`"),
        (
            "price",
            Any::Integer(10_000),
            "the number 10000 is too large, because the column is of type numeric(6,2); declare the column as numeric, or write another value",
        ),
        (
            "name",
            text("a\0b"),
            "the text holds the character NUL, at byte 1, which PostgreSQL cannot store; leave it out, or write bytes",
        ),
        (
            "name",
            Any::Integer(7),
            "the integer 7 cannot be stored as it is in a column of type text; declare the column as bigint, or write another type",
        ),
        (
            "short",
            text("abcde "),
            "the text of 6 characters is too long, because the column is of type character varying(5); declare the column as text, or write another value",
        ),
        (
            "code",
            text("a"),
            "the text 'a' would be padded with spaces, because the column is of type character(3); declare the column as text, or write another value",
        ),
        (
            "day",
            text("2024-01-31T12:00:00"),
            "the text '2024-01-31T12:00:00' holds more than a date, which the column would lose; declare the column as timestamp (the column is of type date)",
        ),
        (
            "local",
            text("2024-01-31T12:00:00.5"),
            "the text '2024-01-31T12:00:00.5' would be rounded (the column is of type timestamp(0) without time zone)",
        ),
        (
            "moment",
            text("2024-01-31T12:00:00"),
            "the text '2024-01-31T12:00:00' names no offset from UTC: end it with `Z`, or declare the column as timestamp (the column is of type timestamp with time zone)",
        ),
        ("document", Any::Real(f64::NAN), "JSON has no number for NaN; write an `Option` or a string"),
        (
            "document",
            Any::Document(json!(-0.0)),
            "jsonb cannot hold -0; write 0, or declare the column as json",
        ),
        (
            "span",
            text("1 day"),
            "a table writer cannot write a column of type interval; declare the column as text, or write the row with `tx.send` and a cast",
        ),
        (
            "numbers",
            Any::Integer(7),
            "the integer 7 cannot be stored as it is in a column of type integer[]; declare the column as bigint, or write another type",
        ),
        (
            "raw",
            Any::Integers(vec![Some(1)]),
            "the column holds bytes, and the sequence holds an `Option`; write numbers of type `u8`",
        ),
        (
            "small",
            Any::Twice,
            "`Some(None)` would be stored as NULL, just like `None`; use a single `Option`",
        ),
        ("key", Any::Integer(1), "the server generates the values of this column; leave it out"),
    ]
}

#[test]
fn a_value_that_the_column_cannot_hold_is_refused_with_what_to_do() {
    let Some(place) = Place::with(
        "CREATE TABLE t (small SMALLINT, real REAL, price NUMERIC(6, 2), name TEXT, short VARCHAR(5), code CHAR(3), day DATE,
            local TIMESTAMP(0), moment TIMESTAMPTZ, document JSONB, span INTERVAL, numbers INT[], raw BYTEA,
            key INT GENERATED ALWAYS AS IDENTITY)",
    ) else {
        return;
    };
    let refused = |column: &'static str, value: Any| {
        place.refused(&mut PostgresTable::into("t").columns([column]), &[(value,)])
    };
    let text = |text: &str| Any::Text(text.to_owned());
    for (column, value, problem) in problems() {
        assert_eq!(refused(column, value), format!("table `t`, item 1, column `{column}`: {problem}"));
    }
    assert!(
        refused("document", text("{}"))
            .contains("a string alone may be meant as a JSON document or as a JSON string")
    );
    assert!(place.numbers("SELECT count(*) FROM t") == [0]);
}
