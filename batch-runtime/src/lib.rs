//! Batch jobs from annotated functions: wired at compile time, restartable, and exact after a kill.
//!
//! A program is a set of plain functions. An attribute says what each function is for, a step is a pipe of functions,
//! and the body of a job is control flow over steps. Functions that do not fit together do not compile.
//!
//! ```no_run
//! use batch_runtime::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Flight {
//!     carrier: String,
//!     dep_delay: Option<f64>,
//! }
//!
//! #[derive(Serialize)]
//! struct Delay {
//!     carrier: String,
//!     minutes: f64,
//! }
//!
//! #[reader]
//! fn flights(input: PathBuf) -> Result<CsvReader<Flight>, ReadError> {
//!     CsvReader::options().null("NA").open(input)
//! }
//!
//! /// Keeps the flights that left late.
//! #[processor]
//! fn late(flight: Flight) -> Option<Delay> {
//!     let minutes = flight.dep_delay.filter(|minutes| *minutes > 0.0)?;
//!     Some(Delay { carrier: flight.carrier, minutes })
//! }
//!
//! #[writer]
//! fn save(delays: &[Delay], tx: &Transaction<'_>) -> rusqlite::Result<()> {
//!     let mut insert = tx.prepare_cached("INSERT INTO delay VALUES (?1, ?2)")?;
//!     delays.iter().try_for_each(|delay| insert.execute((&delay.carrier, delay.minutes)).map(|_| ()))
//! }
//!
//! #[step]
//! fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
//!     tx.execute_batch("CREATE TABLE delay (carrier TEXT, minutes REAL)")
//! }
//!
//! #[step(chunk = 1_000)]
//! fn load_delays() {
//!     flights | late | save
//! }
//!
//! /// Loads the late flights.
//! #[job]
//! fn flight_delays(
//!     /// CSV file of flights
//!     input: PathBuf,
//! ) {
//!     create_table;
//!     load_delays;
//! }
//!
//! batch_runtime::main!(flight_delays);
//! ```
//!
//! `run --input flights.csv` runs the job with a progress bar and a summary. If the job is killed, the same command
//! resumes it after its last commit.
//!
//! # Where to go next
//!
//! The [`guide`] begins with a [tour](guide::tour), which has a table of all constructs, and says
//! [what survives a kill](guide::restart). Users of Spring Batch find [its terms and five programs side by
//! side](guide::spring_batch).
//!
//! | to | see |
//! |---|---|
//! | write a job | [`#[job]`](macro@job), [`#[step]`](macro@step), [`#[decider]`](macro@decider), [`#[flow]`](macro@flow), [`main!`] |
//! | write its components | [`#[reader]`](macro@reader), [`#[processor]`](macro@processor), [`#[writer]`](macro@writer), [`#[classifier]`](macro@classifier), [`#[resource]`](macro@resource), [`#[database]`](macro@database) |
//! | read and write files, JSON lines, tables | [`readers`], [`writers`], or your own [`Reader`] and [`Writer`] |
//! | handle faults | [`guide::faults`], [`#[skip_policy]`](macro@skip_policy), [`#[retry_policy]`](macro@retry_policy), [`#[listener]`](macro@listener) |
//! | use more cores, or wait for more calls at once | [`guide::scaling`], [`#[partitioner]`](macro@partitioner), [`#[aggregator]`](macro@aggregator) |
//! | test | [`testing`] |
//! | run jobs from your own `main` | [`operator::JobOperator`], [`observe`] |
//! | look at past runs | [`repository`], which also documents the crash contract |
//!
//! Inside, [`graph`] holds a job's body as a constant, and [`engine`] runs it.

// The documentation on docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
#[cfg(feature = "cli")]
pub mod cli;
// Hidden only in the documentation: in messages, rustc names the types of a hidden module by their full paths.
#[cfg_attr(doc, doc(hidden))]
pub mod definition;
pub mod engine;
mod exact_json;
#[cfg(feature = "cli")]
mod frontend;
pub mod graph;
pub mod guide;
mod keys;
mod locked_file;
pub mod observe;
pub mod operator;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod readers;
pub mod repository;
#[cfg(feature = "schedule")]
pub mod schedule;
#[cfg(feature = "serve")]
mod serve;
pub mod testing;
pub mod workers;
pub mod writers;

// The names that programs use. Generated code finds all others in `__private`.

// Readers, writers, and the types that their methods take.
pub use definition::{Arranged, Durability, Mark, Partitionable, Progress, Reader, Splittable, Writer};
// Types that components return or ask for.
pub use definition::{Ended, Exit, JobContext, JobEnd, Many, Output, Partition, Repeat, StepContext};
// Databases.
pub use definition::{AnyConnection, AnyDatabase, AnyTransaction, DatabaseError, DatabaseValue};
pub use definition::{
    Backend, ChunkTransaction, Connection, Database, DatabaseHandle, DatabaseInfo, DatabaseKind, Driver, Of,
    OpenTransaction, Sqlite, Transaction,
};
// Faults.
#[cfg(feature = "async")]
pub use definition::TimedOut;
pub use definition::{BoxError, Failure, Phase, STATE_LIMIT};
pub use definition::{InvalidRate, RateLimit, TimeLimit};
// Tests.
pub use definition::Given;
// Jobs, their parameters, and how they are launched.
pub use definition::{
    BigInteger, BigIntegerError, ExecutionId, InstanceId, JobDefinition, JobInfo, JobOptions, Launch, Missed,
    OnFailure, Overlap, Parameter, ParameterSpec, ParameterType, ParameterValue, Parameters, ParametersError,
    REPLAY, RUN_ID, SCHEDULE_TIME, Schedule, StepExecutionId, StopSignal, Stopped, parse_parameters,
    resolve_parameters,
};
// Bounds of generic code.
pub use definition::{Deserializes, Pipe, Piped, Serializes, StepDefinition};

pub use readers::Totals;

pub use jiff::Timestamp;
pub use jiff::civil::{Date, DateTime};

pub use batch_macros::{
    ParameterType, chunk_while, classifier, database, decider, flow, main, partitioner, processor, reader,
    resource, retry_policy, skip_policy, writer,
};

/// Marks a function that combines the states of a step's partitions into one value:
/// `#[step(chunk = 100, partitions = 4, aggregator = total)]`.
///
#[doc = include_str!("../docs/aggregator.md")]
pub use batch_macros::aggregator;

/// Marks a function that defines a job: its arguments are the parameters, its body is the control flow.
///
#[doc = include_str!("../docs/job.md")]
pub use batch_macros::job;

/// Marks a function that is notified of one event of a step or job: `#[listener(after_step)]`.
///
#[doc = include_str!("../docs/listeners.md")]
pub use batch_macros::listener;

/// Marks a function that defines a step: a pipe of components if it has `chunk`, otherwise a tasklet.
///
#[doc = include_str!("../docs/step.md")]
pub use batch_macros::step;

/// The names that a program of annotated functions needs: `use batch_runtime::prelude::*;`.
pub mod prelude {
    pub use std::path::{Path, PathBuf};

    pub use crate::definition::{
        AnyDatabase, Connection, DatabaseError, Ended, Ended::Completed, Ended::Failed, Exit, Failure,
        JobContext, JobEnd, Many, Output, Partition, Progress, Reader, Repeat, Splittable, Sqlite,
        StepContext, Transaction, Writer,
    };
    #[cfg(feature = "postgres")]
    pub use crate::postgres::{PgError, Postgres};
    #[cfg(feature = "csv")]
    pub use crate::readers::CsvReader;
    #[cfg(feature = "fixed")]
    pub use crate::readers::FixedReader;
    #[cfg(feature = "http")]
    pub use crate::readers::http::{Http, HttpError, HttpPages};
    pub use crate::readers::{JsonLinesReader, LinesReader, ReadError, ReaderExt, SqliteReader, VecReader};
    #[cfg(feature = "csv")]
    pub use crate::writers::CsvWriter;
    pub use crate::writers::{JsonLinesWriter, SqliteTable, WriteError};
    pub use crate::{
        aggregator, chunk_while, classifier, database, decider, flow, job, listener, partitioner, processor,
        reader, resource, retry_policy, skip_policy, step, writer,
    };
    // The trait and the derive share a name.
    pub use crate::ParameterType;
    pub use crate::repository::Counters;
    pub use crate::{Date, DateTime, Timestamp};
    pub use rusqlite;
    pub use serde::{Deserialize, Serialize};
}
