use batch_runtime::prelude::*;

#[step]
fn load() {}

#[listener(before_job)]
fn report(title: String) {
    println!("{title}");
}

#[job(listeners(report))]
fn etl() {
    load;
}

batch_runtime::main!(etl);
