//! `PostgreSQL`: the database to use, and a session with it that needs no `async`.
//!
//! The module needs the feature `postgres`.

mod asking;
mod connection;
mod copy;
mod driver;
mod error;
mod frames;
pub(crate) mod identifier;
mod line;
mod outcome;
mod password;
mod remedy;
mod sending;
mod session;
mod socket;
mod tap;
#[cfg(feature = "postgres-tls")]
mod tls;
mod transaction;
mod turns;
mod url;
mod values;
mod waiting;
mod wire;
mod words;

pub use crate::definition::TimeLimit;
pub(crate) use asking::{Asked, Described, DescribedColumn, Given};
pub use connection::Connection;
pub use copy::CopyIn;
pub use error::PgError;
pub use outcome::CommitError;
pub use session::Session;
pub use tap::TransactionStatus;
pub use tokio_postgres::{Row, types};
pub use transaction::Transaction;
pub use url::Postgres;
pub(crate) use waiting::Explain;
pub(crate) use words::alone;
