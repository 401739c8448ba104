use batch_runtime::prelude::*;

struct Order {
    customer: u32,
}

#[chunk_while]
fn same_customer(next: &Order) -> bool {
    next.customer == 1
}

fn main() {}
