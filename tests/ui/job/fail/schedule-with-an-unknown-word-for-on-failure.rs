use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 * * MON", on_failure = holds))]
fn nightly() {
    load;
}

fn main() {}
