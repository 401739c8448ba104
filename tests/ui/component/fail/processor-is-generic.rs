use batch_runtime::prelude::*;

#[processor]
fn same<T>(item: T) -> T {
    item
}

fn main() {}
