use batch_runtime::prelude::*;

enum Kind {
    Long,
    Short,
}

#[classifier]
fn kind(line: String) -> Kind {
    if line.len() > 3 { Kind::Long } else { Kind::Short }
}

fn main() {}
