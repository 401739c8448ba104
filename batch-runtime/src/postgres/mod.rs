//! `PostgreSQL`: the database to use, and a session with it that needs no `async`.
//!
//! The module needs the feature `postgres`.

mod connection;
mod copy;
mod driver;
mod error;
mod frames;
pub(crate) mod identifier;
mod lease;
mod outcome;
mod password;
mod poll_loop;
mod read_queries;
mod remedy;
mod sending;
mod session;
mod socket;
mod statement_check;
mod stream;
mod tap;
#[cfg(feature = "postgres-tls")]
mod tls;
mod transaction;
mod url;
mod values;
mod waiting;
mod wire;

pub use crate::definition::TimeLimit;
pub use connection::Connection;
pub use copy::CopyIn;
pub use error::PgError;
pub(crate) use lease::{Bound, Lease};
pub use outcome::CommitError;
pub(crate) use read_queries::{Described, DescribedColumn, Parameter, SentQuery};
pub use session::Session;
pub(crate) use session::{at_most_one, one};
pub(crate) use statement_check::alone;
pub use tap::TransactionStatus;
pub use tokio_postgres::{Row, types};
pub use transaction::Transaction;
pub use url::Postgres;
pub(crate) use waiting::Explain;
