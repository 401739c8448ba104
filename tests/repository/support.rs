//! Launches, steps and chunks as the engine asks for them.

use batch_runtime::repository::{
    BatchStatus, BegunStep, ChunkError, ChunkRecord, ContextMap, Counters, ExecutionFinish, ExitStatus,
    JournalEntry, LaunchRequest, Launched, Ownership, PartitionExecution, Recovery, RepositoryError,
    StepFinish, StepStart, Stored, begin_step, encode_context,
};
use batch_runtime::{Durability, ParameterValue, Parameters, StopSignal};

use crate::place::{Place, Repo};

pub(crate) fn parameters(name: &str) -> Parameters {
    Parameters::new().with("name", ParameterValue::String(name.to_owned()))
}

pub(crate) fn request(parameters: &Parameters) -> LaunchRequest<'_> {
    LaunchRequest {
        job: "load",
        parameters,
        exclusive: false,
        restartable: true,
        max_recoveries: 3,
        recovery: Recovery::Detect,
        durability: Durability::Process,
        graph: "load",
        holds: &|_| Ok(Vec::new()),
        again: None,
    }
}

/// Launches the job's instance `a`.
pub(crate) fn launch(repository: &Repo) -> Launched {
    repository.launch(&request(&parameters("a"))).unwrap()
}

/// Launches it so that its commits survive a crash of the machine.
#[cfg(feature = "postgres")]
pub(crate) fn launch_durably(repository: &Repo) -> Launched {
    let parameters = parameters("a");
    repository.launch(&LaunchRequest { durability: Durability::Machine, ..request(&parameters) }).unwrap()
}

/// Takes the instance `a` over by force.
pub(crate) fn force(repository: &Repo) -> Launched {
    let parameters = parameters("a");
    repository.launch(&LaunchRequest { recovery: Recovery::Force, ..request(&parameters) }).unwrap()
}

pub(crate) fn start(name: &str) -> StepStart<'_> {
    // A signal of its own, because a lost lease raises those of all steps that it covers.
    let stop: &'static StopSignal = Box::leak(Box::new(StopSignal::new()));
    StepStart {
        name,
        start_limit: None,
        form: None,
        earlier_names: &[],
        elsewhere: None,
        durability: Durability::Process,
        stop,
    }
}

pub(crate) fn begin(repository: &Repo, owner: Ownership) -> BegunStep {
    begin_as(repository, owner, &start("step")).unwrap()
}

pub(crate) fn begin_as(
    repository: &Repo,
    owner: Ownership,
    step: &StepStart<'_>,
) -> Result<BegunStep, RepositoryError> {
    begin_step(repository, owner, step, None)
}

/// Begins the step execution of a partition.
pub(crate) fn begin_partition(
    repository: &Repo,
    owner: Ownership,
    partition: &PartitionExecution,
) -> Result<BegunStep, RepositoryError> {
    begin_step(repository, owner, &start(&partition.step), Some(partition.id))
}

pub(crate) fn ended_step(status: BatchStatus, code: &str) -> StepFinish {
    StepFinish {
        status,
        exit: ExitStatus::code(code),
        counters: Counters::default(),
        profile: None,
        journal: Vec::new(),
        context: None,
        job_context: None,
    }
}

pub(crate) fn ended(status: BatchStatus, code: &str) -> ExecutionFinish {
    ExecutionFinish { status, exit: ExitStatus::code(code), context: None }
}

pub(crate) fn fail(repository: &Repo, owner: Ownership) {
    repository.finish(owner, &ended(BatchStatus::Failed, "FAILED")).unwrap();
}

/// The entry of a place that was passed without a step.
pub(crate) fn passed(path: &str, outcome: &str) -> JournalEntry {
    JournalEntry { path: path.to_owned(), outcome: outcome.to_owned(), exit: None, output: None }
}

pub(crate) fn context(position: i64) -> ContextMap {
    ContextMap::from([("position".to_owned(), position.into())])
}

pub(crate) fn record(position: i64) -> ChunkRecord {
    let read = u64::try_from(position).unwrap();
    ChunkRecord {
        counters: Counters { read, write: read, commit: 1, ..Counters::default() },
        context: encode_context(&context(position)),
        ..ChunkRecord::default()
    }
}

/// Commits a chunk that inserts one row into the table `item` of a place of that kind.
pub(crate) fn commit<P: Place>(step: &mut BegunStep, position: i64) -> Result<Stored, ChunkError> {
    step.chunks.commit(&mut record(position), |chunk, _| P::insert(chunk, position))
}

pub(crate) fn is_fenced<T>(result: &Result<T, ChunkError>) -> bool {
    matches!(result, Err(ChunkError::Repository(RepositoryError::Fenced { .. })))
}

/// Makes the table of the rows that [`commit`] inserts.
pub(crate) fn make_items(place: &impl Place) {
    place.sql("CREATE TABLE item (n BIGINT)");
}

pub(crate) fn items(place: &impl Place) -> Vec<String> {
    place.rows("SELECT n FROM item ORDER BY n")
}
