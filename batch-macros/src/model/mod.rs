//! The meaning of the syntax trees in the framework's terms, with the user's spans.

pub(crate) mod argument;
pub(crate) mod body;
pub(crate) mod component;
pub(crate) mod concurrency;
mod ending;
pub(crate) mod fault;
pub(crate) mod grouping;
pub(crate) mod item;
pub(crate) mod job;
pub(crate) mod listener;
mod not_a_statement;
pub(crate) mod partitions;
mod pattern;
pub(crate) mod range;
pub(crate) mod returns;
pub(crate) mod schedule;
pub(crate) mod statement;
pub(crate) mod step;
pub(crate) mod text;
pub(crate) mod types;
pub(crate) mod used;
