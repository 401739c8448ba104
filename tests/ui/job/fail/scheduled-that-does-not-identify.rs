use batch_runtime::prelude::*;

#[step]
fn load(monday: Date) { let _ = monday; }

#[job(schedule("0 3 * * MON"))]
fn nightly(#[param(scheduled, identifying = false)] monday: Date) {
    load;
}

fn main() {}
