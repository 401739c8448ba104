use batch_runtime::prelude::*;

struct Order {
    customer: u32,
}

#[chunk_while]
fn same_customer(last: &Order, next: &Order, tx: &Transaction<'_>) -> bool {
    last.customer == next.customer && tx.is_autocommit()
}

fn main() {}
