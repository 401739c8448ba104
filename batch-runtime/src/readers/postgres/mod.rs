//! [`PostgresReader`] reads a query page by page, by key, so that a restart resumes after the last key and no snapshot
//! outlives a page.

mod checks;
mod error;
mod key;
mod page;
mod proof;
mod query;
mod row;
mod source;
mod split;
mod sql;
mod values;

use std::fmt;
use std::marker::PhantomData;
use std::vec;

use tokio_postgres::Row;

use crate::definition::{Progress, Reader};
use crate::postgres::{SentQuery, Session};
use crate::readers::rows::{ItemError, named};

use key::{Key, StoredValue};
use page::{After, Page};
use row::{Columns, MakeItem, RowError};

pub use error::PostgresReadError;
pub use key::PostgresPosition;
pub use query::PostgresQuery;
pub use row::Decoded;
pub(super) use row::items;
pub use source::PostgresSource;
pub use split::PostgresPart;

/// The number of rows between two checks whether a part of the next page has arrived.
const ROWS_BETWEEN_CHECKS: u32 = 64;

/// Reads the rows of a `PostgreSQL` query in the order of a unique key.
///
/// Every page is a separate query for the rows after the last key: `.. WHERE id > $1 ORDER BY id LIMIT 1000`, in a
/// transaction of its own. A page in the middle therefore costs as much as the first one, a restart resumes by key, and no
/// snapshot keeps the server from cleaning up while a long step runs. The next page is in flight while the items of the
/// current page are processed, unless the current page is larger than 256 KiB.
///
/// The rows come in the order of `ORDER BY`, with the type and the collation that each column of the key has in the query,
/// and the server alone compares keys. No row is lost or read twice as long as its key stays the same. Rows that are added,
/// changed or removed meanwhile are read as they are when their page is read, which is up to one page ahead of the items;
/// rows added before the last key are not read.
///
/// A key that is `NULL` in a row, or equal in two, is refused. For a table whose unique index is on columns of the key that
/// are `NOT NULL`, nothing needs to be checked; for any other query each page compares its keys, which takes some time, and
/// the query is run once more to look for `NULL` before its first row is read. A key that the query computes differently
/// each time, or by a window function, is refused too, and so is a query with a `LIMIT` or `OFFSET` of its own.
///
/// | column | field |
/// |---|---|
/// | `smallint`, `integer`, `bigint`, `oid` | any integer that holds the value, `f64` and `f32` if they hold it exactly, `bool` for 0 and 1 |
/// | `real`, `double precision` | `f32`, `f64`, or an integer, if it holds the value exactly |
/// | `numeric` | `String` or a decimal type with all its digits; an integer if it has no fraction; `f64` if that has the same digits |
/// | `boolean` | `bool` |
/// | `text`, `varchar`, `char(n)`, `name`, `citext` | `String`, or a unit variant of an enum by its name |
/// | an `ENUM` | the same |
/// | `bytea` | `Vec<u8>`, or any type that asks serde for bytes |
/// | `date`, `timestamp`, `time` | [`Date`](crate::Date), [`DateTime`](crate::DateTime), `jiff::civil::Time`, or a `String` of ISO 8601 |
/// | `timestamptz` | [`Timestamp`](crate::Timestamp), or a `String` in UTC |
/// | `interval`, `timetz`, `inet`, `cidr` | `jiff::Span`, or a `String` |
/// | `uuid` | `uuid::Uuid`, or a `String` |
/// | `json`, `jsonb` | any serde type; a `String` takes the text of the document |
/// | an array | `Vec`, or a tuple of that length |
/// | any that may be `NULL` | `Option` |
///
/// A value of which a field would lose a part is refused: a `timestamp` for a `Date` or a time, a `timetz` for a
/// `jiff::civil::Time`, NaN for a `serde_json::Value`. So is one within a document: also a number that would become zero or
/// infinite, and two members of one name for a map or a `serde_json::Value`.
///
/// Any other type is refused with the remedy to convert it in the query: `area::text AS area`.
///
/// The reader has its own connection ([`PostgresSource`]), so it can move to another thread: a step with `threads` can
/// use it directly.
///
/// Reading continues after a row that cannot be converted to an item, or for which the closure failed
/// ([`PostgresReadError::is_about_a_row`]). It ends after a query that failed or lacks the columns of the item, and after
/// a key that is `NULL` or not unique: no rule of the step skips these.
///
/// ```no_run
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::{PostgresReadError, PostgresReader};
///
/// #[derive(Deserialize)]
/// struct Person {
///     id: u32,
///     name: String,
///     born: Option<Date>,
/// }
///
/// #[database]
/// fn registry(registry_url: String) -> Postgres {
///     Postgres::at(registry_url)
/// }
///
/// /// The people of a region.
/// #[reader]
/// fn people(
///     region: String,
///     registry: &Connection<registry>,
/// ) -> Result<PostgresReader<Person>, PostgresReadError> {
///     PostgresReader::query(registry, "SELECT id, name, born FROM person WHERE region = $1")
///         .bind(region)
///         .key("id")
///         .rows_as()
/// }
/// ```
///
/// With a closure instead of serde, and a key of two columns:
///
/// ```no_run
/// use batch_runtime::Reader;
/// use batch_runtime::postgres::Postgres;
/// use batch_runtime::readers::{PostgresReadError, PostgresReader};
///
/// let home = Postgres::at("postgres://me@localhost/home");
/// let mut reader = PostgresReader::query(&home, "SELECT day, id FROM chore")
///     .key(["day", "id"])
///     .rows(|row| Ok(format!("{} {}", row.try_get::<_, String>("day")?, row.try_get::<_, i64>("id")?)))?;
/// reader.read()?;
/// # Ok::<(), PostgresReadError>(())
/// ```
pub struct PostgresReader<T, F = Decoded<T>> {
    /// Declared before the session, so that it is dropped first: it uses the session's client.
    asked: Option<SentQuery>,
    session: Session,
    /// Converts a row to an item.
    make: F,
    columns: Columns,
    key: Key,
    page: Page,
    /// The remaining rows of the page.
    rows: vec::IntoIter<Row>,
    /// The place after the last row read.
    after: After,
    /// The key after which the part begins; empty for the first.
    begin: Vec<StoredValue>,
    /// Whether the query was checked for `NULL`.
    checked: bool,
    /// The error after the last row of the page.
    fault: Option<PostgresReadError>,
    read: u64,
    total: Option<u64>,
    ended: bool,
    /// The rows read since the last check whether something has arrived.
    since_look: u32,
    items: PhantomData<fn() -> T>,
}

impl<T, F: MakeItem<T>> PostgresReader<T, F> {
    fn new(session: Session, make: F, columns: Columns, key: Key, page: Page) -> Self {
        Self {
            asked: None,
            session,
            make,
            columns,
            key,
            page,
            rows: Vec::new().into_iter(),
            after: After::Nothing,
            begin: Vec::new(),
            checked: false,
            fault: None,
            read: 0,
            total: None,
            ended: false,
            since_look: 0,
            items: PhantomData,
        }
    }

    fn count(&mut self) -> Result<(), PostgresReadError> {
        let (sql, given) = self.page.count(self.parameters_of(&self.begin)?);
        let rows = self.session.read(&sql, &given)?;
        let total: Option<i64> = rows.first().and_then(|row| row.try_get(0).ok());
        self.total = total.and_then(|total| u64::try_from(total).ok());
        Ok(())
    }

    /// The key of the last row read; empty before the first.
    fn last_key(&self) -> Vec<StoredValue> {
        match &self.after {
            After::Nothing => Vec::new(),
            After::Row(row) => self.key.stored(row),
            After::Stored(stored) => stored.clone(),
        }
    }

    /// Now and then takes the part of the next page that has arrived, so that the server can send the rest of it.
    #[inline]
    fn look(&mut self) {
        self.since_look += 1;
        if self.since_look >= ROWS_BETWEEN_CHECKS {
            self.since_look = 0;
            if let Some(asked) = &mut self.asked {
                self.session.take_arrived(asked);
            }
        }
    }

    /// The error of a row.
    #[cold]
    fn blamed(&mut self, error: RowError) -> PostgresReadError {
        if error.is_about_the_columns() {
            // The rows stay unread, as after any error that is not about a row.
            self.rows = Vec::new().into_iter();
            self.asked = None;
            self.ended = false;
        }
        let of_columns = error.is_about_the_columns();
        match error {
            RowError::Item(ItemError { column, problem, .. }) if of_columns => {
                PostgresReadError::Columns { column, problem }
            }
            RowError::Item(ItemError { column, problem, .. }) => {
                PostgresReadError::Row { key: self.key.shown(&self.last_key()), column, problem }
            }
            RowError::Closure(source) => {
                PostgresReadError::Closure { key: self.key.shown(&self.last_key()), source }
            }
        }
    }
}

impl<T, F: MakeItem<T>> Reader for PostgresReader<T, F> {
    type Item = T;
    type Position = PostgresPosition;
    type Error = PostgresReadError;

    #[inline]
    fn read(&mut self) -> Result<Option<T>, PostgresReadError> {
        self.look();
        if self.rows.as_slice().is_empty() && !self.next_page()? {
            return Ok(None);
        }
        // If the closure panics, the row is still unread.
        let Some(row) = self.rows.as_slice().first() else { return Ok(None) };
        let item = (self.make)(row, &self.columns);
        if let Err(error) = &item
            && error.is_about_the_columns()
        {
            return item.map(Some).map_err(|error| self.blamed(error));
        }
        if let Some(row) = self.rows.next() {
            self.after = After::Row(row);
        }
        self.read += 1;
        item.map(Some).map_err(|error| self.blamed(error))
    }

    fn steps_over(&self, error: &PostgresReadError) -> bool {
        error.is_about_a_row()
    }

    fn record(&self, error: &PostgresReadError) -> Option<String> {
        match &self.after {
            After::Row(last) if error.is_about_a_row() => Some(row::text(last, &self.columns)),
            _ => None,
        }
    }

    fn position(&self) -> PostgresPosition {
        PostgresPosition { after: self.key.labelled(&self.last_key()), rows: self.read }
    }

    fn resume(&mut self, position: PostgresPosition) -> Result<(), PostgresReadError> {
        let PostgresPosition { after, rows } = position;
        self.read = rows;
        if after.is_empty() {
            return Ok(());
        }
        let Some(stored) = self.key.unlabelled(&after) else {
            let position = key::described(after.iter().map(|(name, type_, _)| (name, type_)));
            return Err(PostgresReadError::Position { position, key: self.key.described() });
        };
        self.after = After::Stored(stored);
        self.checked = true;
        Ok(())
    }

    fn progress(&self) -> Option<Progress> {
        self.total.map(|total| Progress { done: self.read.min(total), total })
    }

    fn location(&self) -> Option<String> {
        let key = self.last_key();
        (!key.is_empty()).then(|| self.key.shown(&key).into())
    }
}

impl<T, F> fmt::Debug for PostgresReader<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresReader")
            .field("key", &self.key.described())
            .field("read", &self.read)
            .field("is_proven", &self.page.is_proven)
            .finish_non_exhaustive()
    }
}
