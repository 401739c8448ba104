use batch_runtime::prelude::*;

#[step]
fn load() {}

#[listener(before_job)]
fn report() {}

#[job(listeners(reprot))]
fn etl() {
    load;
}

batch_runtime::main!(etl);
