use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    load;
    etl;
}

fn main() {}
