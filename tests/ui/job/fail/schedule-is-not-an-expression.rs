use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 25 * * *"))]
fn nightly() {
    load;
}

fn main() {}
