use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Sum {
    cents: u64,
}

#[aggregator]
fn total(parts: &[Sum]) -> Result<Sum, std::num::TryFromIntError> {
    Ok(Sum { cents: parts.iter().map(|part| part.cents).sum() })
}

fn main() {}
