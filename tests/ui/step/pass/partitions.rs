use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;
use batch_runtime::writers::{Collector, JsonLinesWriter};

const PARTS: u32 = 2 + 2;

#[derive(Clone, Serialize, Deserialize)]
pub struct Range {
    first: u32,
    last: u32,
}

#[partitioner]
fn ranges(until: u32, step: &StepContext) -> Result<Vec<(String, Range)>, String> {
    Ok(vec![(step.step().to_owned(), Range { first: 0, last: until })])
}

#[reader]
fn numbers(range: Partition<Range>) -> impl Iterator<Item = u32> {
    range.first..range.last
}

#[reader]
fn vector() -> VecReader<u32> {
    VecReader::new(vec![1, 2, 3])
}

#[reader]
fn opaque() -> Result<impl Splittable<Item = u32>, String> {
    Ok(VecReader::new(vec![1, 2, 3]))
}

#[reader]
fn rows(connection: &Connection) -> impl Reader<Item = u32> {
    let _ = connection;
    VecReader::new(vec![1])
}

#[processor]
fn name(number: u32, range: &Partition<Range>) -> String {
    format!("{number} of {}", range.name())
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[writer]
fn print(names: &[String], range: Partition<Range>) {
    println!("{names:?} {}", range.number());
}

#[writer]
fn collect() -> Collector<u32> {
    Collector::new()
}

#[writer]
fn lines(output: PathBuf) -> JsonLinesWriter<u32> {
    JsonLinesWriter::create(output)
}

#[classifier]
fn is_even(number: &u32) -> bool {
    number % 2 == 0
}

#[step(chunk = 10, partitions = 4)]
fn split() {
    vector | save
}

#[step(chunk = 10, partitions = PARTS, threads = 2, skip(std::fmt::Error))]
fn chained() {
    (vector, opaque) | (save, collect, lines)
}

#[step(chunk = 10, partitions = 8)]
fn routed() {
    opaque | match is_even {
        true => lines,
        false => (collect, save),
    }
}

#[step(chunk = 10, partitioner = ranges, partitions = 4, threads = PARTS)]
fn ranged() {
    numbers | name | print
}

#[step(chunk = 10)]
fn whole() {
    rows | save
}

#[job]
fn all(until: u32, output: PathBuf) {
    split;
    chained;
    routed;
    ranged;
    whole;
}

fn main() {
    let _ = all;
}
