//! Values that stay on one thread need not be `Send`: readers, processors, and the items between two processors.

use batch_runtime::prelude::*;
use batch_runtime::ChunkTransaction;
use batch_runtime::testing::StepTest;
use batch_runtime::writers::SqliteTable;
use std::rc::Rc;
use std::sync::Mutex;

const WORKERS: usize = 3;

/// The reader never leaves the thread that it is opened on.
#[reader]
fn flights() -> impl Iterator<Item = &'static str> {
    let carriers: Rc<[&'static str]> = Rc::from(["AA", "UA", "DL"]);
    (0..30_usize).map(move |number| carriers[number % carriers.len()])
}

/// The items between two processors stay on their thread.
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

/// A function can write chunks in any order, and so can a writer that works only in the transaction.
struct Print;

impl Writer for Print {
    type Item = String;
    type Position = ();
    type Error = std::io::Error;

    fn write(&mut self, carriers: &[String], _: &ChunkTransaction<'_>) -> Result<(), std::io::Error> {
        println!("{carriers:?}");
        Ok(())
    }

    fn position(&self) {}
}

#[writer]
fn print() -> Print {
    Print
}

#[writer]
fn hidden() -> impl Writer<Item = String, Position = ()> {
    Print
}

#[writer]
fn stored() -> SqliteTable<String> {
    SqliteTable::into("carrier")
}

#[classifier]
fn is_long(carrier: &String) -> bool {
    carrier.len() > 1_000
}

#[step(chunk = 4, threads = WORKERS, order = none)]
fn load_in_any_order() {
    flights
        | shared
        | owned
        | note
        | (
            save,
            print,
            match is_long {
                true => stored,
                false => hidden,
            },
        )
}

#[step(chunk = 4, threads = 1)]
fn load_alone() {
    flights | shared | owned | note | save
}

fn main() {
    let report = StepTest::<load>::new().run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (30, 20));
    let report = StepTest::<load_in_any_order>::new().run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (30, 20));
    let report = StepTest::<load_alone>::new().run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (30, 20));
}
