//! Reads, processes and commits the chunks of a step.

pub(super) mod batch;
pub(super) mod checkpoint;
pub(super) mod chunk_loop;
pub(super) mod committed_ranges;
pub(super) mod feed;
pub(super) mod fill;
pub(super) mod grouped;
pub(super) mod open;
pub(super) mod pipe;
pub(super) mod replayed;
pub(super) mod sequential;
pub(super) mod shared;
pub(super) mod watermark;
