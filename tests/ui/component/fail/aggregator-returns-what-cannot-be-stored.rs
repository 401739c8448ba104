use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Sum {
    cents: u64,
}

struct Total(u64);

#[aggregator]
fn total(parts: Vec<Sum>) -> Total {
    Total(parts.iter().map(|part| part.cents).sum())
}

fn main() {}
