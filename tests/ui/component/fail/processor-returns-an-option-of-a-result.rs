use batch_runtime::prelude::*;

#[processor]
fn number(line: String) -> Option<Result<u32, std::num::ParseIntError>> {
    Some(line.parse())
}

fn main() {}
