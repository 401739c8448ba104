use batch_runtime::prelude::*;

#[derive(ParameterType)]
enum Region {
    #[param(rename = "eu")]
    Europe,
}

fn main() {}
