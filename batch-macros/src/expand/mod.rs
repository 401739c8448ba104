//! Generates code from the model. Nothing here checks the program: `check` has already refused some mistakes, and
//! rustc refuses the others at tokens that carry the span of the user's word.

mod aggregator;
mod arguments;
mod bindings;
mod broken;
mod classifier;
mod concurrent;
mod database;
mod decider;
mod definition;
mod end_texts;
mod failure;
mod faults;
mod flow;
#[cfg(test)]
mod golden;
mod grouping;
mod job;
mod job_body;
mod listener;
mod marked_function;
mod parameter_type;
mod parameters;
mod partitioner;
mod partitions;
mod pipe;
mod policy;
mod processor;
mod program;
mod reader;
mod resource;
mod role_aliases;
mod step;
mod step_options;
mod tasklet;
mod writer;

pub(crate) use aggregator::aggregator;
pub(crate) use classifier::classifier;
pub(crate) use database::database;
pub(crate) use decider::decider;
pub(crate) use flow::flow;
pub(crate) use grouping::chunk_while;
pub(crate) use job::job;
pub(crate) use listener::listener;
pub(crate) use parameter_type::parameter_type;
pub(crate) use partitioner::partitioner;
pub(crate) use policy::{retry_policy, skip_policy};
pub(crate) use processor::processor;
pub(crate) use program::program;
pub(crate) use reader::reader;
pub(crate) use resource::resource;
pub(crate) use step::step;
pub(crate) use writer::writer;
