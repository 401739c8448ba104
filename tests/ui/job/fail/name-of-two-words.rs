use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    load as europe::load;
}

fn main() {}
