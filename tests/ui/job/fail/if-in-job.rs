use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(force: bool) {
    if force {
        load;
    }
}

fn main() {}
