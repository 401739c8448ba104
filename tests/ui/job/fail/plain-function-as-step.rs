use batch_runtime::prelude::*;

fn load() {}

#[job]
fn etl() {
    load;
}

fn main() {}
