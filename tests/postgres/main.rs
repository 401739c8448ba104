//! `PostgreSQL`, against a real server that the tests start.

mod encryption;
mod losing;
mod network;
mod reading;
mod refusals;
mod session;
mod table;
mod transaction;
