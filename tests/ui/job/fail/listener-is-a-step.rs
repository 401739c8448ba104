use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(listeners(load))]
fn etl() {
    load;
}

batch_runtime::main!(etl);
