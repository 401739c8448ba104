use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use super::Prefetch;
use crate::definition::Reader;
use crate::readers::tests::{Faulty, restarts_everywhere, splits_everywhere, stored};
use crate::readers::{ReaderExt, VecReader};

#[test]
fn items_are_the_same_and_a_restart_goes_on_behind_every_one_however_much_is_read_ahead() {
    let items: Vec<u32> = (0..40).collect();
    for ahead in [0, 1, 2, 3, 4, 7, 16, 1_000] {
        restarts_everywhere(|| VecReader::new(items.clone()).prefetch(ahead), &items);
        restarts_everywhere(|| Faulty::new("1xx23x").prefetch(ahead), &[1, 2, 3]);
    }
}

#[test]
fn it_is_split_as_the_reader_inside() {
    splits_everywhere(|| VecReader::new([0, 1, 2, 3]).prefetch(3));
}

#[test]
fn a_restart_may_do_without_reading_ahead() {
    let mut first = VecReader::new([1, 2, 3]).prefetch(10);
    first.read().unwrap();
    let mut restarted = VecReader::new([1, 2, 3]);
    restarted.resume(stored(&first)).unwrap();
    assert_eq!(restarted.read(), Ok(Some(2)));
}

#[test]
fn errors_come_in_order_with_their_location_and_what_the_reader_says_of_them() {
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
        assert_eq!(reader.read(), Ok(Some(3)), "asked again, it reads again as the reader inside");
        assert_eq!(reader.read(), Ok(None));
        assert_eq!(reader.read(), Ok(None));
    }
}

#[test]
fn a_panic_is_one_of_read_behind_the_items_before_it_with_its_message() {
    let mut reader = Faulty::new("12p3").prefetch(100);
    // One at a time: the taking side is always waiting.
    assert_eq!(reader.read(), Ok(Some(1)));
    for _ in 0..2 {
        let payload =
            catch_unwind(AssertUnwindSafe(|| while reader.read().unwrap().is_some() {})).unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "the reader fell over at 3");
    }
}

/// Counts what it reads, and waits for leave before each item.
struct Gated {
    leave: Receiver<()>,
    read: Arc<AtomicUsize>,
}

impl Reader for Gated {
    type Item = usize;
    type Position = usize;
    type Error = String;

    fn read(&mut self) -> Result<Option<usize>, String> {
        if self.leave.recv().is_err() {
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
fn never_more_is_read_ahead_than_was_asked_for() {
    for most in [1, 2, 5, 8] {
        let (gate, leave) = sync_channel(0);
        let read = Arc::new(AtomicUsize::new(0));
        let mut reader = Gated { leave, read: Arc::clone(&read) }.prefetch(most);
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
    let (gate, leave) = sync_channel(1);
    let mut reader = Gated { leave, read: Arc::default() }.prefetch(1_000);
    for item in 1..=20 {
        // If the thread waited for a batch, this would hang: it gets no leave for a second item.
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
fn a_commit_is_told_to_the_reader_inside_and_its_error_given_back_at_the_end() {
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
    let told = reader.committed(&1);
    while reader.read().unwrap().is_some() {}
    assert_eq!([told, reader.committed(&9)].into_iter().filter(Result::is_err).count(), 1);
}

#[test]
fn where_an_item_is_is_counted_from_the_last_place_that_is_known() {
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
