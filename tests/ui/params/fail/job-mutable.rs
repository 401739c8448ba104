use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(mut limit: u32) {
    load;
}

fn main() {}
