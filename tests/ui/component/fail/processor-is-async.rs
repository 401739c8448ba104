use batch_runtime::prelude::*;

#[processor]
async fn length(line: String) -> usize {
    line.len()
}

fn main() {}
