//! The parts of a query, one for each partition.

use super::*;
use crate::definition::Splittable;

#[test]
fn the_parts_of_a_query_are_the_whole_and_restart_everywhere() {
    for rows in [0, 1, 7, 23] {
        let connection = database(rows);
        for page in [1, 3, 100] {
            crate::readers::tests::splits_everywhere(|| ids(&connection, page));
        }
    }
    let connection = Database::new();
    connection
        .execute_batch("CREATE TABLE t (day TEXT COLLATE NOCASE, n REAL, PRIMARY KEY (day, n))")
        .unwrap();
    for n in 0..20_u8 {
        let day = ["a", "B", "c"][usize::from(n % 3)];
        connection.execute("INSERT INTO t VALUES (?1, ?2)", (day, f64::from(n) / 7.0)).unwrap();
    }
    crate::readers::tests::splits_everywhere(|| {
        SqliteReader::query(&connection, "SELECT * FROM t")
            .key(["day", "n"])
            .rows_as::<(String, f64)>()
            .unwrap()
    });
    crate::readers::tests::splits_everywhere(|| {
        SqliteReader::query(&connection, "SELECT day, max(n) AS n FROM t WHERE day > :after GROUP BY day")
            .key("day")
            .start("")
            .rows_as::<(String, f64)>()
            .unwrap()
    });
}

#[test]
fn a_part_counts_its_own_rows_and_rows_added_later_belong_to_the_last() {
    let connection = database(9);
    let open = || {
        SqliteReader::query(&connection, "SELECT id FROM person")
            .key("id")
            .counted()
            .rows_as::<i64>()
            .unwrap()
    };
    let parts = open().split(3).unwrap();
    connection.execute("INSERT INTO person VALUES (95, 'new')", []).unwrap();
    let read: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let mut reader = open();
            reader.narrow(part).unwrap();
            (reader.progress().unwrap().total, rest(&mut reader).len())
        })
        .collect();
    assert_eq!(read, [(3, 3), (3, 3), (4, 4)]);
}

#[test]
fn a_part_of_another_key_is_refused() {
    let connection = database(3);
    let part = ids(&connection, 10).split(2).unwrap().remove(0);
    let mut other =
        SqliteReader::query(&connection, "SELECT name FROM person").key("name").rows_as::<String>().unwrap();
    assert!(other.narrow(part).unwrap_err().to_string().contains("the key is `name` now"));
}
