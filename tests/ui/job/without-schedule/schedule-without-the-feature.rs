use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule("0 3 * * MON", zone = "Asia/Seoul"))]
fn nightly() {
    load;
}

fn main() {}
