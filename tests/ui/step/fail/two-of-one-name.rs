use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;

#[reader]
fn payments() -> VecReader<u64> {
    VecReader::new(vec![1, 2, 3])
}

#[writer]
fn save(cents: &[u64]) {
    println!("{cents:?}");
}

#[step(chunk = 10)]
fn load() {
    payments | save
}

#[step(chunk = 20)]
fn load() {
    payments | save
}

#[job]
fn nightly() {
    load;
}

batch_runtime::main!(nightly);
