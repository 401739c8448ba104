use batch_runtime::prelude::*;

#[step]
fn load(limit: u32) {
    let _ = limit;
}

#[job]
fn etl(limit: Option<u32>) {
    load;
}

fn main() {}
