use batch_runtime::prelude::*;

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["a".to_owned()].into_iter()
}

#[processor(bulk)]
fn lengths(lines: &[String]) -> Vec<usize> {
    lines.iter().map(String::len).collect()
}

#[processor(concurrency = 8)]
fn print(length: usize) -> String {
    length.to_string()
}

#[writer]
fn save(_: &[String]) {}

#[step(chunk = 10)]
fn load() {
    lines | lengths | print | save
}

fn main() {}
