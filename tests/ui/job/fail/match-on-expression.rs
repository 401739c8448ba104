use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(limit: u32) {
    match limit > 3 {
        true => load,
        false => {}
    }
}

fn main() {}
