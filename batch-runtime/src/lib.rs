//! Batch jobs from annotated functions: wired at compile time, restartable, and exact after a kill.

pub mod definition;
pub mod engine;
pub mod graph;
pub mod observe;
pub mod repository;
pub mod readers;
pub mod writers;

pub use definition::*;
