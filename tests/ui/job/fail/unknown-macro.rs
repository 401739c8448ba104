use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    load;
    println!("loaded");
}

fn main() {}
