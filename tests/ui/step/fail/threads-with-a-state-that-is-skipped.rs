use batch_runtime::prelude::*;
use std::num::ParseIntError;

#[derive(Default, Clone, Serialize, Deserialize)]
struct Seen {
    count: u32,
}

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["1".to_owned()].into_iter()
}

#[processor]
fn number(line: &String, #[state] seen: &mut Seen) -> Result<u32, ParseIntError> {
    seen.count += 1;
    line.parse()
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, threads = 4, skip(ParseIntError), retry(ParseIntError, limit = 2))]
fn load() {
    lines | number | save
}

fn main() {}
