use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 0 3 * * MON"))]
fn nightly() {
    load;
}

fn main() {}
