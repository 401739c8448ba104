use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator {
    0..3
}

fn main() {}
