//! The shape of `shapes` that has threads, with another number of them: it is restarted by this one.

mod on_threads;

use on_threads::threaded;

const THREADS: usize = 1;

batch_runtime::main!(threaded);
