//! [`File`]: a place in a `SQLite` file.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use batch_runtime::repository::sqlite::SqliteOptions;
use batch_runtime::{ChunkTransaction, DatabaseHandle, Failure, Sqlite};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::place::{Place, Repo, Setup};

/// A database file.
pub(crate) struct File {
    path: PathBuf,
    /// Removed at the end, by the process that made it.
    _folder: Option<tempfile::TempDir>,
}

impl File {
    fn connect(&self) -> Connection {
        let connection = Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection
    }
}

impl Place for File {
    const KIND: &'static str = "sqlite";
    const LAST_NUMBER: &'static str = "SELECT ID FROM";

    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self { path: folder.path().join("batch.db"), _folder: Some(folder) })
    }

    fn at(address: &str) -> Self {
        Self { path: address.into(), _folder: None }
    }

    fn address(&self) -> String {
        self.path.to_str().unwrap().to_owned()
    }

    fn open_with(&self, setup: Setup) -> Repo {
        let mut options = SqliteOptions::new();
        if let Some(mirror) = setup.mirror {
            options = options.intervals(mirror, mirror);
        }
        if let Some(wait) = setup.wait {
            options = options.wait(wait);
        }
        Arc::new(options.open(&self.path).unwrap())
    }

    fn handle(&self) -> DatabaseHandle {
        DatabaseHandle::new(Sqlite::open(&self.path))
    }

    fn alias(&self) -> DatabaseHandle {
        let link = self.path.with_file_name("link.db");
        std::os::unix::fs::symlink(&self.path, &link).unwrap();
        DatabaseHandle::new(Sqlite::open(link))
    }

    fn broken(&self) -> (DatabaseHandle, String) {
        let path = self.path.with_file_name("text.db");
        let text = "this is text and not a database, and long enough to be read as the header of one";
        std::fs::write(&path, text).unwrap();
        (DatabaseHandle::new(Sqlite::open(path)), "text.db".to_owned())
    }

    fn try_sql(&self, statements: &str) -> Result<(), String> {
        self.connect().execute_batch(statements).map_err(|error| error.to_string())
    }

    fn rows(&self, query: &str) -> Vec<String> {
        let connection = self.connect();
        let mut statement = connection.prepare(query).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|column| {
                Ok(match row.get::<_, Value>(column)? {
                    Value::Null => "NULL".to_owned(),
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => text,
                    other => format!("{other:?}"),
                })
            });
            Ok(cells.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn dump(&self) -> String {
        let read = |suffix| std::fs::read(format!("{}{suffix}", self.path.display())).unwrap_or_default();
        let bytes = [read(""), read("-wal")].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn tables(&self) -> Vec<String> {
        self.rows("SELECT UPPER(name) FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
    }

    fn forbid_rows(&self, table: &str) {
        self.sql(&format!("CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"));
    }

    fn allow_rows(&self, _: &str) {
        self.sql("DROP TRIGGER no");
    }

    fn lock(&self) -> Box<dyn Any + Send> {
        let connection = self.connect();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Box::new(connection)
    }

    fn insert(chunk: &ChunkTransaction<'_>, number: i64) -> Result<(), Failure> {
        let tx = chunk.of::<Sqlite>()?;
        tx.execute("INSERT INTO item VALUES (?1)", [number]).map_err(Failure::new).map(drop)
    }

    fn execute(chunk: &ChunkTransaction<'_>, statement: &str) -> Result<(), Failure> {
        chunk.of::<Sqlite>()?.execute_batch(statement).map_err(Failure::new)
    }
}
