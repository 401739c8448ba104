use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(#[param(identifying = "no")] limit: u32) {
    load;
}

fn main() {}
