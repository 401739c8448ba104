use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 * * MON", overlap = never))]
fn nightly() {
    load;
}

fn main() {}
