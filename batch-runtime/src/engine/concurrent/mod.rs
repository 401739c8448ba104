//! Processes several items of a step concurrently, and keeps their outputs in order.

#[cfg(feature = "async")]
pub(super) mod async_calls;
pub(super) mod feed;
pub(super) mod read_ahead;
pub(super) mod reorder_buffer;
pub(super) mod thread_pool;
pub(super) mod waker;
pub(super) mod window;
