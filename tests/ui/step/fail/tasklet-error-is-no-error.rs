use batch_runtime::prelude::*;

struct Broken;

#[step]
fn tidy() -> Result<(), Broken> {
    Err(Broken)
}

fn main() {}
