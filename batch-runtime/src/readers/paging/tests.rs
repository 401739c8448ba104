use super::*;
use crate::readers::ReaderExt;
use crate::readers::tests::{restarts_everywhere, splits_everywhere};

/// Pages of numbers. Records the requests, and fails one of them if a test asks for that.
#[derive(Debug, Default)]
struct Numbers {
    count: usize,
    size: usize,
    declared: bool,
    requests: Vec<u64>,
    fails_at: Option<usize>,
}

impl Pages for Numbers {
    type Item = usize;
    type Error = String;

    fn read_page(&mut self, page: u64) -> Result<Vec<usize>, String> {
        self.requests.push(page);
        if self.fails_at == Some(self.requests.len()) {
            return Err("503".into());
        }
        let first = usize::try_from(page).unwrap() * self.size;
        Ok((first..self.count).take(self.size).collect())
    }

    fn page_size(&self) -> Option<usize> {
        self.declared.then_some(self.size)
    }
}

impl CountedPages for Numbers {
    fn count(&mut self) -> Result<u64, String> {
        Ok(self.count.div_ceil(self.size) as u64)
    }
}

fn numbers(count: usize, size: usize, declared: bool) -> PagingReader<Numbers> {
    PagingReader::new(Numbers { count, size, declared, ..Numbers::default() })
}

#[test]
fn every_item_is_read_once_and_a_restart_resumes_after_each_in_parts_too() {
    for (count, declared) in [(0, true), (1, false), (6, true), (6, false), (7, true), (7, false)] {
        let all: Vec<usize> = (0..count).collect();
        restarts_everywhere(|| numbers(count, 3, declared), &all);
        restarts_everywhere(|| numbers(count, 3, declared).prefetch(4), &all);
        splits_everywhere(|| numbers(count, 3, declared));
        splits_everywhere(|| numbers(count, 3, declared).counted().unwrap());
    }
}

#[test]
fn no_page_is_requested_twice_nor_one_after_a_short_one() {
    let mut declared = numbers(7, 3, true);
    while declared.read().unwrap().is_some() {}
    assert_eq!(declared.pages.requests, [0, 1, 2]);
    let mut unknown = numbers(6, 3, false);
    while unknown.read().unwrap().is_some() {}
    assert_eq!(unknown.pages.requests, [0, 1, 2], "the empty page ends the input");
    let mut counted = numbers(6, 3, false).counted().unwrap();
    while counted.read().unwrap().is_some() {}
    assert_eq!(counted.pages.requests, [0, 1]);
    let mut restarted = numbers(6, 3, false);
    restarted.resume(PagePosition { page: 1, index: 0 }).unwrap();
    restarted.read().unwrap();
    assert_eq!(restarted.pages.requests, [1]);
}

#[test]
fn a_failed_page_is_read_when_the_reader_is_reopened() {
    let mut reader = numbers(7, 3, true);
    reader.pages.fails_at = Some(2);
    for _ in 0..3 {
        reader.read().unwrap();
    }
    let error = reader.read().unwrap_err();
    assert_eq!(error.to_string(), "page 1: 503");
    assert!(!reader.steps_over(&error));
    let mut reopened = numbers(7, 3, true);
    reopened.resume(reader.position()).unwrap();
    assert_eq!(reopened.read().unwrap(), Some(3));
    assert_eq!(reader.read().unwrap(), Some(3), "and when it is read again");
}

#[test]
fn a_page_that_lost_committed_items_is_refused() {
    let mut reader = numbers(4, 3, true);
    reader.resume(PagePosition { page: 1, index: 2 }).unwrap();
    let error = reader.read().unwrap_err().to_string();
    assert!(error.starts_with("page 1 has 1 items, but 2 were committed"), "{error}");
}
