use batch_runtime::prelude::*;

use std::rc::Rc;

#[resource]
fn prices() -> Rc<Vec<u32>> {
    Rc::new(Vec::new())
}

fn main() {}
