use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    loop {
        load;
    }
}

fn main() {}
