//! Runs the partitions of steps in other processes: on this machine, or on any that can reach the repository.
//!
//! A [`Manager`] runs the job. It offers the partitions of a step in the repository and waits until workers have run
//! them. A [`Worker`] is another process of the same program. It takes partitions from the repository, one after the
//! other, and commits their chunks as the manager itself would. The work passes only through rows of the repository; a
//! hint between the two only says "look now".
//!
//! A worker may die at any moment. Another worker then continues the partition after its last commit, in the same
//! execution. The lost worker can no longer commit any of it, even if that worker was only slow.
//!
//! With the feature `remote-chunks`, workers also process the chunks of steps with `remote`: see `RemoteChunks`.
//!
//! ```no_run
//! use std::sync::Arc;
//! use batch_runtime::operator::JobOperator;
//! use batch_runtime::repository::sqlite::SqliteRepository;
//! use batch_runtime::workers::{LocalProcesses, Manager};
//!
//! let repository = Arc::new(SqliteRepository::open("batch.db")?);
//! let manager = Manager::starting("batch.db", LocalProcesses::new()?, 3);
//! let operator = JobOperator::new(repository).partitions(Arc::new(manager));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On the command line this is `run --workers local:3`.

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "remote-chunks")]
mod chunk_carrier;
#[cfg(feature = "remote-chunks")]
mod chunks;
mod deploy;
mod fingerprint;
mod fleet;
mod hints;
mod manager;
mod orders;
#[cfg(feature = "remote-chunks")]
mod remote_chunks;
mod wake;
mod worker;

#[cfg(feature = "amqp")]
#[cfg_attr(docsrs, doc(cfg(feature = "amqp")))]
pub use amqp::{Broker, BrokerError};
#[cfg(feature = "remote-chunks")]
pub use chunk_carrier::{ChunkAnswer, ChunkCarrier, ChunkOffer, ChunkOffers, ChunkRequests, OnReply};
pub use deploy::{CommandTemplate, Deployer, LocalProcesses, TemplateError};
pub use fingerprint::fingerprint;
#[cfg(all(feature = "amqp", feature = "cli"))]
pub(crate) use fingerprint::prepare_build;
pub use hints::{Hints, Listening, Offer};
pub use manager::Manager;
#[cfg(feature = "remote-chunks")]
pub(crate) use orders::Secrets;
pub use orders::WorkerSettings;
#[cfg(feature = "remote-chunks")]
pub use remote_chunks::RemoteChunks;
pub use worker::Worker;
