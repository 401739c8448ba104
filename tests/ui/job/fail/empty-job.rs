use batch_runtime::prelude::*;

#[job]
fn etl() {}

fn main() {}
