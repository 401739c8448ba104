//! Batch jobs from annotated functions: wired at compile time, restartable, and exact after a kill.

#[cfg(feature = "cli")]
pub mod cli;
pub mod definition;
pub mod engine;
pub mod graph;
pub mod observe;
pub mod operator;
pub mod readers;
pub mod repository;
pub mod testing;
pub mod writers;

pub use definition::*;
