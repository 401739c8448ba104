//! The attributes of `batch-runtime`.
