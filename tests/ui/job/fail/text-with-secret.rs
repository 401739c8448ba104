use batch_runtime::prelude::*;

#[step]
fn load() -> u64 {
    0
}

#[job]
fn etl(#[param(secret)] pin: String) {
    load;
    fail!("wrong: {pin}");
}

fn main() {}
