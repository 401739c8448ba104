use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(year: u16) {
    load;
    fail!("no rows for {}", year);
}

fn main() {}
