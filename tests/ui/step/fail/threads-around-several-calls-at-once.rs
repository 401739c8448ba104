use batch_runtime::prelude::*;

#[reader]
fn lines() -> impl Iterator<Item = String> + Send {
    ["a".to_owned()].into_iter()
}

#[processor(concurrency = 8)]
fn length(line: String) -> usize {
    line.len()
}

#[writer]
fn save(_: &[usize]) {}

#[step(chunk = 10, threads = 2)]
fn load() {
    lines | length | save
}

fn main() {}
