use batch_runtime::prelude::*;

#[resource]
fn client() {}

fn main() {}
