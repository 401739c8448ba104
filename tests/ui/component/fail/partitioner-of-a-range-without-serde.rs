use batch_runtime::prelude::*;

struct Range {
    first: u32,
}

#[partitioner]
fn ranges() -> Vec<(String, Range)> {
    vec![("all".to_owned(), Range { first: 0 })]
}

fn main() {}
