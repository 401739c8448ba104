use batch_runtime::prelude::*;

#[step]
fn load() {}

#[step]
fn count() -> u64 {
    0
}

#[decider]
fn quality() -> bool {
    true
}

#[job]
fn etl() {
    load;
    match quality {
        true => count,
        false => {}
    }
    fail!("{count} rows");
}

fn main() {}
