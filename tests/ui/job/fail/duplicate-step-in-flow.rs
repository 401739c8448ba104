use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[flow]
fn nightly() {
    load;
    report;
}

#[job]
fn etl() {
    load;
    nightly;
}

fn main() {}
