use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(#[param(defualt = 3)] limit: u32) {
    load;
}

fn main() {}
