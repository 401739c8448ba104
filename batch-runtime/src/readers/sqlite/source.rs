//! Provides the reader's own connection, which lets the reader move from one thread to another.

use super::SqliteReadError;
use crate::definition::{Connection, Database, Sqlite};

/// A source of connections for a [`SqliteReader`](super::SqliteReader).
///
/// - `&Connection`, as a `#[reader]` function receives it: the reader opens another connection to the same
///   database, for reading.
/// - `&Sqlite`: the same for any database file. The file must exist; reading neither creates it nor changes
///   its journal mode. A database with a write-ahead log in a read-only folder can be read only while a
///   writer has it open.
/// - A [`rusqlite::Connection`] by value: the reader keeps it. This is the only way to read a database in
///   memory, or to use databases and functions that were attached or registered on that connection.
///
/// A `&rusqlite::Connection` is not accepted: a borrowed connection could not follow the reader to another
/// thread.
#[diagnostic::on_unimplemented(
    message = "a `SqliteReader` cannot read from `{Self}`",
    label = "the reader needs a connection of its own",
    note = "pass the `&Connection` that a component receives, a `&Sqlite`, or a `rusqlite::Connection` by value"
)]
pub trait SqliteSource {
    /// Returns a connection for the reader alone.
    ///
    /// # Errors
    /// If the database cannot be opened.
    fn into_connection(self) -> Result<rusqlite::Connection, SqliteReadError>;

    /// True if the reader opens another connection, which does not see what was attached or registered on
    /// this one.
    fn opens_another(&self) -> bool {
        false
    }
}

impl SqliteSource for rusqlite::Connection {
    fn into_connection(self) -> Result<rusqlite::Connection, SqliteReadError> {
        Ok(self)
    }
}

impl SqliteSource for &Sqlite {
    fn into_connection(self) -> Result<rusqlite::Connection, SqliteReadError> {
        self.connect_read_only().map_err(|source| SqliteReadError::open(self.path(), source))
    }
}

impl<D: Database<Driver = Sqlite>> SqliteSource for &Connection<D> {
    fn into_connection(self) -> Result<rusqlite::Connection, SqliteReadError> {
        if !self.is_autocommit() {
            return Err(SqliteReadError::query(
                "a transaction is open on the connection, but the reader has a connection of its own and would not see it; end the transaction first",
            ));
        }
        self.database().into_connection()
    }

    fn opens_another(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use crate::definition::{Reader, Sqlite};
    use crate::readers::sqlite::tests::{Database, database, error, ids, rest};
    use crate::readers::{SqliteQuery, SqliteReader};

    #[test]
    fn it_can_move_to_another_thread_in_the_middle_of_a_page() {
        let connection = database(9);
        let mut reader = SqliteReader::query(&connection, "SELECT id FROM person")
            .key("id")
            .page(4)
            .rows(|row| row.get::<_, i64>("id"))
            .unwrap();
        assert_eq!(reader.read().unwrap(), Some(10));
        let mut reader = std::thread::spawn(move || {
            assert_eq!(reader.read().unwrap(), Some(20));
            reader
        })
        .join()
        .unwrap();
        assert_eq!(rest(&mut reader), [30, 40, 50, 60, 70, 80, 90]);
    }

    #[test]
    fn a_connection_passed_by_value_is_used_directly() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TEMP TABLE person (id INTEGER); INSERT INTO person VALUES (1), (2)")
            .unwrap();
        assert_eq!(rest(&mut ids(connection, 1)), [1, 2]);
    }

    /// Runs `with` on the connection that a component receives.
    fn injected<T>(database: &Database, with: impl FnOnce(&crate::Connection) -> T) -> T {
        with(&crate::Connection::open(&database.sqlite).unwrap())
    }

    #[test]
    fn for_the_connection_of_a_component_it_opens_its_own_which_cannot_write() {
        let database = database(2);
        let mut reader = injected(&database, |connection| ids(connection, 1));
        assert_eq!(rest(&mut reader), [10, 20], "the component's own is closed by now");
        let error = reader.connection.execute_batch("DELETE FROM person").unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    }

    #[test]
    fn a_transaction_that_it_would_not_see_is_refused() {
        let database = database(2);
        let error = injected(&database, |connection| {
            connection.execute_batch("BEGIN").unwrap();
            error::<i64>(SqliteReader::query(connection, "SELECT id FROM person").key("id"))
        });
        assert!(error.contains("a transaction is open on the connection"), "{error}");
    }

    #[test]
    fn its_own_connection_is_prepared_like_every_connection_of_the_database() {
        let database = database(2);
        let sqlite = Sqlite::open(database.sqlite.path()).on_connect(|connection| {
            connection.execute_batch("CREATE TEMP TABLE wanted (id INTEGER); INSERT INTO wanted VALUES (20)")
        });
        let mut reader = SqliteReader::query(&sqlite, "SELECT id FROM person JOIN wanted USING (id)")
            .key("id")
            .rows_as::<i64>()
            .unwrap();
        assert_eq!(rest(&mut reader), [20]);
    }

    #[test]
    fn the_error_says_that_only_the_given_connection_knows_a_name() {
        let database = database(2);
        let query = |connection: &crate::Connection, sql| {
            error::<i64>(SqliteReader::query(connection, sql).key("id"))
        };
        let (attached, function, syntax) = injected(&database, |connection| {
            connection.execute_batch("ATTACH ':memory:' AS other").unwrap();
            let attached = query(connection, "SELECT p.id FROM person p, other.sqlite_schema");
            let function = query(connection, "SELECT soundly(id) AS id FROM person");
            (attached, function, query(connection, "SELECT id FORM person AS p"))
        });
        assert!(attached.contains("no such table: other.sqlite_schema"), "{attached}");
        assert!(attached.contains("the reader has a connection of its own"), "{attached}");
        assert!(attached.contains("`Sqlite::on_connect`"), "{attached}");
        assert!(function.contains("no such function") && function.contains("of its own"), "{function}");
        assert!(!syntax.contains("a connection of its own"), "{syntax}");
        let by_file = error::<i64>(SqliteReader::query(&database.sqlite, "SELECT id FROM nowhere").key("id"));
        assert!(by_file.contains("no such table") && !by_file.contains("of its own"), "{by_file}");
    }

    #[test]
    fn a_file_that_is_missing_is_an_error_and_is_not_created() {
        let database = database(1);
        let missing = Sqlite::open(database.sqlite.path().with_file_name("mistyped.db"));
        let error = error::<i64>(SqliteReader::query(&missing, "SELECT id FROM person").key("id"));
        assert!(error.starts_with("cannot open database ") && error.contains("mistyped.db"), "{error}");
        assert!(!missing.path().exists());
        crate::Connection::<Sqlite>::open(&missing).unwrap_err();
        assert!(!missing.path().exists());
    }

    #[test]
    fn for_a_component_the_file_is_created_if_each_connection_prepares_something() {
        let database = database(1);
        let fresh =
            Sqlite::open(database.sqlite.path().with_file_name("fresh.db")).on_connect(|connection| {
                connection.execute_batch("CREATE TABLE IF NOT EXISTS person (id INTEGER)")
            });
        let connection = crate::Connection::<Sqlite>::open(&fresh).unwrap();
        assert!(rest(&mut ids(&connection, 1)).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_database_in_rollback_mode_is_read_unchanged_from_a_read_only_folder() {
        use std::fs::{Permissions, read, read_dir, set_permissions};
        use std::os::unix::fs::PermissionsExt;

        let database = database(2);
        let (file, folder) = (database.sqlite.path(), database.sqlite.path().parent().unwrap());
        let before = read(file).unwrap();
        let permit = |of_file, of_folder| {
            set_permissions(file, Permissions::from_mode(of_file)).unwrap();
            set_permissions(folder, Permissions::from_mode(of_folder)).unwrap();
        };
        permit(0o444, 0o555);
        let first =
            |query: SqliteQuery| query.key("id").rows_as::<i64>().and_then(|mut reader| reader.read());
        let of_file = first(SqliteReader::query(&database.sqlite, "SELECT id FROM person"));
        let given = crate::Connection::<Sqlite>::open(&database.sqlite);
        let of_component = given.map(|given| first(SqliteReader::query(&given, "SELECT id FROM person")));
        permit(0o644, 0o755);
        assert_eq!((of_file.unwrap(), of_component.unwrap().unwrap()), (Some(10), Some(10)));
        // Permissions do not restrict root.
        assert!(read(file).unwrap() == before, "the file was written");
        assert_eq!(read_dir(folder).unwrap().count(), 1, "nothing is left next to it");
    }

    #[test]
    fn a_database_with_a_write_ahead_log_is_read_while_a_transaction_of_a_chunk_is_open() {
        let database = database(2);
        let writer = database.sqlite.connect().unwrap();
        writer.execute_batch("INSERT INTO person VALUES (30, 'p3')").unwrap();
        writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO person VALUES (40, 'p4')").unwrap();
        let mut reader = ids(&database.sqlite, 2);
        assert_eq!(reader.read().unwrap(), Some(10));
        writer.execute_batch("COMMIT; BEGIN IMMEDIATE; INSERT INTO person VALUES (50, 'p5')").unwrap();
        assert_eq!(rest(&mut reader), [20, 30, 40]);
    }

    #[test]
    fn a_file_that_is_not_a_database_is_named() {
        let database = database(1);
        let text = Sqlite::open(database.sqlite.path().with_file_name("rows.txt"));
        std::fs::write(text.path(), "no database, but a text that is longer than a header; ".repeat(20))
            .unwrap();
        let error = error::<i64>(SqliteReader::query(&text, "SELECT id FROM person").key("id"));
        assert!(error.starts_with("cannot open database ") && error.contains("rows.txt"), "{error}");
    }

    #[test]
    fn a_database_that_cannot_be_opened_is_named() {
        let nowhere = Sqlite::open("/no/such/folder/rows.db");
        let error = error::<i64>(SqliteReader::query(&nowhere, "SELECT 1 AS id").key("id"));
        assert!(error.starts_with("cannot open database /no/such/folder/rows.db: "), "{error}");
    }
}
