use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(restartble = false)]
fn etl() {
    load;
}

fn main() {}
