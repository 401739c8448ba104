//! Runs the tests within examples that the other tests run as programs. Cargo builds an example either as a program or as
//! a test.

#[allow(dead_code, reason = "the whole program")]
#[path = "../../examples/partitioned_files.rs"]
mod partitioned_files;
#[allow(dead_code, reason = "the whole program")]
#[path = "../../examples/state.rs"]
mod state;
