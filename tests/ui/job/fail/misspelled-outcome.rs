use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    match load {
        Complete => report,
        Failed => {}
    }
}

fn main() {}
