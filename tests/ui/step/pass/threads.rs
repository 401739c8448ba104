//! What each thread has for itself need not be `Send`: readers, processors, and the items between two processors.

use batch_runtime::prelude::*;
use batch_runtime::testing::StepTest;
use std::rc::Rc;
use std::sync::Mutex;

const WORKERS: usize = 3;

/// The reader never leaves the thread that it is opened on.
#[reader]
fn flights() -> impl Iterator<Item = &'static str> {
    let carriers: Rc<[&'static str]> = Rc::from(["AA", "UA", "DL"]);
    (0..30_usize).map(move |number| carriers[number % carriers.len()])
}

/// What one processor hands to the next stays on their thread.
#[processor]
fn shared(carrier: &'static str) -> Rc<str> {
    carrier.into()
}

#[processor]
fn owned(carrier: Rc<str>) -> Option<String> {
    (&*carrier != "UA").then(|| carrier.to_string())
}

#[processor(bulk)]
fn numbered(carriers: &[String]) -> Vec<String> {
    carriers.iter().enumerate().map(|(number, carrier)| format!("{carrier}{number}")).collect()
}

#[resource]
fn seen() -> Mutex<Vec<String>> {
    Mutex::default()
}

#[processor]
fn note(carrier: String, seen: &Mutex<Vec<String>>) -> String {
    seen.lock().expect("no thread panics").push(carrier.clone());
    carrier
}

#[listener(after_write)]
fn report(carriers: &[String]) {
    assert!(!carriers.is_empty());
}

/// The writer stays on the thread of the step.
#[writer]
fn save(carriers: &[String]) {
    println!("{carriers:?}");
}

#[step(chunk = 4, threads = WORKERS, listeners(report))]
fn load() {
    flights | shared | owned | numbered | note | save
}

#[step(chunk = 4, threads = 1)]
fn load_alone() {
    flights | shared | owned | note | save
}

fn main() {
    let report = StepTest::<load>::new().run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (30, 20));
    let report = StepTest::<load_alone>::new().run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (30, 20));
}
