use batch_runtime::prelude::*;

#[step]
fn load(monday: String) { let _ = monday; }

#[job(schedule("0 3 * * MON"))]
fn nightly(#[param(scheduled)] monday: String) {
    load;
}

fn main() {}
