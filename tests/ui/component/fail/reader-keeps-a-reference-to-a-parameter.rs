use batch_runtime::prelude::*;

#[reader]
fn lines(input: &Path) -> impl Iterator<Item = String> {
    [input.display().to_string()].into_iter()
}

fn main() {}
