use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(#[param(secret, identifying = true)] token: String) {
    load;
}

fn main() {}
