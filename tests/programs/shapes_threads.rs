//! The shapes of `shapes` that have threads, with another number of them: they are restarted by this one.

mod on_threads;

use on_threads::{threaded, unordered};

const THREADS: usize = 1;

batch_runtime::main!(threaded, unordered);
