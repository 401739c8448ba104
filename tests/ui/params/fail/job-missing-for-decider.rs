use batch_runtime::prelude::*;

#[decider]
fn more(limit: u32) -> bool {
    limit > 0
}

#[step]
fn page() {}

#[job]
fn etl() {
    while more {
        page;
    }
}

fn main() {}
