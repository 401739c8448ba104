use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(#[param] limit: u32) {
    load;
}

fn main() {}
