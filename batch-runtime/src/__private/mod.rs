//! Everything that generated code may name. Not for users: it changes without notice.

#![allow(missing_docs, reason = "only generated code names these items")]

mod aggregation;
mod broken;
pub mod failure;
pub mod faults;
mod if_compiles;
mod message;
mod parameter;
mod partitions;
#[cfg(feature = "remote-chunks")]
pub mod remote;
pub mod threads;
pub mod wiring;

pub use crate::definition::*;
#[cfg(feature = "async")]
pub use crate::engine::{CallInput, asynchronous};
pub use crate::engine::{
    Grouped, Order, Repeats, Retried, StepEnd, StepRun, pooled, pooled_by_reference, run_chunks,
    run_partitions, run_tasklet,
};
pub use crate::graph::*;
#[cfg(feature = "csv")]
pub use crate::readers::Lender;
pub use crate::readers::{Chain, FallibleIteratorReader, IteratorReader};
pub use crate::repository::{Counters, NewPartition};
pub use crate::writers::{Both, FunctionWriter, Route};

pub use aggregation::{AsState, Keeping, Keeps, KeepsAnother, NoState, Stored, keeper, left_json, no_keeper};
pub use broken::{Broken, never_run};
pub use if_compiles::{If, in_any_order, same};
pub use message::{Message, distance, is_near, same_text};
pub use parameter::{UsedParameter, of_text};
pub use partitions::{is_shared, narrowed, partitions_of, split, splits, with_stop_signal, writing_to_part};

/// A stored value, as JSON.
pub type Json = Box<serde_json::value::RawValue>;
