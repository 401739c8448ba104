use batch_runtime::prelude::*;

#[step]
fn load() {}

#[listener(after_job)]
fn report(end: &JobEnd, limit: u32) {
    println!("{end:?} {limit}");
}

#[job(listeners(report))]
fn etl(limit: String) {
    load;
}

batch_runtime::main!(etl);
