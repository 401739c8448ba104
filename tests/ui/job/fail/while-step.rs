use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    while load {
        report;
    }
}

fn main() {}
