//! The trailer of a file: its last record, which says what the file should contain.

use std::fmt;
use std::sync::Arc;

use crate::definition::BoxError;
use crate::readers::ReadError;

/// Totals over the items of a file, such as the sum of all amounts.
///
/// A reader compares them with the trailer of its file before it yields the first item; a writer writes them
/// into the footer.
///
/// ```
/// use batch_runtime::Totals;
///
/// struct Payment { cents: i64 }
///
/// #[derive(Default)]
/// struct Sum { cents: i64 }
///
/// impl Totals<Payment> for Sum {
///     fn add(&mut self, payment: &Payment) { self.cents += payment.cents; }
/// }
/// # let mut sum = Sum::default();
/// # sum.add(&Payment { cents: 3 });
/// # assert_eq!(sum.cents, 3);
/// ```
pub trait Totals<T>: Default {
    /// Adds an item.
    fn add(&mut self, item: &T);
}

/// Compares a trailer with what the file contains.
pub(crate) struct Trailer<T> {
    new: Arc<dyn Fn() -> Box<dyn Control<T>> + Send + Sync>,
    /// True if the check needs the items, so that they have to be decoded.
    pub(super) takes_items: bool,
}

/// The check of a file while it is read, up to its trailer.
pub(super) trait Control<T> {
    fn add(&mut self, item: &T);
    fn check(&self, trailer: &str, records: u64) -> Result<(), BoxError>;
}

impl<T> Trailer<T> {
    /// Checks the number of records.
    pub(crate) fn of_records<E: Into<BoxError>>(
        check: impl Fn(&str, u64) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        let check = Arc::new(check);
        Self { new: Arc::new(move || Box::new(Records(Arc::clone(&check)))), takes_items: false }
    }

    /// Checks the number of records and totals over the items.
    pub(crate) fn of_totals<S: Totals<T> + 'static, E: Into<BoxError>>(
        check: impl Fn(&S, &str, u64) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        let check = Arc::new(check);
        let new = move || -> Box<dyn Control<T>> { Box::new(Sums(S::default(), Arc::clone(&check))) };
        Self { new: Arc::new(new), takes_items: true }
    }

    pub(super) fn begin(&self) -> Box<dyn Control<T>> {
        (self.new)()
    }
}

/// The records of a file as far as its trailer, which is the last of them.
pub(super) struct BeforeTrailer<'t> {
    pub(super) records: u64,
    /// The first error about one of them, without the name of the file.
    pub(super) bad: Option<String>,
    /// The trailer: its text and its line.
    pub(super) text: &'t str,
    pub(super) line: u64,
}

impl BeforeTrailer<'_> {
    /// Compares them with the trailer.
    pub(super) fn check<T>(self, control: &dyn Control<T>, resource: Arc<str>) -> Result<(), ReadError> {
        let Self { records, bad, text, line } = self;
        control.check(text, records).map_err(|error| ReadError::Trailer {
            resource,
            line,
            problem: match bad {
                None => error.to_string(),
                Some(bad) => format!("{error}; not every record could be read: {bad}"),
            }
            .into(),
        })
    }
}

/// The error for a file without a trailer.
pub(super) fn no_trailer(resource: Arc<str>, line: u64, bad: Option<String>) -> ReadError {
    let problem = match bad {
        None => "there is none".into(),
        Some(bad) => format!("there is none that can be read: {bad}").into(),
    };
    ReadError::Trailer { resource, line, problem }
}

impl<T> Clone for Trailer<T> {
    fn clone(&self) -> Self {
        Self { new: Arc::clone(&self.new), takes_items: self.takes_items }
    }
}

impl<T> fmt::Debug for Trailer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trailer")
    }
}

struct Records<C>(Arc<C>);

impl<T, C: Fn(&str, u64) -> Result<(), E>, E: Into<BoxError>> Control<T> for Records<C> {
    fn add(&mut self, _item: &T) {}

    fn check(&self, trailer: &str, records: u64) -> Result<(), BoxError> {
        (self.0)(trailer, records).map_err(Into::into)
    }
}

struct Sums<S, C>(S, Arc<C>);

impl<T, S: Totals<T>, C: Fn(&S, &str, u64) -> Result<(), E>, E: Into<BoxError>> Control<T> for Sums<S, C> {
    fn add(&mut self, item: &T) {
        self.0.add(item);
    }

    fn check(&self, trailer: &str, records: u64) -> Result<(), BoxError> {
        (self.1)(&self.0, trailer, records).map_err(Into::into)
    }
}
