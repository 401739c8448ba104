//! What a run promises, a file a promise of the contract.

mod chunks;
mod control_flow;
mod launching;
mod panics;
mod restarts;
mod support;
