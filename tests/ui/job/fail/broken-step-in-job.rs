use batch_runtime::prelude::*;

#[step(chnk = 3)]
fn load() {}

#[job]
fn etl() {
    load;
}

fn main() {}
