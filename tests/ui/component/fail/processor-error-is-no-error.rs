use batch_runtime::prelude::*;

struct Broken;

#[processor]
fn number(line: String) -> Result<u32, Broken> {
    line.parse().map_err(|_| Broken)
}

fn main() {}
