use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl() {
    use std::fs;
    load;
}

fn main() {}
