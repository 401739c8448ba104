use batch_runtime::prelude::*;

#[step]
fn load() {}

#[listener(before_step)]
fn report() {}

#[job(listeners(report))]
fn etl() {
    load;
}

batch_runtime::main!(etl);
