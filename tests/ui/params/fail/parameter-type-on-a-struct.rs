use batch_runtime::prelude::*;

#[derive(ParameterType)]
struct Region {
    name: String,
}

fn main() {}
