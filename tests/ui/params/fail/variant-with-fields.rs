use batch_runtime::prelude::*;

#[derive(ParameterType)]
enum Region {
    Eu,
    Other(String),
}

fn main() {}
