use batch_runtime::prelude::*;

fn quality() -> bool {
    true
}
#[step]
fn load() {}

#[job]
fn etl() {
    match quality {
        true => load,
        false => {}
    }
}

fn main() {}
