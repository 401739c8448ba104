//! The shapes of `shapes` that have threads, with another number of threads: this program restarts them.

mod on_threads;

use on_threads::{threaded, unordered};

const THREADS: usize = 1;

batch_runtime::main!(threaded, unordered);
