//! Receives: nothing. Gives: what threads wait by. It is taken from here, so that a model checker can put its own in the place.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
pub(super) use std::sync::{Arc, Mutex, MutexGuard};
