use batch_runtime::prelude::*;

#[reader(buffered)]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

fn main() {}
