use batch_runtime::prelude::*;

#[step]
fn load(region: String) {
    let _ = region;
}

#[job]
fn etl(region: String) {
    load(regoin = "eu");
}

fn main() {}
