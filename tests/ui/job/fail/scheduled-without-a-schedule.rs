use batch_runtime::prelude::*;

#[step]
fn load(monday: Date) { let _ = monday; }

#[job]
fn nightly(#[param(scheduled)] monday: Date) {
    load;
}

fn main() {}
