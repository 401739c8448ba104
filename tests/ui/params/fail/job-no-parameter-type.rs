use batch_runtime::prelude::*;

struct Window(u32);
#[step]
fn load() {}

#[job]
fn etl(window: Window, days: Vec<u32>) {
    load;
}

fn main() {}
