use batch_runtime::prelude::*;

#[step]
fn load() -> u64 {
    0
}

#[job]
fn etl() {
    load;
    end!("EMPTY_{load}");
}

fn main() {}
