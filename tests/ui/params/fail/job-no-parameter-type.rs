use batch_runtime::prelude::*;

struct Window(u32);
#[step]
fn load() {}

#[job]
fn etl(window: Window, words: std::collections::HashMap<String, String>) {
    load;
}

fn main() {}
