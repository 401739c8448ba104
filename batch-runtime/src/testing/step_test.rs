//! Runs a step without a repository.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use super::step_database::RowsOnly;
use super::{TestClock, job_context_of, step_context_of};
use crate::definition::{
    Assigned, Database, DatabaseHandle, Durability, Environment, Failure, Given, Mark, Of, Parameter,
    ParameterType, Parameters, Pipe, Piped, ResourceDefinition, Scope, Sizes, Sqlite, StepDefinition,
    StepEnvironment, StopSignal, encoded,
};
use crate::engine::{self, Halt, Pause, Retrying, Sleep, StepEnd, StepRun};
use crate::observe::StepLive;
use crate::repository::{ChunkStore, Counters, Profile};

/// A step without a repository: nothing is recorded, and it cannot be restarted.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::testing::{Sandbox, StepTest};
///
/// #[reader]
/// fn days(month: Partition<u32>) -> impl Iterator<Item = u32> {
///     (1..=3).map(move |day| *month * 100 + day)
/// }
///
/// #[writer]
/// fn save(days: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
///     days.iter().try_for_each(|day| tx.execute("INSERT INTO day VALUES (?1)", [day]).map(drop))
/// }
/// # #[partitioner]
/// # fn months() -> Vec<(String, u32)> { (1..=12).map(|month| (month.to_string(), month)).collect() }
///
/// #[step(chunk = 2, partitioner = months)]
/// fn load() {
///     days | save
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::new()?;
/// let database = sandbox.connection()?;
/// database.execute_batch("CREATE TABLE day (day INTEGER)")?;
///
/// let ran = StepTest::<load>::new().partition("march", 3_u32)?.database(&database)?.run()?;
/// assert_eq!(ran.counters.write, 3);
/// assert_eq!(sandbox.rows("SELECT day FROM day")?, ["301", "302", "303"]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a step test does nothing until it is run"]
pub struct StepTest<S> {
    parameters: Parameters,
    position: Option<String>,
    partition: Option<(String, String)>,
    given: Given,
    own: Option<Sqlite>,
    time: Option<TestClock>,
    step: PhantomData<S>,
}

/// The result of a step that ran without a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The counters of the step.
    pub counters: Counters,
    /// How much time each activity of the step took.
    pub profile: Profile,
}

impl Ran {
    fn of(end: StepEnd) -> Result<Self, Failure> {
        match end.result {
            Ok(_) => Ok(Self { counters: end.counters, profile: end.profile.unwrap_or_default() }),
            Err(Halt::Failed(failure)) => Err(failure),
            Err(Halt::Stopped) => Err(Failure::new("the step was stopped")),
            Err(Halt::Lost(error)) => Err(Failure::new(error)),
        }
    }
}

impl<S> fmt::Debug for StepTest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepTest").field("given", &self.given).finish_non_exhaustive()
    }
}

impl<S: StepDefinition> Default for StepTest<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: StepDefinition> StepTest<S> {
    /// The step, from its beginning, without parameters.
    pub fn new() -> Self {
        Self {
            parameters: Parameters::new(),
            position: None,
            partition: None,
            given: Given::default(),
            own: None,
            time: None,
            step: PhantomData,
        }
    }

    /// Sets a job parameter that the step's components need.
    pub fn parameter<T: ParameterType>(mut self, name: &str, value: &T) -> Self {
        if let Some(value) = value.to_value() {
            self.parameters.insert(name, Parameter { value, identifying: false, secret: false });
        }
        self
    }

    /// Starts the step's reader from a position, as a restart does.
    ///
    /// # Errors
    /// If the position cannot be serialised.
    pub fn from_position(mut self, position: &impl Serialize) -> Result<Self, Failure> {
        self.position = Some(engine::encode_position(position)?);
        Ok(self)
    }

    /// Lets the step work on one partition, with the range that the partitioner would give it.
    ///
    /// # Errors
    /// If the range cannot be serialised.
    pub fn partition(mut self, name: &str, range: impl Serialize) -> Result<Self, Failure> {
        self.partition = Some((name.to_owned(), encoded(&range)?));
        Ok(self)
    }

    /// Sets the value of a `#[resource]`, so that its function is not called: `.resource::<quota>(limit)`.
    pub fn resource<R: ResourceDefinition>(mut self, value: R::Value) -> Self {
        self.given = self.given.resource::<R>(value);
        self
    }

    /// Gives the step a database in place of the repository's own: the file that `connection` is connected to. Each
    /// chunk is committed there, so the test sees the rows through its connection.
    ///
    /// # Errors
    /// If the database is in memory, where no other connection can see it.
    pub fn database(mut self, connection: &rusqlite::Connection) -> Result<Self, Failure> {
        let path = connection.path().filter(|path| !path.is_empty()).ok_or_else(|| {
            Failure::new(
                "a database in memory belongs to its connection alone: give the step one in a file, such as that of a `Sandbox`",
            )
        })?;
        self.own = Some(Sqlite::open(path));
        Ok(self)
    }

    /// Sets the database of a `#[database]`, so that its function is not called: `.database_of::<warehouse>(database)`.
    ///
    /// # Errors
    /// If the type is a kind of database, such as `Sqlite`: use [`database`](Self::database) for the repository's own.
    pub fn database_of<D: Database>(mut self, database: D::Driver) -> Result<Self, Failure> {
        self.given = self.given.database::<D>(database)?;
        Ok(self)
    }

    /// Sets the clock for `timeout`, `chunk_time` and backoffs.
    pub fn time(mut self, time: &TestClock) -> Self {
        self.time = Some(time.clone());
        self
    }

    /// Runs the whole step, with its reader and writer.
    ///
    /// # Errors
    /// The step's own.
    pub fn run(self) -> Result<Ran, Failure> {
        self.with(|run| Ran::of((S::INFO.run)(run)))
    }

    /// Runs the step's processors, chunk by chunk, over `items` instead of its reader. Returns the items that its
    /// writer would receive, and the counters.
    ///
    /// # Errors
    /// The processors' own.
    pub fn over<P: Pipe>(self, items: Vec<P::In>) -> Result<(Vec<P::Out>, Counters), Failure>
    where
        S: Piped<P>,
    {
        self.with(|run| engine::collect::<P, _>(run, crate::readers::VecReader::new(items)))
    }

    /// Runs the step's own reader and processors. Returns the items that its writer would receive, and the counters.
    ///
    /// # Errors
    /// The reader's and processors' own.
    pub fn collect<P: Pipe>(self) -> Result<(Vec<P::Out>, Counters), Failure>
    where
        S: Piped<P>,
    {
        self.with(|run| engine::collect::<P, _>(run, P::reader(&run.scope)?))
    }

    fn with<T>(self, run: impl FnOnce(&StepRun<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let info = S::INFO;
        let own = self.own.clone().map(DatabaseHandle::new);
        let environment = Environment::new(job_context_of("test", self.parameters), own, &self.given);
        let context = step_context_of(info.name, StopSignal::new());
        let pause: Arc<dyn Pause> = match self.time {
            Some(time) => Arc::new(time),
            None => Arc::new(Sleep),
        };
        let retrying = Retrying::new(&info.options, pause, StopSignal::new());
        let assigned = self.partition.map(|(name, part)| Assigned {
            number: 0,
            name: Some(name),
            part,
            is_from_elsewhere: false,
        });
        let own = StepEnvironment::new(Some(context), Some(retrying)).of_partition(assigned);
        let scope = Scope::of_step(&environment, &own);
        let sizes = Sizes::of(&info.options, &scope)?;
        let store = match (info.other_database(), self.own) {
            (Some(other), _) => match scope.database(Of::Named(other))?.downcast_ref::<Sqlite>() {
                Some(database) => ChunkStore::own(Box::new(RowsOnly::open(database)?)),
                None => ChunkStore::nowhere(),
            },
            (None, Some(own)) => ChunkStore::own(Box::new(RowsOnly::open(&own)?)),
            (None, None) => ChunkStore::nowhere(),
        };
        run(&StepRun {
            info,
            environment: &environment,
            own: &own,
            scope,
            sizes,
            store: RefCell::new(store),
            inherited: engine::checkpoint_at(self.position),
            durability: Durability::Process,
            before: Counters::default(),
            mark: Mark::default(),
            owner_may_live: false,
            replayed: None,
            live: Arc::new(StepLive::new(info.name.to_owned(), Counters::default())),
            route: None,
            #[cfg(feature = "remote-chunks")]
            remote: None,
        })
    }
}
