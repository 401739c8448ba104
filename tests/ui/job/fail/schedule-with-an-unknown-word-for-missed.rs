use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 * * MON", missed = lates))]
fn nightly() {
    load;
}

fn main() {}
