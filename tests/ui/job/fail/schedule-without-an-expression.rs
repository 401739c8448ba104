use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(schedule(zone = "Asia/Seoul"))]
fn nightly() {
    load;
}

fn main() {}
