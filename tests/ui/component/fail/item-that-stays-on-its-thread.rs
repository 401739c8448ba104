use std::rc::Rc;

use batch_runtime::prelude::*;

#[processor(concurrency = 8)]
fn length(line: Rc<String>) -> usize {
    line.len()
}

fn main() {}
