use batch_runtime::prelude::*;

#[derive(ParameterType)]
enum Region {
    UsEast,
    #[param(name = "us-east")]
    Us,
}

fn main() {}
