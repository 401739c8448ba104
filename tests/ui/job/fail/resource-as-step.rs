use batch_runtime::prelude::*;

#[resource]
fn prices() -> u32 {
    3
}

#[job]
fn etl() {
    prices;
}

fn main() {}
