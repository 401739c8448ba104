//! The readers of CSV, JSON and XML read third-party test documents, which `fetch.sh` fetches: each document is read as
//! intended, or refused for a reason that is stated here. No reader panics or hangs, and no document is read as
//! something else.

mod csv;
mod expected;
mod json;
mod xml;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use batch_runtime::Reader;
use batch_runtime::readers::ReadError;
use batch_tests::missing;

/// The time for one document, on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// The folder of a package; `None` if it was not fetched, which fails where `CI` is set.
fn corpus(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BATCH_TEST_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/corpora"), PathBuf::from);
    let package = folder.join(name);
    if package.is_dir() {
        return Some(package);
    }
    missing::leave_out(&format!("there is no {}", package.display()), "run tests/corpora/fetch.sh");
    None
}

/// The result of reading a document to its end.
#[derive(Debug, PartialEq)]
struct Outcome<T> {
    items: Vec<T>,
    /// The errors about single records.
    refused: Vec<String>,
    /// The error that ended the reading.
    ended: Option<String>,
}

impl<T> Outcome<T> {
    fn is_accepted(&self) -> bool {
        self.refused.is_empty() && self.ended.is_none()
    }

    /// The first error.
    fn error(&self) -> Option<&str> {
        self.refused.iter().chain(&self.ended).next().map(String::as_str)
    }
}

/// Reads to the end. `most` is the number of records that the document can have.
fn read<R: Reader<Error = ReadError>>(open: Result<R, ReadError>, most: usize) -> Outcome<R::Item> {
    let mut outcome = Outcome { items: Vec::new(), refused: Vec::new(), ended: None };
    let mut reader = match open {
        Ok(reader) => reader,
        Err(error) => {
            outcome.ended = Some(error.to_string());
            return outcome;
        }
    };
    for _ in 0..=most {
        match reader.read() {
            Ok(Some(item)) => outcome.items.push(item),
            Ok(None) => return outcome,
            Err(error) if error.is_about_a_record() => outcome.refused.push(error.to_string()),
            Err(error) => {
                outcome.ended = Some(error.to_string());
                let again = reader.read().err().map(|error| error.to_string());
                assert_eq!(again, outcome.ended, "the next read fails in the same way");
                return outcome;
            }
        }
    }
    panic!("more than {most} records are read");
}

/// Reads to the end, and again from the position after each item: the rest must be the same.
fn read_with_restarts<R>(open: impl Fn() -> Result<R, ReadError>, most: usize) -> Outcome<R::Item>
where
    R: Reader<Error = ReadError>,
    R::Item: PartialEq + std::fmt::Debug,
{
    let whole = read(open(), most);
    if whole.is_accepted() {
        let mut first = open().unwrap();
        for count in 0..=whole.items.len() {
            let position = serde_json::to_string(&first.position()).unwrap();
            let mut second = open().unwrap();
            second.resume(serde_json::from_str(&position).unwrap()).unwrap();
            let rest = read(Ok(second), most);
            assert!(rest.is_accepted(), "{rest:?}, after {count} items");
            assert_eq!(rest.items, whole.items[count..], "after {count} items");
            assert_eq!(first.read().unwrap().is_some(), count < whole.items.len());
        }
    }
    whole
}

/// Calls a function in a thread of its own, and fails if it panics or takes too long.
fn in_time<T: Send + 'static>(name: &str, call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    let thread = std::thread::spawn(move || drop(sender.send(call())));
    match receiver.recv_timeout(LIMIT) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => panic!("{name}: it takes more than {LIMIT:?}"),
        Err(RecvTimeoutError::Disconnected) => {
            drop(thread.join());
            panic!("{name}: see the panic above");
        }
    }
}
