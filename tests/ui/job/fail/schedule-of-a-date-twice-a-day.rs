use batch_runtime::prelude::*;

#[step]
fn load(day: Date) { let _ = day; }

#[job(schedule("0 3,15 * * *"))]
fn nightly(#[param(scheduled)] day: Date) {
    load;
}

fn main() {}
