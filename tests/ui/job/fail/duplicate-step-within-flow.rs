use batch_runtime::prelude::*;

#[step]
fn load() {}

#[flow]
fn nightly() {
    load;
    load;
}

#[job]
fn etl() {
    nightly;
}

fn main() {}
