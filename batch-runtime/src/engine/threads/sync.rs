//! The synchronization primitives of the threads, imported from one place so that a model checker can replace
//! them.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};
