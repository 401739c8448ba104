use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    for _ in 0..3 {
        load;
    }
}

fn main() {}
