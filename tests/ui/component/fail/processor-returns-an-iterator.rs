use batch_runtime::prelude::*;

#[processor]
fn words(line: String) -> impl Iterator<Item = String> {
    line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn main() {}
