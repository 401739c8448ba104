//! Batch jobs from annotated functions: wired at compile time, restartable, and exact after a kill.

#[doc(hidden)]
pub mod __private;
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

pub use batch_macros::{
    ParameterType, classifier, database, decider, flow, job, main, processor, reader, resource, step, writer,
};

/// What a program of annotated functions needs: `use batch_runtime::prelude::*;`.
pub mod prelude {
    pub use std::path::{Path, PathBuf};

    pub use crate::definition::{
        Connection, Ended, Ended::Completed, Ended::Failed, Failure, JobContext, Many, Output, Progress,
        Reader, Repeat, Sqlite, StepContext, Transaction, Writer,
    };
    #[cfg(feature = "csv")]
    pub use crate::readers::CsvReader;
    pub use crate::readers::ReadError;
    #[cfg(feature = "csv")]
    pub use crate::writers::CsvWriter;
    pub use crate::writers::WriteError;
    pub use crate::{classifier, database, decider, flow, job, processor, reader, resource, step, writer};
    // The trait and the derive share a name.
    pub use crate::ParameterType;
    pub use rusqlite;
    pub use serde::{Deserialize, Serialize};
}
