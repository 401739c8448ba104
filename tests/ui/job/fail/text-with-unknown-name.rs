use batch_runtime::prelude::*;

#[step]
fn load() -> u64 {
    0
}

#[job]
fn etl(year: u16) {
    load;
    fail!("no rows for {yaer} in {load}");
}

fn main() {}
