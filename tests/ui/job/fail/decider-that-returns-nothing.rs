use batch_runtime::prelude::*;

#[decider]
fn quality() {}
#[step]
fn load() {}

#[job]
fn etl() {
    match quality {
        true => load,
        _ => {}
    }
}

fn main() {}
