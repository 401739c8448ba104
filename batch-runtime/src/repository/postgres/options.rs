//! The options of a repository on a server.

use std::time::Duration;

use super::PostgresRepository;
use super::schema;
use super::shared::{Shared, Statements};
use crate::postgres::{Postgres, Session};
use crate::repository::{Intervals, RepositoryError};

/// The options for opening a repository.
///
/// ```no_run
/// use std::time::Duration;
/// use batch_runtime::postgres::Postgres;
/// use batch_runtime::repository::postgres::PostgresOptions;
///
/// let database = Postgres::at("postgres://etl@localhost/flights?schema=batch");
/// let repository = PostgresOptions::new().lease(Duration::from_secs(60)).open(&database)?;
/// # drop(repository);
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PostgresOptions(pub(super) Options);

/// The time limits and intervals of a repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// How long a process counts as alive after it has renewed its lease.
    pub(super) lease: Duration,
    /// How long to try to reconnect to a server that was lost.
    pub(super) patience: Duration,
    pub(super) intervals: Intervals,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PostgresOptions {
    /// A lease of 30 s, which is renewed every 10 s, and one minute in which to reconnect to a lost server.
    #[must_use]
    pub fn new() -> Self {
        Self(Options {
            lease: Duration::from_secs(30),
            patience: Duration::from_mins(1),
            intervals: Intervals::default(),
        })
    }

    /// Sets how long a process counts as alive after it has renewed its lease. It renews the lease three times in that
    /// time. Executions of a process on another host are not taken over before that time has passed, except by force.
    ///
    /// A process whose lease has run out stops what it runs, and waits no longer than a few seconds more for answers of
    /// the server.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = lease;
        self
    }

    /// Sets how long every operation of a running job tries to reconnect to a lost server.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.0.patience = patience;
        self
    }

    /// Sets the interval at which the commits of a step in another database are copied into the repository
    /// (default: once a second), and the interval at which requested stops are checked (default: ten times a
    /// second).
    #[must_use]
    pub fn intervals(mut self, mirror: Duration, poll: Duration) -> Self {
        self.0.intervals = Intervals { mirror, poll };
        self
    }

    /// Opens the repository in the database's schema, and creates its tables if they do not exist.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses the connection, or is older than version 13; or if the schema is newer
    /// than this program.
    pub fn open(self, database: &Postgres) -> Result<PostgresRepository, RepositoryError> {
        self.connect(database, true)
    }

    /// Opens the existing repository in the database's schema, for queries. Does not create one.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and if there is no repository.
    pub fn open_existing(self, database: &Postgres) -> Result<PostgresRepository, RepositoryError> {
        self.connect(database, false)
    }

    fn connect(self, database: &Postgres, creates: bool) -> Result<PostgresRepository, RepositoryError> {
        let place = database.place().to_owned();
        let statements = Statements::in_schema(&database.schema());
        let prepared = Session::connect(database, "batch").map_err(Into::into).and_then(|session| {
            let uuid = schema::prepare(&session, &statements, database, creates)?;
            Ok((session, uuid))
        });
        let (session, uuid) = prepared.map_err(|error: super::error::InnerError| error.at(&place))?;
        Ok(PostgresRepository::of(Shared::new(database.clone(), uuid, self.0, statements, session)))
    }
}
