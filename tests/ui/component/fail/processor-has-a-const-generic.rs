use batch_runtime::prelude::*;

#[processor]
fn first<const N: usize>(item: [u8; N]) -> u8 {
    item[0]
}

fn main() {}
