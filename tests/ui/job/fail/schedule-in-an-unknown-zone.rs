use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 * * MON", zone = "Asia/Soul"))]
fn nightly() {
    load;
}

fn main() {}
