//! `PostgreSQL`, against a real server that the tests start.

mod losing;
mod session;
mod transaction;
