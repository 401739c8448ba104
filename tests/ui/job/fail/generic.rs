use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl<T>() {
    load;
}

fn main() {}
