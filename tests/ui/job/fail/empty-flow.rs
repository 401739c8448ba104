use batch_runtime::prelude::*;

#[flow]
fn nightly() {}

#[job]
fn etl() {
    nightly;
}

fn main() {}
