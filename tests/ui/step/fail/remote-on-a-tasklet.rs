use batch_runtime::prelude::*;

#[step(remote)]
fn tally() {
    println!("done");
}

fn main() {}
