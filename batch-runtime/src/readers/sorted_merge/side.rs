//! One of the two inputs, with the record that comes next.

use std::cmp::Ordering;
use std::fmt::Debug;

use super::MergeError;
use crate::definition::{BoxError, Reader};
use crate::readers::shown;

/// The advice about a key that occurs twice.
pub(super) const LEFT_TWICE: &str = "only one record of each input may have a key; if several records of one input may have it, make that the right input and call `.one_to_many()`";
pub(super) const RIGHT_TWICE: &str =
    "if several records may belong to one record of the left input, call `.one_to_many()`";
pub(super) const ONE_LEFT: &str = "with `.one_to_many()`, only the right input may have a key twice: exchange the inputs, or group the records of one of them first";

pub(super) struct Side<R: Reader, K, F> {
    pub(super) reader: R,
    key: F,
    /// The key of the last record that was taken.
    pub(super) last: Option<K>,
    next: Next<R, K>,
}

enum Next<R: Reader, K> {
    Unknown,
    Record { item: R::Item, key: K, before: R::Position },
    End,
}

/// An error, whether reading continues after it, and the record it concerns.
pub(super) struct Failed {
    pub(super) error: BoxError,
    pub(super) steps_over: bool,
    pub(super) record: Option<String>,
    /// True if it is an error of the merge, not of the reader.
    pub(super) is_of_order: bool,
}

impl<R: Reader, K, F> Side<R, K, F> {
    pub(super) fn new(reader: R, key: F) -> Self {
        Self { reader, key, last: None, next: Next::Unknown }
    }

    /// The key of the next record; `None` at the end.
    pub(super) fn key(&self) -> Option<&K> {
        if let Next::Record { key, .. } = &self.next { Some(key) } else { None }
    }

    pub(super) fn item(&self) -> Option<&R::Item> {
        if let Next::Record { item, .. } = &self.next { Some(item) } else { None }
    }

    /// Takes the next record, which `look` has read.
    pub(super) fn take(&mut self) -> Option<R::Item> {
        match std::mem::replace(&mut self.next, Next::Unknown) {
            Next::Record { item, key, .. } => {
                self.last = Some(key);
                Some(item)
            }
            Next::Unknown => None,
            Next::End => {
                self.next = Next::End;
                None
            }
        }
    }
}

impl<R: Reader<Position: Clone>, K: Ord + Debug, F: Fn(&R::Item) -> K> Side<R, K, F> {
    /// Reads the next record unless it is known, and checks the order. `twice` is the advice for a key that occurs
    /// twice; `None` allows such a key.
    pub(super) fn look(&mut self, input: &'static str, twice: Option<&'static str>) -> Result<(), Failed> {
        if matches!(self.next, Next::Unknown) {
            let before = self.reader.position();
            self.next = match self.reader.read() {
                Ok(Some(item)) => Next::Record { key: (self.key)(&item), item, before },
                Ok(None) => Next::End,
                Err(error) => return Err(self.failed(error)),
            };
        }
        // A record that is out of order stays the next one, so that no later read passes it.
        let (Some(last), Some(key)) = (&self.last, self.key()) else { return Ok(()) };
        let place = || self.reader.location().unwrap_or_else(|| format!("the {input} input"));
        let text = |key: &K| shown(&format!("{key:?}")).to_string();
        let error = match (key.cmp(last), twice) {
            (Ordering::Less, _) => {
                MergeError::Unsorted { input, place: place(), key: text(key), before: text(last) }
            }
            (Ordering::Equal, Some(advice)) => {
                MergeError::Repeated { input, place: place(), key: text(key), advice }
            }
            _ => return Ok(()),
        };
        Err(Failed { error: error.into(), steps_over: false, record: None, is_of_order: true })
    }

    fn failed(&self, error: R::Error) -> Failed {
        let steps_over = self.reader.steps_over(&error);
        let record = if steps_over { self.reader.record(&error) } else { None };
        Failed { error: error.into(), steps_over, record, is_of_order: false }
    }

    /// The position before the next record.
    pub(super) fn position(&self) -> R::Position {
        match &self.next {
            Next::Record { before, .. } => before.clone(),
            Next::Unknown | Next::End => self.reader.position(),
        }
    }
}
