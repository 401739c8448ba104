//! Tests of the reader of several files.

use std::cell::RefCell;

use super::*;
use crate::readers::tests::{Faulty, rest, restarts_everywhere, stored};

/// Each "file" is the script of a reader.
fn scripts(names: &[&str]) -> FilesReader<Faulty, impl FnMut(&Path) -> Result<Faulty, String> + use<>> {
    FilesReader::new(names.iter().map(PathBuf::from), |path: &Path| match path.to_str() {
        Some("missing") => Err("no such file".to_owned()),
        Some(script) => Ok(Faulty::new(script.trim_start_matches('a'))),
        None => Err("not text".to_owned()),
    })
}

#[test]
fn files_are_read_one_after_the_other_and_a_restart_resumes_after_any_item() {
    restarts_everywhere(|| scripts(&["12", "a", "x3", "aa", "4x5"]), &[1, 2, 3, 4, 5]);
    restarts_everywhere(|| scripts(&[]), &[]);
}

#[test]
fn each_file_is_a_part() {
    let open = || scripts(&["12", "a", "3"]);
    let read: Vec<_> = open()
        .split(2)
        .unwrap()
        .into_iter()
        .map(|part| {
            let narrowed = || {
                let mut reader = open();
                reader.narrow(part.clone()).unwrap();
                reader
            };
            let items = rest(&mut narrowed());
            restarts_everywhere(narrowed, &items);
            items
        })
        .collect();
    assert_eq!(read, [vec![1, 2], vec![], vec![3]]);
}

#[test]
fn a_file_that_cannot_be_opened_is_not_stepped_over_and_nothing_before_it_is_repeated() {
    let mut reader = scripts(&["1", "missing", "2"]);
    reader.read().unwrap();
    let error = reader.read().unwrap_err();
    assert!(!reader.steps_over(&error));
    let mut reopened = scripts(&["1", "missing", "2"]);
    reopened.resume(stored(&reader)).unwrap();
    assert_eq!(reopened.read().unwrap_err().to_string(), "no such file");
}

#[test]
fn the_reader_of_the_file_decides_whether_reading_continues_after_an_error() {
    let mut reader = scripts(&["1x2!3"]);
    reader.read().unwrap();
    let error = reader.read().unwrap_err();
    assert!(reader.steps_over(&error));
    reader.read().unwrap();
    let error = reader.read().unwrap_err();
    assert!(!reader.steps_over(&error));
}

#[test]
fn a_restart_is_refused_if_files_before_the_position_changed_but_not_if_some_were_added_after_it() {
    let mut reader = scripts(&["12", "34"]);
    for _ in 0..3 {
        reader.read().unwrap();
    }
    let mut more = scripts(&["12", "34", "5"]);
    more.resume(stored(&reader)).unwrap();
    assert_eq!(rest(&mut more), [4, 5]);
    for other in [&["0", "12", "34"][..], &["34"], &["12", "3"], &["13", "34"]] {
        let error = scripts(other).resume(stored(&reader)).unwrap_err();
        assert!(error.to_string().contains("new instance"), "{error}");
    }
}

/// Records where its file was committed.
struct Notified<'t>(Option<u32>, &'t RefCell<Vec<u32>>);

impl Reader for Notified<'_> {
    type Item = u32;
    type Position = u32;
    type Error = String;

    fn read(&mut self) -> Result<Option<u32>, String> {
        Ok(self.0.take())
    }

    fn position(&self) -> u32 {
        u32::from(self.0.is_none())
    }

    fn resume(&mut self, _position: u32) -> Result<(), String> {
        Ok(())
    }

    fn committed(&mut self, position: &u32) -> Result<(), String> {
        self.1.borrow_mut().push(*position);
        Ok(())
    }
}

#[test]
fn every_file_that_ended_within_a_chunk_is_notified_of_the_commit_once() {
    let (notified, opened) = (RefCell::new(Vec::new()), RefCell::new(0));
    let names = (0..100).map(|name| PathBuf::from(name.to_string()));
    let mut reader = FilesReader::new(names, |_: &Path| {
        *opened.borrow_mut() += 1;
        Ok::<_, String>(Notified(Some(7), &notified))
    });
    while reader.read().unwrap().is_some() {}
    assert!(reader.unnotified.iter().filter(|ended| ended.reader.is_some()).count() <= MAX_OPEN + 1);
    let end = reader.position();
    reader.committed(&end).unwrap();
    reader.committed(&end).unwrap();
    assert_eq!(*notified.borrow(), vec![1; 100]);
}

#[test]
fn a_file_that_is_not_utf_8_is_a_part_and_has_its_place_in_the_position() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let paths = [&b"\xfe"[..], b"\xff"].map(|name| PathBuf::from(OsStr::from_bytes(name)));
    let open = || {
        FilesReader::new(paths.clone(), |path: &Path| {
            Ok::<_, String>(Faulty::new(if path.as_os_str().as_bytes() == b"\xfe" { "12" } else { "34" }))
        })
    };
    restarts_everywhere(open, &[1, 2, 3, 4]);
    let part = open().split(2).unwrap().remove(1);
    let mut reader = open();
    reader.narrow(part.clone()).unwrap();
    assert_eq!(rest(&mut reader), [3, 4]);
    let mut reader = open();
    reader.read().unwrap();
    let mut other = FilesReader::new([PathBuf::from(OsStr::from_bytes(b"\xfd"))], |_: &Path| {
        Ok::<_, String>(Faulty::new("12"))
    });
    assert!(other.resume(stored(&reader)).unwrap_err().to_string().contains("read \\xFE"));
}
