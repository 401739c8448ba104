use batch_runtime::prelude::*;

#[step]
fn load(region: String) {
    let _ = region;
}

#[job]
fn etl() {
    load("eu");
}

fn main() {}
