use batch_runtime::prelude::*;

#[step]
fn load() -> u64 {
    0
}

#[job]
fn etl(year: u16) {
    load;
    stop!("{colour}");
}

fn main() {}
