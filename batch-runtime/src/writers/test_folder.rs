//! A folder for the files of a test, which is removed when the test ends, and the calls that a step makes around a
//! commit.

use std::fs;
use std::path::PathBuf;

use crate::definition::{Durability, Writer};

pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("batch-output-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The names of the files in it, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Prepares a commit, and returns the position as a restart gets it.
pub(crate) fn prepared<W: Writer<Error: std::fmt::Debug>>(writer: &mut W) -> W::Position {
    writer.prepare(Durability::Process).unwrap();
    serde_json::from_str(&serde_json::to_string(&writer.position()).unwrap()).unwrap()
}

pub(crate) fn commit<W: Writer<Error: std::fmt::Debug>>(writer: &mut W) -> W::Position {
    let position = prepared(writer);
    writer.committed().unwrap();
    position
}

pub(crate) fn end<W: Writer<Error: std::fmt::Debug>>(writer: &mut W) {
    writer.seal(Durability::Process).unwrap();
    writer.finish(Durability::Process).unwrap();
}
