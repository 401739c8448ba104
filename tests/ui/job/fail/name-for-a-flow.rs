use batch_runtime::prelude::*;

#[step]
fn load() {}

#[flow]
fn nightly() {
    load;
}

#[job]
fn etl() {
    nightly as tonight;
}

fn main() {}
