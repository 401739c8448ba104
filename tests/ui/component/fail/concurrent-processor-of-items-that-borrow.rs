use batch_runtime::prelude::*;

struct Line<'a>(&'a str);

#[processor(concurrency = 4)]
async fn length(line: Line<'_>) -> usize {
    line.0.len()
}

fn main() {}
