//! The synchronization primitives of the contexts, imported from one place so that a model checker can replace them.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};
pub(super) use std::thread::{ThreadId, current};
