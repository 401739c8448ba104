use batch_runtime::prelude::*;

struct Order {
    customer: u32,
}

#[chunk_while]
fn same_customer(last: &Order, next: &Order) {
    assert!(last.customer == next.customer);
}

fn main() {}
