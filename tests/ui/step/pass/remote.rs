//! Steps with `remote`, and the other options that such a step may have.

use batch_runtime::prelude::*;
use std::num::ParseIntError;

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    text: String,
}

#[derive(Serialize, Deserialize)]
enum Parsed {
    Small(u8),
    Large { number: u32 },
}

#[reader]
fn lines() -> impl Iterator<Item = Line> {
    ["1", "a", "700"].into_iter().map(|text| Line { text: text.to_owned() })
}

#[processor]
fn parse(line: &Line) -> Result<Option<Parsed>, ParseIntError> {
    let number: u32 = line.text.parse()?;
    Ok(Some(u8::try_from(number).map_or(Parsed::Large { number }, Parsed::Small)))
}

#[writer]
fn save(numbers: &[Parsed]) {
    for number in numbers {
        match number {
            Parsed::Small(number) => println!("{number}"),
            Parsed::Large { number } => println!("{number}"),
        }
    }
}

#[writer]
fn keep(lines: &[Line]) {
    println!("{}", lines.len());
}

#[step(chunk = 2, threads = 2, remote, skip(ParseIntError), retry(ParseIntError, limit = 1))]
fn with_rules() {
    lines | parse | save
}

#[step(chunk = 2, threads = 2, remote, order = none)]
fn in_any_order() {
    lines | keep
}

#[job]
fn all() {
    with_rules;
    in_any_order;
}

fn main() {
    let _ = all();
}
