use batch_runtime::prelude::*;

#[step]
fn load(monday: Date, day: Date) { let _ = monday; let _ = day; }

#[job(schedule("0 3 * * MON"))]
fn nightly(#[param(scheduled)] monday: Date, #[param(scheduled)] day: Date) {
    load;
}

fn main() {}
