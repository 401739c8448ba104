use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Sum {
    cents: u64,
}

#[aggregator]
fn total(parts: Vec<Sum>) {
    println!("{}", parts.len());
}

fn main() {}
