//! Runs your steps and jobs in tests: a step without a repository, a job in a private one that is dropped afterwards.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use crate::definition::{
    Database, Driver, Environment, ExecutionId, Failure, InstanceId, JobContext, Launch, Parameter,
    ParameterType, Parameters, Pipe, Piped, Scope, Sizes, StepContext, StepDefinition, StepEnvironment,
    StepExecutionId, StopSignal, Transaction, Values,
};
use crate::engine::{self, Halt, JobError, Retrying, RunOptions, Sleep, StepEnd, StepRun};
use crate::observe::{JobReport, StepLive};
use crate::repository::sqlite::SqliteRepository;
use crate::repository::{ChunkStore, Counters, Profile, Repository};

/// Runs a job in a private repository, which is dropped afterwards.
///
/// # Errors
/// If the job cannot be launched. A job that fails is not an error: its report says so.
pub fn run(launch: &Launch) -> Result<JobReport, JobError> {
    let repository: Arc<dyn Repository> = Arc::new(SqliteRepository::temporary()?);
    engine::run(&repository, launch, &RunOptions::default())
}

/// Our transaction over the driver's own, to call a writer or tasklet that asks for one.
///
/// ```
/// use batch_runtime::{Sqlite, Transaction, testing};
///
/// fn save(names: &[String], tx: &Transaction<'_>) -> rusqlite::Result<()> {
///     names.iter().try_for_each(|name| tx.execute("INSERT INTO person VALUES (?1)", [name]).map(|_| ()))
/// }
///
/// let mut database = rusqlite::Connection::open_in_memory()?;
/// database.execute_batch("CREATE TABLE person (name TEXT)")?;
/// let tx = database.transaction()?;
/// save(&["Ada".to_owned()], &testing::transaction::<Sqlite>(&tx))?;
/// assert_eq!(tx.query_row("SELECT count(*) FROM person", [], |row| row.get(0)), Ok(1));
/// # Ok::<(), rusqlite::Error>(())
/// ```
#[must_use]
pub fn transaction<D: Database>(tx: <D::Driver as Driver>::Borrowed<'_>) -> Transaction<'_, D> {
    Transaction::new(tx)
}

/// A chunk step without a repository: it stores nothing and cannot be restarted.
#[derive(Debug)]
#[must_use = "a step test does nothing until it is run"]
pub struct StepTest<S> {
    parameters: Parameters,
    position: Option<String>,
    step: PhantomData<S>,
}

/// The result of a step that ran without a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its counters.
    pub counters: Counters,
    /// Where its time went.
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

impl<S: StepDefinition> Default for StepTest<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: StepDefinition> StepTest<S> {
    /// The step, from its beginning, without parameters.
    pub fn new() -> Self {
        Self { parameters: Parameters::new(), position: None, step: PhantomData }
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

    /// Runs the step as it is, reader and writer included.
    ///
    /// # Errors
    /// The step's own.
    pub fn run(self) -> Result<Ran, Failure> {
        self.with(|run| Ran::of((S::INFO.run)(run)))
    }

    /// Runs the step's processors, chunk by chunk, over `items` instead of its reader. Returns the items that its writer would
    /// receive, and the counters.
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
        let job = JobContext {
            job: "test".to_owned(),
            instance: InstanceId(0),
            execution: ExecutionId(0),
            parameters: self.parameters,
            stop: StopSignal::new(),
            values: Values::default(),
        };
        let environment = Environment::new(job, None);
        let context = StepContext {
            step: info.name.to_owned(),
            id: StepExecutionId(0),
            execution: ExecutionId(0),
            starts: 1,
            stop: StopSignal::new(),
            values: Values::default(),
        };
        let retrying = Retrying::new(&info.options, Arc::new(Sleep), StopSignal::new());
        let own = StepEnvironment::new(Some(context), Some(retrying));
        let sizes = Sizes::of(&info.options, &Scope::of_step(&environment, &own))?;
        run(&StepRun {
            info,
            environment: &environment,
            own: &own,
            scope: Scope::of_step(&environment, &own),
            sizes,
            store: RefCell::new(ChunkStore::nowhere()),
            inherited: engine::checkpoint_at(self.position),
            durability: crate::definition::Durability::Process,
            before: Counters::default(),
            mark: crate::Mark::default(),
            owner_may_live: false,
            replayed: None,
            live: Arc::new(StepLive::new(info.name.to_owned(), Counters::default())),
            route: None,
            #[cfg(feature = "remote-chunks")]
            remote: None,
        })
    }
}
