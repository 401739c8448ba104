use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    let total = load;
}

fn main() {}
