//! Tests of a reader that reads ahead: its items, positions, errors and commits are those of the inner reader.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::Prefetch;
use crate::definition::Reader;
use crate::readers::tests::{Faulty, restarts_everywhere, splits_everywhere, stored};
use crate::readers::{ReaderExt, VecReader};

#[test]
fn items_are_the_same_and_a_restart_resumes_after_each_however_far_it_reads_ahead() {
    let items: Vec<u32> = (0..40).collect();
    for ahead in [0, 1, 2, 3, 4, 7, 16, 1_000] {
        restarts_everywhere(|| VecReader::new(items.clone()).prefetch(ahead), &items);
        restarts_everywhere(|| Faulty::new("1xx23x").prefetch(ahead), &[1, 2, 3]);
    }
}

#[test]
fn it_splits_as_the_inner_reader() {
    splits_everywhere(|| VecReader::new([0, 1, 2, 3]).prefetch(3));
}

#[test]
fn a_restart_may_read_without_prefetching() {
    let mut first = VecReader::new([1, 2, 3]).prefetch(10);
    first.read().unwrap();
    let mut restarted = VecReader::new([1, 2, 3]);
    restarted.resume(stored(&first)).unwrap();
    assert_eq!(restarted.read(), Ok(Some(2)));
}

#[test]
fn errors_keep_their_order_location_and_whether_reading_continues() {
    for ahead in [1, 2, 100] {
        let mut reader = Faulty::new("1x2!3").prefetch(ahead);
        assert_eq!(reader.read(), Ok(Some(1)));
        let bad = reader.read().unwrap_err();
        assert!(bad.starts_with("bad record") && reader.steps_over(&bad));
        assert_eq!(reader.location().unwrap(), "word 2");
        assert_eq!(reader.read(), Ok(Some(2)));
        let unplugged = reader.read().unwrap_err();
        assert!(unplugged.starts_with("unplugged") && !reader.steps_over(&unplugged));
        assert_eq!(reader.position(), 3);
        assert_eq!(reader.read(), Ok(Some(3)), "the next read reads on, as the inner reader does");
        assert_eq!(reader.read(), Ok(None));
        assert_eq!(reader.read(), Ok(None));
    }
}

#[test]
fn a_panic_resurfaces_in_read_after_the_items_before_it_with_its_message() {
    let mut reader = Faulty::new("12p3").prefetch(100);
    // One item at a time: the consumer is always waiting.
    assert_eq!(reader.read(), Ok(Some(1)));
    for _ in 0..2 {
        let payload =
            catch_unwind(AssertUnwindSafe(|| while reader.read().unwrap().is_some() {})).unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "the reader fell over at 3");
    }
}

/// Counts its reads, and waits for permission before each.
struct Gated {
    permits: Receiver<()>,
    read: Arc<AtomicUsize>,
}

impl Reader for Gated {
    type Item = usize;
    type Position = usize;
    type Error = String;

    fn read(&mut self) -> Result<Option<usize>, String> {
        if self.permits.recv().is_err() {
            return Ok(None);
        }
        Ok(Some(self.read.fetch_add(1, Ordering::SeqCst) + 1))
    }

    fn position(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }

    fn resume(&mut self, _position: usize) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn it_never_reads_further_ahead_than_requested() {
    for most in [1, 2, 5, 8] {
        let (gate, permits) = sync_channel(0);
        let read = Arc::new(AtomicUsize::new(0));
        let mut reader = Gated { permits, read: Arc::clone(&read) }.prefetch(most);
        let opener = std::thread::spawn(move || while gate.send(()).is_ok() {});
        for given in 1..=100 {
            assert_eq!(reader.read(), Ok(Some(given)));
            for _ in 0..100 {
                std::thread::yield_now();
            }
            assert!(read.load(Ordering::SeqCst) <= given + most, "{given} given, {most} ahead");
        }
        drop(reader);
        opener.join().unwrap();
    }
}

#[test]
fn an_item_of_a_slow_reader_is_handed_over_at_once() {
    let (gate, permits) = sync_channel(1);
    let mut reader = Gated { permits, read: Arc::default() }.prefetch(1_000);
    for item in 1..=20 {
        // If the thread waited for a full batch, this would hang: it gets no permission for a second item.
        gate.send(()).unwrap();
        assert_eq!(reader.read(), Ok(Some(item)));
    }
    drop(gate);
    assert_eq!(reader.read(), Ok(None));
}

#[test]
fn a_reader_that_is_dropped_in_the_middle_ends_its_thread() {
    for read in [0, 1, 5, 50] {
        for ahead in [1, 4, 1_000] {
            let alive = Arc::new(());
            let inner = VecReader::new(vec![Arc::clone(&alive); 100]);
            let mut reader: Prefetch<_> = inner.prefetch(ahead);
            for _ in 0..read {
                reader.read().unwrap();
            }
            drop(reader);
            assert_eq!(Arc::strong_count(&alive), 1, "neither thread nor reader is left");
        }
    }
}

#[test]
fn the_inner_reader_is_notified_of_a_commit_and_its_error_returned_at_the_end() {
    let mut reader = Faulty::new("1239").prefetch(2);
    while reader.read().unwrap().is_some() {}
    assert_eq!(reader.committed(&2), Ok(()));
    assert_eq!(reader.committed(&3), Err("not archived".into()));
    assert_eq!(reader.committed(&4), Ok(()));
}

#[test]
fn an_error_of_a_commit_in_the_middle_is_not_lost() {
    let mut reader = Faulty::new("1912345678").prefetch(2);
    reader.read().unwrap();
    let notified = reader.committed(&1);
    while reader.read().unwrap().is_some() {}
    assert_eq!([notified, reader.committed(&9)].into_iter().filter(Result::is_err).count(), 1);
}

#[test]
fn locations_count_from_the_last_known_place() {
    let mut reader = VecReader::new((0..100).collect::<Vec<u32>>()).prefetch(40);
    let mut located = 0;
    for item in 1..=100_u32 {
        reader.read().unwrap();
        let location = reader.location().unwrap();
        let numbers: u32 = location.split(|c: char| !c.is_ascii_digit()).flat_map(str::parse::<u32>).sum();
        assert_eq!(numbers, item, "{location}");
        located += u32::from(location.starts_with("item"));
    }
    assert!(located > 0);
}
