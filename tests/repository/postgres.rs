//! [`Schema`]: a place in a `PostgreSQL` database of its own.

use std::any::Any;
use std::sync::Arc;

use batch_runtime::postgres::types::Type;
use batch_runtime::postgres::{Postgres, Row, Session};
use batch_runtime::repository::postgres::PostgresOptions;
use batch_runtime::{ChunkTransaction, DatabaseHandle, DateTime, Failure};
use batch_tests::postgres::Database;

use crate::place::{Place, Repo, Setup};

/// The schema `public` of a database.
pub(crate) struct Schema {
    url: String,
    /// Removed at the end, by the process that made it.
    _database: Option<Database>,
}

impl Schema {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn database(&self) -> Postgres {
        Postgres::at(&self.url)
    }

    pub(crate) fn connect(&self) -> Session {
        Session::connect(&self.database(), "another program").unwrap()
    }
}

impl Place for Schema {
    const KIND: &'static str = "postgres";
    const LAST_NUMBER: &'static str = "SELECT last_value FROM";

    fn new() -> Option<Self> {
        let database = batch_tests::postgres::database()?;
        Some(Self { url: database.url().to_owned(), _database: Some(database) })
    }

    fn at(address: &str) -> Self {
        Self { url: address.to_owned(), _database: None }
    }

    fn address(&self) -> String {
        self.url.clone()
    }

    fn open_with(&self, setup: Setup) -> Repo {
        let mut options = PostgresOptions::new();
        if let Some(mirror) = setup.mirror {
            options = options.intervals(mirror, mirror);
        }
        if let Some(wait) = setup.wait {
            options = options.patience(wait);
        }
        Arc::new(options.open(&self.database()).unwrap())
    }

    fn handle(&self) -> DatabaseHandle {
        DatabaseHandle::new(self.database())
    }

    fn alias(&self) -> DatabaseHandle {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = self.url.replace("127.0.0.1", "localhost");
        DatabaseHandle::new(Postgres::at(format!("{url}{mark}statements=unnamed")))
    }

    fn broken(&self) -> (DatabaseHandle, String) {
        let (server, _) = self.url.rsplit_once('/').unwrap();
        (DatabaseHandle::new(Postgres::at(format!("{server}/nowhere"))), "/nowhere".to_owned())
    }

    fn try_sql(&self, statements: &str) -> Result<(), String> {
        self.connect().batch_execute(statements).map_err(|error| error.to_string())
    }

    fn rows(&self, query: &str) -> Vec<String> {
        let rows = self.connect().query(query, &[]).unwrap();
        let texts = |row: &Row| (0..row.len()).map(|column| text(row, column)).collect::<Vec<_>>().join("|");
        rows.iter().map(texts).collect()
    }

    fn dump(&self) -> String {
        let row = |table: &String| self.rows(&format!("SELECT t::text FROM {table} t ORDER BY 1")).join("\n");
        self.tables().iter().map(row).collect::<Vec<_>>().join("\n\n")
    }

    fn tables(&self) -> Vec<String> {
        self.rows("SELECT upper(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    }

    fn forbid_rows(&self, table: &str) {
        self.sql(&format!(
            "CREATE FUNCTION no() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no'; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER no BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no()"
        ));
    }

    fn allow_rows(&self, table: &str) {
        self.sql(&format!("DROP TRIGGER no ON {table}; DROP FUNCTION no()"));
    }

    fn lock(&self) -> Box<dyn Any + Send> {
        let session = self.connect();
        session.batch_execute("BEGIN").unwrap();
        for table in self.tables() {
            session.batch_execute(&format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")).unwrap();
        }
        Box::new(session)
    }

    fn insert(chunk: &ChunkTransaction<'_>, number: i64) -> Result<(), Failure> {
        let tx = chunk.of::<Postgres>()?;
        tx.send("INSERT INTO item VALUES ($1)", &[&number]).map_err(Failure::new)
    }

    fn execute(chunk: &ChunkTransaction<'_>, statement: &str) -> Result<(), Failure> {
        chunk.of::<Postgres>()?.batch_execute(statement).map_err(Failure::new)
    }
}

/// The text of a column.
fn text(row: &Row, column: usize) -> String {
    let text = match *row.columns()[column].type_() {
        Type::BOOL => row.get::<_, Option<bool>>(column).map(|is| is.to_string()),
        Type::INT4 => row.get::<_, Option<i32>>(column).map(|number| number.to_string()),
        Type::INT8 => row.get::<_, Option<i64>>(column).map(|number| number.to_string()),
        Type::TIMESTAMP => row.get::<_, Option<DateTime>>(column).map(|time| time.to_string()),
        _ => row.get::<_, Option<String>>(column),
    };
    text.unwrap_or_else(|| "NULL".to_owned())
}
