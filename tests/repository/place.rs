//! [`Place`]: a database of any kind, which can hold a repository or the rows of a step.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use batch_runtime::repository::Repository;
use batch_runtime::{ChunkTransaction, DatabaseHandle, Failure};

/// A repository of any kind.
pub(crate) type Repo = Arc<dyn Repository>;

/// A test sets this environment variable, to the addresses of its places, for a child process that is to run the same
/// test as the owner.
pub(crate) const OWNER_OF: &str = "BATCH_TEST_OWNER_OF";

/// How a repository is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setup {
    /// The interval at which the commits in another database are copied, and at which stops are noticed.
    pub(crate) mirror: Option<Duration>,
    /// How long to wait for a database that cannot be used.
    pub(crate) wait: Option<Duration>,
}

/// An empty database, which can become a repository and into which other programs can look.
pub(crate) trait Place: Sized + Send + Sync + 'static {
    /// The name of the kind in the names of tests.
    const KIND: &'static str;
    /// The beginning of the query for the last number that a sequence has returned. The name of the sequence follows
    /// it.
    const LAST_NUMBER: &'static str;

    /// A new place; `None` if this machine has no such database.
    fn new() -> Option<Self>;

    /// The place at that address.
    fn at(address: &str) -> Self;

    /// Its address for another process.
    fn address(&self) -> String;

    /// Opens the repository as a process of its own would, and creates it if it does not exist.
    fn open_with(&self, setup: Setup) -> Repo;

    /// As [`open_with`](Self::open_with) with the defaults.
    fn open(&self) -> Repo {
        self.open_with(Setup::default())
    }

    /// The database as a `#[database]` function returns it.
    fn handle(&self) -> DatabaseHandle;

    /// The same database under another name.
    fn alias(&self) -> DatabaseHandle;

    /// A database that cannot be opened, and a part of the refusal that names it.
    fn broken(&self) -> (DatabaseHandle, String);

    /// Runs statements of another program.
    fn try_sql(&self, statements: &str) -> Result<(), String>;

    /// Runs statements of another program, which succeed.
    fn sql(&self, statements: &str) {
        self.try_sql(statements).unwrap();
    }

    /// The rows of a query as text, as another program sees them: columns are separated by `|`.
    fn rows(&self, query: &str) -> Vec<String>;

    /// Everything that is stored, as text.
    fn dump(&self) -> String;

    /// The names of the tables.
    fn tables(&self) -> Vec<String>;

    /// Makes the database refuse new rows of a table, with the message `no`.
    fn forbid_rows(&self, table: &str);

    /// Lets the table take rows again.
    fn allow_rows(&self, table: &str);

    /// Holds locks that every write waits for, until the guard is dropped.
    fn lock(&self) -> Box<dyn Any + Send>;

    /// Inserts a number into the table `item` in the transaction of a chunk.
    fn insert(chunk: &ChunkTransaction<'_>, number: i64) -> Result<(), Failure>;

    /// Runs a statement in the transaction of a chunk.
    fn execute(chunk: &ChunkTransaction<'_>, statement: &str) -> Result<(), Failure>;
}

/// Runs a test with a new place, or with the one in [`OWNER_OF`] if this process is to be its owner.
pub(crate) fn give<P: Place>(test: fn(&P)) {
    let place = match std::env::var(OWNER_OF) {
        Ok(address) => Some(P::at(&address)),
        Err(_) => P::new(),
    };
    if let Some(place) = place {
        test(&place);
    }
}

/// Runs a test with two new places, or with those in [`OWNER_OF`] if this process is to be their owner.
pub(crate) fn give_two<R: Place, W: Place>(test: fn(&R, &W)) {
    let places = match std::env::var(OWNER_OF) {
        Ok(addresses) => {
            let (here, there) = addresses.split_once('\n').expect("two addresses");
            Some((R::at(here), W::at(there)))
        }
        Err(_) => R::new().zip(W::new()),
    };
    if let Some((here, there)) = places {
        test(&here, &there);
    }
}

/// Rows with `T1`, `T2` … for their times, in the order in which they first occur.
pub(crate) fn timeless(rows: &[String]) -> Vec<String> {
    let mut seen: Vec<batch_runtime::DateTime> = Vec::new();
    let mut cell = |text: &str| match text.parse::<batch_runtime::DateTime>() {
        Ok(time) if text.contains(':') => {
            let known = seen.iter().position(|seen| *seen == time);
            let number = known.unwrap_or_else(|| {
                seen.push(time);
                seen.len() - 1
            });
            format!("T{}", number + 1)
        }
        _ => text.to_owned(),
    };
    rows.iter().map(|row| row.split('|').map(&mut cell).collect::<Vec<_>>().join("|")).collect()
}
