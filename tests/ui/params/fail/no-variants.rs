use batch_runtime::prelude::*;

#[derive(ParameterType)]
enum Region {}

fn main() {}
