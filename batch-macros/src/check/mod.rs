//! The rules that can be checked from the spelling of the program, without types. One file per rule.

pub(crate) mod aggregator;
pub(crate) mod classifier;
pub(crate) mod concurrency;
pub(crate) mod decider;
pub(crate) mod end_texts;
pub(crate) mod fault;
pub(crate) mod grouping;
pub(crate) mod injection;
pub(crate) mod parameter_type;
pub(crate) mod partitioner;
pub(crate) mod policy;
pub(crate) mod processor;
pub(crate) mod reachable;
pub(crate) mod reader;
pub(crate) mod recursion;
pub(crate) mod remote;
pub(crate) mod resource;
pub(crate) mod schedule;
pub(crate) mod signature;
pub(crate) mod step;
pub(crate) mod tasklet;
pub(crate) mod writer;
