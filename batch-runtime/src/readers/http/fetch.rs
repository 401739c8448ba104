//! Fetches pages as the JSON texts of their items, and refuses a page that has changed or that repeats the previous
//! page.

use std::marker::PhantomData;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::client::HttpGet;
use super::error::HttpError;
use super::page::{Document, NOTHING, hashed, hashed_all};
use super::send::Target;
use super::styles::{Ask, HttpPosition, Learned, PageStyle};
use crate::definition::StopSignal;
use crate::readers::Pages;

/// The pages of a request, as the JSON texts of their items; the reader of these texts decides what an item is.
pub(super) struct Fetch<T, S> {
    get: HttpGet,
    pub(super) style: S,
    pub(super) stop: StopSignal,
    pub(super) may_repeat: bool,
    /// The request of the page that was read last.
    pub(super) shown: Arc<str>,
    /// The number of items taken from that page, and their hash.
    pub(super) taken: u64,
    pub(super) hash: u64,
    resumed: Option<Resumed>,
    /// The page that was read last.
    last: Option<Last>,
    item: PhantomData<fn() -> T>,
}

/// The page in which an earlier execution stopped, the number of items that the execution read from it, and their hash.
#[derive(Clone, Copy)]
struct Resumed {
    page: u64,
    index: u64,
    hash: u64,
}

/// The page that was read last, the hash of its items, and how many pages right before it had the same items.
#[derive(Clone, Copy)]
struct Last {
    page: u64,
    hash: u64,
    alike: u32,
}

/// How many pages in a row may have the same items, if the items are not objects.
const MOST_ALIKE: u32 = 10;

impl<T, S: PageStyle<T>> Fetch<T, S> {
    pub(super) fn new(get: HttpGet, style: S) -> Self {
        let shown = get.target(&[]).map_or_else(|_| Arc::from("GET"), |target| target.shown);
        Self {
            get,
            style,
            stop: StopSignal::new(),
            may_repeat: false,
            shown,
            taken: 0,
            hash: NOTHING,
            resumed: None,
            last: None,
            item: PhantomData,
        }
    }

    pub(super) fn take(&mut self, item: &RawValue) {
        self.taken += 1;
        self.hash = hashed(self.hash, item);
    }

    /// The text with its secrets masked.
    pub(super) fn masked(&self, text: &str) -> String {
        self.get.http.secrets.mask(text)
    }

    /// Goes to a position, and returns the number of items that were already read from its page.
    pub(super) fn go_to(&mut self, position: &HttpPosition) -> Result<u64, HttpError> {
        self.fits(position.size)?;
        self.style.go_to(position);
        let HttpPosition { page, index, hash, .. } = *position;
        let index = if S::IS_BY_KEY { 0 } else { index };
        (self.taken, self.hash) = (index, hash);
        self.resumed = (index > 0).then_some(Resumed { page, index, hash });
        Ok(index)
    }

    /// Refuses a position or a part that counts in pages of another size, because its page now begins elsewhere.
    pub(super) fn fits(&self, size: Option<u64>) -> Result<(), HttpError> {
        match (size, self.style.size()) {
            (Some(before), Some(now)) if before != now => Err(self.get.options(&format!(
                "an earlier execution read pages of {before} items, but a page now has {now}: set the size back until the job is complete, or start a new instance (`--next`)"
            ))),
            _ => Ok(()),
        }
    }

    /// The mistake in the options, if there is one.
    fn mistake(&self) -> Option<String> {
        let items = &self.get.items;
        let is_fine = items.is_empty() || items.starts_with('/');
        let bad = (!is_fine).then(|| {
            format!("`{items}` is not a JSON pointer: a pointer begins with a slash, as in `/result/list`")
        });
        bad.or_else(|| self.style.mistake())
    }

    fn target(&self, page: u64) -> Result<Target, HttpError> {
        match self.style.ask(page) {
            Ask::Query(parameters) => self.get.target(&parameters),
            Ask::Link(link) => self.get.linked(&link),
        }
    }

    /// Requests a page, and returns the texts of its items.
    fn fetch(&mut self, page: u64) -> Result<Vec<Box<RawValue>>, HttpError> {
        if let Some(mistake) = self.mistake() {
            return Err(self.get.options(&mistake));
        }
        let target = self.target(page)?;
        let Self { get, style, stop, .. } = self;
        let kept = |answer: &_, link: &str| get.kept(answer, link);
        let fetched = get.fetch(&target, stop, |answer| {
            let document = Document::parse(answer, &get.http.secrets)?;
            let items = document.items(&get.items)?;
            style.learn(&Learned { page, items: items.len() as u64, document: &document, kept: &kept })?;
            Ok(items)
        })?;
        self.shown = target.shown;
        Ok(fetched)
    }

    /// Refuses a page that does not begin with the items that an earlier execution read.
    fn check_resumed(&mut self, resumed: Resumed, items: &[Box<RawValue>]) -> Result<(), HttpError> {
        let Resumed { index, hash, .. } = resumed;
        let read = usize::try_from(index).ok().and_then(|index| items.get(..index));
        let problem = match read {
            Some(read) if hashed_all(read) == hash => {
                (self.taken, self.hash) = (index, hash);
                return Ok(());
            }
            Some(_) => {
                format!("the first {index} items of the page are not those that an earlier execution read")
            }
            None => format!("the page has {} items, but an earlier execution read {index}", items.len()),
        };
        self.resumed = Some(resumed);
        let problem = format!(
            "{problem}: the pages must stay the same until the job is complete; start a new instance (`--next`), or use `after`, which allows changes"
        );
        Err(HttpError::Changed { request: Arc::clone(&self.shown), problem: problem.into() })
    }

    /// Refuses a page with the same items as the previous page: the server probably ignores the number of the page.
    /// Items that are not objects have no identity, so a few equal pages of them are allowed.
    fn check_repeated(&mut self, page: u64, items: &[Box<RawValue>]) -> Result<(), HttpError> {
        let hash = hashed_all(items);
        let same = self.last.filter(|last| last.page + 1 == page && last.hash == hash && !items.is_empty());
        let alike = same.map_or(0, |last| last.alike + 1);
        let is_of_objects = items.first().is_some_and(|item| item.get().starts_with('{'));
        if self.may_repeat || alike < if is_of_objects { 1 } else { MOST_ALIKE } {
            self.last = Some(Last { page, hash, alike });
            return Ok(());
        }
        let problem = "the page has the same items as the previous page: the server may not know the parameter that names the page; if pages may be equal, allow that with `may_repeat()`";
        Err(HttpError::Page { request: Arc::clone(&self.shown), problem: problem.into() })
    }
}

impl<T, S: PageStyle<T>> Pages for Fetch<T, S> {
    type Item = Box<RawValue>;
    type Error = HttpError;

    fn read_page(&mut self, page: u64) -> Result<Vec<Box<RawValue>>, HttpError> {
        let mut items = self.fetch(page)?;
        if let Some(most) = self.style.most(page).and_then(|most| usize::try_from(most).ok()) {
            items.truncate(most);
        }
        // These items do not fit the type, and have already been reported.
        let over = self.style.pass_over(&items).map_err(|problem| self.broken(&problem))?;
        items.drain(..over);
        if let Some(resumed) = self.resumed.take_if(|resumed| resumed.page == page) {
            self.check_resumed(resumed, &items)?;
        } else {
            (self.taken, self.hash) = (over as u64, NOTHING);
        }
        self.check_repeated(page, &items)?;
        Ok(items)
    }

    fn is_last(&self, page: u64, items: usize) -> bool {
        self.style.is_last(page, items as u64)
    }
}

impl<T, S: PageStyle<T>> Fetch<T, S> {
    /// Requests the first page, to learn what it says about all pages.
    pub(super) fn look(&mut self) -> Result<(), HttpError> {
        self.fetch(0).map(drop)
    }

    pub(super) fn broken(&self, problem: &str) -> HttpError {
        HttpError::Page { request: Arc::clone(&self.shown), problem: self.masked(problem).into() }
    }
}
