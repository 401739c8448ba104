use batch_runtime::prelude::*;

#[listener(after_read)]
fn report(line: &str) {
    println!("{line}");
}

#[step(listeners(report))]
fn tidy() {}

fn main() {}
