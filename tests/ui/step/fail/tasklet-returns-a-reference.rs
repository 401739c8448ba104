use batch_runtime::prelude::*;

#[step]
fn pick(names: &Names) -> &str {
    &names.0
}

struct Names(String);

#[resource]
fn names() -> Names {
    Names(String::new())
}

fn main() {}
