use batch_runtime::prelude::*;

#[step]
fn load(time: DateTime) { let _ = time; }

#[job(schedule("*/15 * * * *", zone = "Europe/Berlin"))]
fn nightly(#[param(scheduled)] time: DateTime) {
    load;
}

fn main() {}
