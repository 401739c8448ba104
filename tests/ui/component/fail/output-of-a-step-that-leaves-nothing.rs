use batch_runtime::prelude::*;

#[step]
fn clean_up() {}

#[step]
fn report(total: &Output<clean_up>) {
    let _ = total;
}

fn main() {}
