use batch_runtime::prelude::*;

#[reader]
struct Flights;

fn main() {}
