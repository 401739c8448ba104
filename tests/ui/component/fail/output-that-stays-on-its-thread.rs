use std::rc::Rc;

use batch_runtime::prelude::*;

#[processor(concurrency = 8)]
fn shared(line: String) -> Option<Rc<String>> {
    Some(Rc::new(line))
}

fn main() {}
