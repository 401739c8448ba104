use batch_runtime::prelude::*;

#[step]
fn report(total: &Output) {
    let _ = total;
}

fn main() {}
