//! Tests of the readers, writers and sessions for `PostgreSQL`, with a real server that the tests start.

mod encryption;
mod losing;
mod network;
mod reading;
mod refusals;
mod session;
mod table;
mod transaction;
