//! Readers and writers may borrow from the parameters, which live as long as the components.

use std::convert::Infallible;

use batch_runtime::prelude::*;
use batch_runtime::{ChunkTransaction, Failure, Launch};

use crate::support::World;

/// The words of a borrowed text.
struct Words<'w> {
    text: &'w str,
    read: usize,
}

impl Reader for Words<'_> {
    type Item = String;
    type Position = usize;
    type Error = Infallible;

    fn read(&mut self) -> Result<Option<String>, Infallible> {
        let word = self.text.split_whitespace().nth(self.read);
        self.read += usize::from(word.is_some());
        Ok(word.map(str::to_owned))
    }

    fn position(&self) -> usize {
        self.read
    }

    fn resume(&mut self, position: usize) -> Result<(), Infallible> {
        self.read = position;
        Ok(())
    }
}

#[reader]
fn words(text: &str) -> Words<'_> {
    Words { text, read: 0 }
}

/// The parts of a path.
#[reader]
fn parts(path: &Path) -> impl Iterator<Item = String> {
    path.iter().map(|part| part.to_string_lossy().into_owned())
}

struct Marking<'w> {
    mark: &'w str,
}

impl Writer for Marking<'_> {
    type Item = String;
    type Position = ();
    type Error = Failure;

    fn write(&mut self, words: &[String], tx: &ChunkTransaction<'_>) -> Result<(), Failure> {
        let tx: Transaction<'_> = tx.of()?;
        for word in words {
            tx.execute("INSERT INTO word VALUES (?1)", [format!("{}{word}", self.mark)])
                .map_err(Failure::new)?;
        }
        Ok(())
    }

    fn position(&self) {}
}

#[writer]
fn marked(mark: &str) -> Marking<'_> {
    Marking { mark }
}

#[processor]
fn checked(word: String, bad: Option<String>) -> Result<String, Failure> {
    if Some(&word) == bad.as_ref() { Err(Failure::new("a bad word")) } else { Ok(word) }
}

#[step(chunk = 2)]
fn load() {
    (words(text = left), parts, words(text = right)) | checked | marked
}

#[step(chunk = 2, threads = 3)]
fn load_with_threads() {
    (words(text = left), parts, words(text = right)) | checked | marked
}

#[step]
fn prepare(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE word (word TEXT)")
}

#[job]
fn copied(
    left: String,
    path: PathBuf,
    right: String,
    mark: String,
    #[param(identifying = false)] bad: Option<String>,
) {
    prepare;
    load;
}

#[job]
fn copied_with_threads(
    left: String,
    path: PathBuf,
    right: String,
    mark: String,
    #[param(identifying = false)] bad: Option<String>,
) {
    prepare;
    load_with_threads;
}

const WORDS: [&str; 7] = ["-one", "-two", "-/", "-tmp", "-three", "-four", "-five"];

type Job = fn(String, PathBuf, String, String, Option<String>) -> Launch;

#[test]
fn a_reader_and_a_writer_borrow_parameters_even_after_a_restart_and_with_threads() {
    for job in [copied as Job, copied_with_threads as Job] {
        let world = World::new();
        let launch = |bad: Option<&str>| {
            let (left, right) = ("one two".to_owned(), "three four five".to_owned());
            job(left, "/tmp".into(), right, "-".to_owned(), bad.map(str::to_owned))
        };
        world.fails(&launch(Some("four")));
        assert_eq!(world.texts("SELECT word FROM word ORDER BY rowid"), WORDS[..4]);
        world.completes(&launch(None));
        assert_eq!(world.texts("SELECT word FROM word ORDER BY rowid"), WORDS);
    }
}
