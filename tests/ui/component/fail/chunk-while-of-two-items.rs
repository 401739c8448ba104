use batch_runtime::prelude::*;

struct Order {
    customer: u32,
}

#[chunk_while]
fn same_customer(last: &Order, next: &u32) -> bool {
    last.customer == *next
}

fn main() {}
