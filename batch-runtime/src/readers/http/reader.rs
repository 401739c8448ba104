//! [`HttpPages`], the reader, which deserializes the items of the pages.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::HttpGet;
use super::error::HttpError;
use super::fetch::Fetch;
use super::field;
use super::styles::{CountedStyle, HttpPosition, Numbered, PageStyle};
use crate::definition::{BoxError, Deserializes, Progress, Reader, Splittable, StopSignal};
use crate::readers::json_item;
use crate::readers::json_text::Short;
use crate::readers::paging::{PagePart, PagePosition};
use crate::readers::{PagingError, PagingReader};

/// Reads the items of pages that an HTTP API sends as JSON. [`HttpGet::pages`] creates it; the
/// [module](super) shows it.
///
/// `S` is the way in which pages are named: [`Numbered`] and [`Offset`](super::Offset) with a total can be split, so that
/// a step may have `partitions`; `Numbered<NoTotal>`, [`Token`](super::Token), [`Links`](super::Links) and
/// [`After`](super::After) cannot.
///
/// The position is the page and the number of items read from it, with a hash of these items; for `after`, it is the
/// last key. A restart requests the page again, and is refused if the page no longer begins with these items.
///
/// A step can skip an item that does not fit the type ([`HttpError::is_about_an_item`]), but not a page that cannot be
/// read.
pub struct HttpPages<T, S: PageStyle<T> = Numbered> {
    paging: PagingReader<Fetch<T, S>>,
    /// The item that the last error is about.
    record: Option<Box<RawValue>>,
}

/// A range of the pages of an [`HttpPages`], their size, and the total that the API stated when they were split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPart {
    first: u64,
    /// The page after the last.
    end: u64,
    /// The number of items on a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    total: Option<u64>,
}

impl<T, S: PageStyle<T>> HttpPages<T, S> {
    pub(super) fn new(get: HttpGet, style: S) -> Self {
        Self { paging: PagingReader::new(Fetch::new(get, style)), record: None }
    }

    /// Allows a page to have the same items as the previous page. Without this, such a page is an error,
    /// because a server that does not know the parameter for the page sends the first page again and again.
    #[must_use]
    pub fn may_repeat(mut self) -> Self {
        self.paging.pages.may_repeat = true;
        self
    }

    fn unfit(&mut self, raw: Box<RawValue>, error: &serde_json::Error) -> HttpError {
        let fetch = &self.paging.pages;
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = message.strip_suffix(&place).unwrap_or(&message);
        let error = HttpError::Item {
            request: Arc::clone(&fetch.shown),
            item: fetch.taken,
            field: field::path(raw.get(), error.line(), error.column()),
            problem: fetch.masked(&Short(problem).to_string()).into(),
        };
        self.record = Some(raw);
        error
    }
}

/// Unwraps the error of the page from the error of the paging reader.
fn of_page(error: PagingError) -> HttpError {
    let (page, source) = match error {
        PagingError::Page { page, source } => (page, source),
        shrunk @ PagingError::Shrunk { page, .. } => (page, shrunk.into()),
    };
    match source.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(other) => {
            HttpError::Changed { request: format!("page {page}").into(), problem: other.to_string().into() }
        }
    }
}

impl<T: Deserializes, S: PageStyle<T>> Reader for HttpPages<T, S> {
    type Item = T;
    type Position = HttpPosition;
    type Error = HttpError;

    fn kind() -> String {
        format!("HttpPages<{}>", S::NAME)
    }

    fn read(&mut self) -> Result<Option<T>, HttpError> {
        self.record = None;
        let Some(raw) = self.paging.read().map_err(of_page)? else { return Ok(None) };
        self.paging.pages.take(&raw);
        let item = json_item::from_str(raw.get());
        let took = self.paging.pages.style.took(&raw, item.as_ref().ok());
        match item {
            Err(error) => Err(self.unfit(raw, &error)),
            Ok(item) => took.map(|()| Some(item)).map_err(|problem| self.paging.pages.broken(&problem)),
        }
    }

    fn steps_over(&self, error: &HttpError) -> bool {
        error.is_about_an_item()
    }

    fn record(&self, _: &HttpError) -> Option<String> {
        self.record.as_ref().map(|raw| raw.get().to_owned())
    }

    fn position(&self) -> HttpPosition {
        let PagePosition { page, index } = self.paging.position();
        let fetch = &self.paging.pages;
        let hash = if index == 0 { 0 } else { fetch.hash };
        fetch.style.place(HttpPosition { page, index, hash, ..HttpPosition::default() })
    }

    fn resume(&mut self, position: HttpPosition) -> Result<(), HttpError> {
        let index = self.paging.pages.go_to(&position)?;
        self.paging.resume(PagePosition { page: position.page, index }).map_err(of_page)
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.paging.pages.stop = stop.clone();
    }

    /// Counted in pages, if their number is known.
    fn progress(&self) -> Option<Progress> {
        let total = self.paging.pages.style.pages();
        let whole = || total.map(|total| Progress { done: self.paging.position().page.min(total), total });
        self.paging.progress().or_else(whole)
    }

    fn location(&self) -> Option<String> {
        let fetch = &self.paging.pages;
        Some(match fetch.taken {
            0 => fetch.shown.to_string(),
            item => format!("{}, item {item}", fetch.shown),
        })
    }
}

/// Splits by ranges of pages. The total is requested once, and every part compares its responses with it.
impl<T: Deserializes, S: CountedStyle<T>> Splittable for HttpPages<T, S> {
    type Part = HttpPart;

    fn split(&mut self, parts: usize) -> Result<Vec<HttpPart>, BoxError> {
        let fetch = &mut self.paging.pages;
        fetch.look()?;
        let (size, total) = (fetch.style.size(), fetch.style.total());
        let count = fetch.style.count().unwrap_or_default();
        Ok(PagePart::all(count, parts)
            .into_iter()
            .map(|PagePart { first, end }| HttpPart { first, end, size, total })
            .collect())
    }

    fn narrow(&mut self, part: HttpPart) -> Result<(), BoxError> {
        self.paging.pages.fits(part.size)?;
        if let Some(total) = part.total {
            self.paging.pages.style.expect(total);
        }
        self.paging.limit_to(&PagePart { first: part.first, end: part.end });
        Ok(())
    }
}

impl<T, S: PageStyle<T>> fmt::Debug for HttpPages<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPages").field("last", &self.paging.pages.shown).finish_non_exhaustive()
    }
}
