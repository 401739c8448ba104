use batch_runtime::prelude::*;

struct Range {
    from: u32,
}

#[reader]
fn numbers(range: Range) -> impl Iterator<Item = u32> {
    range.from..10
}

fn main() {}
