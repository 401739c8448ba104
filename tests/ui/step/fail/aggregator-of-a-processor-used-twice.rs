use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;

#[derive(Default, Serialize, Deserialize)]
struct Sum {
    cents: u64,
}

#[reader]
fn payments() -> VecReader<u64> {
    VecReader::new(vec![1, 2, 3])
}

#[processor]
fn add(cents: u64, #[state] sum: &mut Sum) -> u64 {
    sum.cents += cents;
    cents
}

#[writer]
fn save(cents: &[u64]) {
    println!("{cents:?}");
}

#[aggregator]
fn total(parts: Vec<Sum>) -> u64 {
    parts.iter().map(|part| part.cents).sum()
}

#[step(chunk = 10, partitions = 4, aggregator = total)]
fn load() {
    payments | add | add | save
}

fn main() {}
