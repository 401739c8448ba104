use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() -> Result<(), String> {
    load;
}

fn main() {}
