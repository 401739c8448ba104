use batch_runtime::prelude::*;
use std::num::ParseIntError;

#[reader]
fn texts() -> impl Iterator<Item = String> {
    ["1".to_owned(), "a".to_owned()].into_iter()
}

#[processor]
fn parse(text: String) -> Result<u32, ParseIntError> {
    text.parse()
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[skip_policy]
fn lenient(_: &ParseIntError, so_far: u64) -> bool {
    so_far < 10
}

#[step(chunk = 100, threads = 4, remote, skip(policy = lenient))]
fn load() {
    texts | parse | save
}

fn main() {}
