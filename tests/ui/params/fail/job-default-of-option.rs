use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(#[param(default = 3)] limit: Option<u32>) {
    load;
}

fn main() {}
