use batch_runtime::prelude::*;
use std::rc::Rc;

#[reader]
fn carriers() -> impl Iterator<Item = Rc<str>> {
    [Rc::from("AA")].into_iter()
}

#[writer]
fn save(carriers: &[Rc<str>]) {
    println!("{carriers:?}");
}

#[step(chunk = 100, threads = 4)]
fn load() {
    carriers | save
}

fn main() {}
