//! `PostgreSQL`: which database, and a session with it that needs no `async`.
//!
//! The module needs the feature `postgres`.

mod answers;
mod error;
mod identifier;
mod outcome;
mod password;
mod session;
mod socket;
mod turns;
mod url;
mod values;
mod waiting;
mod wire;

pub use answers::TransactionStatus;
pub use error::PgError;
pub use outcome::CommitError;
pub use session::Session;
pub use tokio_postgres::{Row, types};
pub use url::{Postgres, TimeLimit};
