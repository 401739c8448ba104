//! What a run promises, a file a promise of the contract.

mod chunks;
mod control_flow;
mod databases;
mod files;
mod launching;
mod panics;
mod restarts;
mod routing;
mod support;
