use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 31 2 *"))]
fn nightly() {
    load;
}

fn main() {}
