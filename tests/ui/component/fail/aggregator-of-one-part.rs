use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Sum {
    cents: u64,
}

#[aggregator]
fn total(part: Sum) -> u64 {
    part.cents
}

fn main() {}
