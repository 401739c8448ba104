//! Batch jobs from annotated functions: wired at compile time, restartable, and exact after a kill.
//!
//! A program is a set of plain functions. Attributes say what each is for, a step is a pipe of them, and a job is a
//! body of control flow. Whatever does not fit together does not compile.
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
//! `run --input flights.csv` runs it with a progress bar and a summary. Killed at any moment and run again, it goes on
//! behind the last commit.
//!
//! # Which construct do I need?
//!
//! | to | write |
//! |---|---|
//! | read items | [`#[reader]`](macro@reader): a function that returns an iterator, one of [`readers`], or your own [`Reader`] |
//! | read some of them only, ahead, or by several threads | a method of [`readers::ReaderExt`] |
//! | read an interface page by page, or many files | [`readers::PagingReader`], [`readers::files`] |
//! | change or filter them one by one | [`#[processor]`](macro@processor) returning `T` or `Option<T>` |
//! | make several of one | [`#[processor]`](macro@processor) returning [`Many`] |
//! | look at a whole chunk at once | `#[processor(bulk)]` |
//! | work on many items at once | `#[processor(concurrency = 64)]`, on an `async fn` (feature `async`) or a plain one |
//! | remember something between items | a `#[state]` argument |
//! | write them | [`#[writer]`](macro@writer): a function over `&[T]`, one of [`writers`], or your own [`Writer`] |
//! | write with several writers, or with one of several | `(a, b)`, or `match kind { .. }` on a [`#[classifier]`](macro@classifier) |
//! | put these together | [`#[step(chunk = 100)]`](macro@step) over a pipe |
//! | do one thing that is no pipe | [`#[step]`](macro@step) without `chunk`: a tasklet; [`Repeat`] for many transactions |
//! | end a tasklet with an exit code of its own | return an [`Exit`] |
//! | hand a result to later steps | return a serde value, and ask for [`Output`] |
//! | skip bad items, repeat what failed | `skip(..)` and `retry(..)` of [`#[step]`](macro@step); [`#[skip_policy]`](macro@skip_policy) and [`#[retry_policy]`](macro@retry_policy) where that is a question |
//! | close a chunk by its items | `chunk_while = f` of [`#[step]`](macro@step), with a [`#[chunk_while]`](macro@chunk_while) function |
//! | choose the way | `match` on a [`#[decider]`](macro@decider), on a tasklet's value, or on how a step ended |
//! | read one input with several threads, each a part of it | `#[step(chunk = 100, partitions = 8)]`, over a [`Splittable`] reader, or with a [`#[partitioner]`](macro@partitioner) |
//! | make one value of what the parts came to | [`#[aggregator]`](macro@aggregator), named as `aggregator = total` |
//! | know what a restart runs again | the page of [`#[job]`](macro@job) |
//! | run steps side by side | `split! { a, { b; c } }` in a [job](macro@job) |
//! | end a job early, and say why | `end!("CODE", "no rows of {day}")`, `fail!(..)`, `stop!(..)` in a [job](macro@job) |
//! | share a part of a body | [`#[flow]`](macro@flow) |
//! | share an expensive thing | [`#[resource]`](macro@resource) |
//! | write to another database | [`#[database]`](macro@database) |
//! | hear what happens | [`#[listener(event)]`](macro@listener), named in `listeners(..)` of a step or job |
//! | run it | [`main!`], or [`operator::JobOperator`] in a program with its own `main` |
//! | test it | [`testing`] |
//!
//! # How to read this crate
//!
//! [`definition`] holds the traits that the attributes implement and that users implement for readers and writers of
//! their own; [`graph`] a job's body as a constant; [`engine`] runs it; [`repository`] records it, and its documentation is the
//! crash contract; [`operator`] starts, stops and looks; [`observe`] watches.

#[doc(hidden)]
pub mod __private;
#[cfg(feature = "cli")]
pub mod cli;
pub mod definition;
pub mod engine;
pub mod graph;
pub mod observe;
pub mod operator;
pub mod readers;
pub mod repository;
pub mod testing;
pub mod writers;

pub use definition::*;

pub use jiff::Timestamp;
pub use jiff::civil::{Date, DateTime};

pub use batch_macros::{
    ParameterType, chunk_while, classifier, database, decider, flow, main, partitioner, processor, reader,
    resource, retry_policy, skip_policy, writer,
};

#[doc = include_str!("../docs/aggregator.md")]
pub use batch_macros::aggregator;

#[doc = include_str!("../docs/restart.md")]
#[doc = include_str!("../docs/parameters.md")]
pub use batch_macros::job;

#[doc = include_str!("../docs/listeners.md")]
pub use batch_macros::listener;

#[doc = include_str!("../docs/step.md")]
pub use batch_macros::step;

/// What a program of annotated functions needs: `use batch_runtime::prelude::*;`.
pub mod prelude {
    pub use std::path::{Path, PathBuf};

    pub use crate::definition::{
        Connection, Ended, Ended::Completed, Ended::Failed, Exit, Failure, JobContext, JobEnd, Many, Output,
        Partition, Progress, Reader, Repeat, Splittable, Sqlite, StepContext, Transaction, Writer,
    };
    #[cfg(feature = "csv")]
    pub use crate::readers::CsvReader;
    pub use crate::readers::{ReadError, ReaderExt};
    #[cfg(feature = "csv")]
    pub use crate::writers::CsvWriter;
    pub use crate::writers::{SqliteTable, WriteError};
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
