use batch_runtime::prelude::*;

#[step]
fn load() {}

#[flow]
fn nightly() {
    load;
}

#[job]
fn etl() {
    match nightly {
        Completed => {}
        Failed => fail!("the night was lost"),
    }
}

fn main() {}
