use batch_runtime::prelude::*;

#[step]
fn count() -> u32 {
    3
}

#[step]
fn report(total: &Option<Output<count>>) {
    let _ = total.is_some();
}

fn main() {}
