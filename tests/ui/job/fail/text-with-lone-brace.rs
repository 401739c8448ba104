use batch_runtime::prelude::*;

#[step]
fn load() -> u64 {
    0
}

#[job]
fn etl() {
    load;
    fail!("no rows for {");
}

fn main() {}
