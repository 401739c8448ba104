use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    load as first;
    report as first;
}

fn main() {}
