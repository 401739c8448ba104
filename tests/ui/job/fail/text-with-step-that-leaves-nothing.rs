use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    load;
    end!("EMPTY", "{load}");
}

fn main() {}
