use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(restartable = false, schedule("0 3 * * MON", restarts = 2))]
fn nightly() {
    load;
}

fn main() {}
