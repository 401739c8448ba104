use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    load;
}

batch_runtime::main!(elt);
