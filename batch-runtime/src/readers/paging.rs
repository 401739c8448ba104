//! [`PagingReader`] reads the items of an input page by page.
//!
//! If the number of pages is known, the input can also be split into parts.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::vec::IntoIter;

use serde::{Deserialize, Serialize};

use crate::definition::{BoxError, Progress, Reader, Splittable, evenly};

/// An input that returns its items one page at a time, as most HTTP APIs do.
///
/// Only [`read_page`](Self::read_page) is required; [`PagingReader`] turns the pages into a reader.
///
/// ```
/// use batch_runtime::Reader;
/// use batch_runtime::readers::{Pages, PagingReader};
///
/// struct Companies;
///
/// impl Pages for Companies {
///     type Item = String;
///     type Error = std::io::Error;
///
///     fn read_page(&mut self, page: u64) -> Result<Vec<String>, std::io::Error> {
///         // A real program would send a request here.
///         let companies = ["Gaumont", "Pathé", "Ufa"];
///         Ok(companies.iter().skip(page as usize * 2).take(2).map(|&name| name.to_owned()).collect())
///     }
/// }
///
/// let mut reader = PagingReader::new(Companies);
/// reader.read()?;
/// reader.read()?;
///
/// let mut restarted = PagingReader::new(Companies);
/// restarted.resume(reader.position())?;
/// assert_eq!(restarted.read()?.as_deref(), Some("Ufa"));
/// assert_eq!(restarted.read()?, None, "the next page is empty");
/// # Ok::<(), batch_runtime::readers::PagingError>(())
/// ```
pub trait Pages {
    /// The type of the items on a page.
    type Item;
    /// The error of a page that cannot be read.
    type Error: Into<BoxError>;

    /// Returns the items of a page, counted from 0. An empty page ends the input.
    ///
    /// A page must have the same items in the same order in every execution; a restart in the middle of a
    /// page reads it again.
    ///
    /// # Errors
    /// If the page cannot be read. It is requested again when the reader is reopened or read again.
    fn read_page(&mut self, page: u64) -> Result<Vec<Self::Item>, Self::Error>;

    /// The number of items on every page but the last, if it is known. A shorter page then ends the input,
    /// and the empty page after it is not requested.
    fn page_size(&self) -> Option<usize> {
        None
    }

    /// Returns whether no page follows `page`, which was read last and has that number of items. An API that says
    /// so itself (`"has_more": false`) needs no empty page at the end.
    ///
    /// By default the last page is an empty one, or one that is shorter than [`page_size`](Self::page_size).
    fn is_last(&self, _page: u64, items: usize) -> bool {
        items == 0 || self.page_size().is_some_and(|size| items < size)
    }
}

/// Pages whose number is known, and which can therefore be read in parts.
pub trait CountedPages: Pages {
    /// Returns the number of pages.
    ///
    /// # Errors
    /// If the number has to be requested and the request fails.
    fn count(&mut self) -> Result<u64, Self::Error>;
}

/// Reads an input page by page.
///
/// The position is the page and the index in it. Errors of a page are not stepped over
/// ([`steps_over`](Reader::steps_over)): the position stays before that page.
/// [`prefetch`](super::ReaderExt::prefetch) reads the next pages while the items of the current page are processed.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::PagingReader;
///
/// // 351 pages of two items each.
/// let request = |page: u64| Ok::<_, std::io::Error>(vec![2 * page, 2 * page + 1]);
/// let open = || PagingReader::from_fn(request).pages(351);
///
/// let parts = open().split(10)?;
/// let mut last = open();
/// last.narrow(parts.into_iter().last().unwrap())?;
/// assert_eq!(last.progress(), Some(Progress { done: 0, total: 36 }));
/// assert_eq!(last.read()?, Some(630));
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
pub struct PagingReader<P: Pages> {
    pub(super) pages: P,
    page: u64,
    /// The index of the next item on the page.
    index: u64,
    /// The remaining items of the page that was read, and their original number.
    items: Option<(IntoIter<P::Item>, usize)>,
    /// The pages to read; the end may be unknown.
    range: Range<u64>,
}

/// The position of a [`PagingReader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePosition {
    pub(super) page: u64,
    /// The number of items read from the page.
    pub(super) index: u64,
}

/// A range of the pages of a [`PagingReader`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePart {
    pub(super) first: u64,
    /// The page after the last.
    pub(super) end: u64,
}

impl PagePart {
    /// Splits this many pages into about equal parts.
    pub(super) fn all(count: u64, parts: usize) -> Vec<Self> {
        let begins: Vec<u64> = evenly(count, parts).collect();
        let ends = begins.iter().skip(1).chain([&count]);
        begins.iter().zip(ends).map(|(&first, &end)| Self { first, end }).collect()
    }
}

/// The error of a page that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagingError {
    /// [`Pages::read_page`] returned an error.
    #[error("page {page}: {source}")]
    Page {
        /// The page, from 0.
        page: u64,
        /// The error of [`Pages::read_page`].
        source: BoxError,
    },
    /// The page has fewer items than an earlier execution read and committed.
    #[error(
        "page {page} has {read} items, but {committed} were committed in an earlier execution; \
         the pages must stay the same until the job is complete; restore them, or start a new instance (`--next`)"
    )]
    Shrunk {
        /// The page, from 0.
        page: u64,
        /// The number of its items now.
        read: u64,
        /// The number of its items that were committed.
        committed: u64,
    },
}

/// Reads pages with a closure; [`PagingReader::from_fn`] creates it.
#[derive(Debug, Clone)]
pub struct PagesFn<F>(F);

impl<T, E: Into<BoxError>, F: FnMut(u64) -> Result<Vec<T>, E>> Pages for PagesFn<F> {
    type Item = T;
    type Error = E;

    fn read_page(&mut self, page: u64) -> Result<Vec<T>, E> {
        (self.0)(page)
    }
}

/// A given number of pages; [`PagingReader::pages`] creates it.
#[derive(Debug, Clone)]
pub struct Counted<P> {
    pages: P,
    count: u64,
}

impl<P: Pages> Pages for Counted<P> {
    type Item = P::Item;
    type Error = P::Error;

    fn read_page(&mut self, page: u64) -> Result<Vec<P::Item>, P::Error> {
        self.pages.read_page(page)
    }

    fn page_size(&self) -> Option<usize> {
        self.pages.page_size()
    }

    fn is_last(&self, page: u64, items: usize) -> bool {
        self.pages.is_last(page, items)
    }
}

impl<P: Pages> CountedPages for Counted<P> {
    fn count(&mut self) -> Result<u64, P::Error> {
        Ok(self.count)
    }
}

impl<T, E, F> PagingReader<PagesFn<F>>
where
    E: Into<BoxError>,
    F: FnMut(u64) -> Result<Vec<T>, E>,
{
    /// Creates a reader of the pages that a closure reads, from page 0 to the first empty one.
    pub fn from_fn(read_page: F) -> Self {
        Self::new(PagesFn(read_page))
    }
}

impl<P: Pages> PagingReader<P> {
    /// Creates a reader of these pages, from page 0 to the first empty one.
    pub fn new(pages: P) -> Self {
        Self { pages, page: 0, index: 0, items: None, range: 0..u64::MAX }
    }

    /// Sets the number of pages: no page after them is read, and the reader can be split.
    pub fn pages(self, count: u64) -> PagingReader<Counted<P>> {
        let Self { pages, page, index, items, .. } = self;
        PagingReader { pages: Counted { pages, count }, page, index, items, range: 0..count }
    }

    /// Requests the number of pages up front, for the progress bar.
    ///
    /// # Errors
    /// If the number cannot be determined.
    pub fn counted(mut self) -> Result<Self, P::Error>
    where
        P: CountedPages,
    {
        self.range.end = self.pages.count()?;
        Ok(self)
    }

    /// Reads only the pages of that part.
    pub(super) fn limit_to(&mut self, part: &PagePart) {
        self.range = part.first..part.end;
        (self.page, self.index, self.items) = (part.first, 0, None);
    }

    /// Reads the page with the next item.
    fn next_page(&mut self) -> Result<(), PagingError> {
        let page = self.page;
        let items =
            self.pages.read_page(page).map_err(|source| PagingError::Page { page, source: source.into() })?;
        let read = items.len();
        let Some(read_before) = usize::try_from(self.index).ok().filter(|index| *index <= read) else {
            return Err(PagingError::Shrunk { page, read: read as u64, committed: self.index });
        };
        let mut items = items.into_iter();
        items.by_ref().take(read_before).for_each(drop);
        self.items = Some((items, read));
        Ok(())
    }
}

impl<P: Pages> Reader for PagingReader<P> {
    type Item = P::Item;
    type Position = PagePosition;
    type Error = PagingError;

    #[inline]
    fn read(&mut self) -> Result<Option<P::Item>, PagingError> {
        loop {
            if self.items.is_none() {
                if self.page >= self.range.end {
                    return Ok(None);
                }
                self.next_page()?;
            }
            let Some((items, size)) = &mut self.items else { return Ok(None) };
            let size = *size;
            let item = items.next();
            let at_its_end = items.len() == 0;
            self.index += u64::from(item.is_some());
            if at_its_end && !self.pages.is_last(self.page, size) {
                // A restart should not have to read an exhausted page again.
                (self.page, self.index, self.items) = (self.page + 1, 0, None);
            }
            if item.is_some() || self.items.is_some() {
                return Ok(item);
            }
        }
    }

    fn position(&self) -> PagePosition {
        PagePosition { page: self.page, index: self.index }
    }

    fn resume(&mut self, position: PagePosition) -> Result<(), PagingError> {
        (self.page, self.index, self.items) = (position.page, position.index, None);
        Ok(())
    }

    fn steps_over(&self, _error: &PagingError) -> bool {
        false
    }

    /// Counted in pages, if their number is known.
    fn progress(&self) -> Option<Progress> {
        let Range { start, end } = self.range;
        (end != u64::MAX).then(|| Progress { done: self.page.clamp(start, end) - start, total: end - start })
    }

    fn location(&self) -> Option<String> {
        Some(match (self.index, self.page) {
            (0, 0) => "page 0".to_owned(),
            (0, page) => format!("the last item of page {}", page - 1),
            (index, page) => format!("page {page}, item {index}"),
        })
    }
}

/// Splits by ranges of pages. The number of pages is requested once: pages that are added later are not read.
impl<P: CountedPages> Splittable for PagingReader<P> {
    type Part = PagePart;

    fn split(&mut self, parts: usize) -> Result<Vec<PagePart>, BoxError> {
        let count = self.pages.count().map_err(Into::into)?;
        Ok(PagePart::all(count, parts))
    }

    fn narrow(&mut self, part: PagePart) -> Result<(), BoxError> {
        self.limit_to(&part);
        Ok(())
    }
}

impl<P: Pages + fmt::Debug> fmt::Debug for PagingReader<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagingReader")
            .field("pages", &self.pages)
            .field("position", &self.position())
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}
