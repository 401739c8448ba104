use batch_runtime::prelude::*;

#[step(chunk = 100)]
struct Load;

fn main() {}
