use batch_runtime::prelude::*;

#[reader]
fn flights() {}

fn main() {}
