use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(#[param(secret, default = "1234")] token: String) {
    load;
}

fn main() {}
