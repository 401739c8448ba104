use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 * * MON", missed = all))]
fn nightly() {
    load;
}

fn main() {}
