//! Receives: syntax trees. Gives: what they mean, in our words, with the spans of the user's.

pub(crate) mod argument;
pub(crate) mod body;
pub(crate) mod component;
pub(crate) mod concurrency;
pub(crate) mod fault;
pub(crate) mod grouping;
pub(crate) mod item;
pub(crate) mod job;
pub(crate) mod listener;
pub(crate) mod partitions;
pub(crate) mod pattern;
pub(crate) mod range;
pub(crate) mod returns;
pub(crate) mod split;
pub(crate) mod step;
pub(crate) mod text;
pub(crate) mod types;
