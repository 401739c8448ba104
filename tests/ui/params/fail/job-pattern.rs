use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl((from, to): (u32, u32)) {
    load;
}

fn main() {}
