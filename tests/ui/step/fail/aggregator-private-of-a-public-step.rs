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

mod steps {
    use batch_runtime::prelude::*;

    #[step(chunk = 10, partitions = 4, aggregator = super::total)]
    pub fn load() {
        super::payments | super::add | super::save
    }
}

#[step]
fn report(total: &Output<steps::load>) {
    println!("{}", **total);
}

#[job]
fn book() {
    steps::load;
    report;
}

fn main() {
    let _ = book;
}
