use batch_runtime::prelude::*;

struct Broken;

#[writer]
fn save(lines: &[String]) -> Result<(), Broken> {
    if lines.is_empty() { Err(Broken) } else { Ok(()) }
}

fn main() {}
