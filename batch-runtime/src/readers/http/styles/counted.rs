//! Pages that are requested by number or by offset.

use std::marker::PhantomData;

use super::super::page::Broken;
use super::{Ask, Countable, HttpPosition, Learned, Style, bad_pointer};

/// Pages with numbers: `?page=0`, `?page=1` and so on.
///
/// Pages are counted from 0 unless [`from`](Numbered::from) says otherwise. Without a [`total`](Numbered::total), the
/// first empty page ends the input.
///
/// ```
/// use batch_runtime::readers::http::numbered;
///
/// let pages = numbered("curPage").size("itemPerPage", 100).from(1).total("/result/totCnt");
/// ```
#[must_use]
pub fn numbered(name: impl Into<String>) -> Numbered<NoTotal> {
    Numbered { pages: Pages::new(name.into(), false), total: PhantomData }
}

/// Pages with offsets: each request states the number of items before the page, `?start=0&limit=100`,
/// `?start=100&limit=100` and so on. A page has 100 items unless [`size`](Offset::size) says otherwise.
///
/// ```
/// use batch_runtime::readers::http::offset;
///
/// let pages = offset("start", "limit").size(50).total("/total");
/// ```
#[must_use]
pub fn offset(start: impl Into<String>, limit: impl Into<String>) -> Offset<NoTotal> {
    let mut pages = Pages::new(start.into(), true);
    (pages.size_name, pages.size) = (Some(limit.into()), Some(100));
    Offset { pages, total: PhantomData }
}

/// Pages with numbers; [`numbered`] creates it. `C` is [`Total`] if the number of items is known.
#[derive(Debug, Clone)]
pub struct Numbered<C = Total> {
    pages: Pages,
    total: PhantomData<C>,
}

/// Pages with offsets; [`offset`] creates it. `C` is [`Total`] if the number of items is known.
#[derive(Debug, Clone)]
pub struct Offset<C = Total> {
    pages: Pages,
    total: PhantomData<C>,
}

/// The API says how many items there are, so the pages can be read in parts.
#[derive(Debug, Clone, Copy)]
pub enum Total {}

/// The API does not say how many items there are.
#[derive(Debug, Clone, Copy)]
pub enum NoTotal {}

#[derive(Debug, Clone)]
struct Pages {
    name: String,
    /// The number of the first page, or the offset of its first item.
    first: u64,
    is_offset: bool,
    size_name: Option<String>,
    size: Option<u64>,
    total_at: Option<TotalAt>,
    may_grow: bool,
    /// The total in the first response.
    total: Option<u64>,
    /// The last page that had fewer items than were asked for.
    short: Option<u64>,
}

#[derive(Debug, Clone)]
enum TotalAt {
    Items(String),
    Pages(String),
    Header(String),
}

impl Numbered<NoTotal> {
    /// Asks for pages of this size, with a parameter of this name.
    #[must_use]
    pub fn size(mut self, name: impl Into<String>, items: u32) -> Self {
        (self.pages.size_name, self.pages.size) = (Some(name.into()), Some(items.into()));
        self
    }

    /// Sets the size of the pages, for an API that always sends pages of this size.
    #[must_use]
    pub fn size_is(mut self, items: u32) -> Self {
        (self.pages.size_name, self.pages.size) = (None, Some(items.into()));
        self
    }

    /// Sets the number of the first page; 0 by default.
    #[must_use]
    pub fn from(mut self, first: u64) -> Self {
        self.pages.first = first;
        self
    }

    /// Sets the place of the total number of items in a response, as a JSON pointer. The pages can then be split into parts,
    /// and a total that changes before the last page is read is an error.
    #[must_use]
    pub fn total(self, pointer: impl Into<String>) -> Numbered<Total> {
        self.counted(TotalAt::Items(pointer.into()))
    }

    /// Like [`total`](Self::total), for an API that states the number of pages.
    #[must_use]
    pub fn total_pages(self, pointer: impl Into<String>) -> Numbered<Total> {
        self.counted(TotalAt::Pages(pointer.into()))
    }

    /// Like [`total`](Self::total), for an API that states the total in a header: `X-Total-Count`.
    #[must_use]
    pub fn total_header(self, name: impl Into<String>) -> Numbered<Total> {
        self.counted(TotalAt::Header(name.into()))
    }

    fn counted(mut self, at: TotalAt) -> Numbered<Total> {
        self.pages.total_at = Some(at);
        Numbered { pages: self.pages, total: PhantomData }
    }
}

impl Numbered<Total> {
    /// Allows the total to grow while the pages are read, for an API that appends at the end. Items added after the first
    /// response are not read.
    #[must_use]
    pub fn may_grow(mut self) -> Self {
        self.pages.may_grow = true;
        self
    }
}

impl Offset<NoTotal> {
    /// Sets the number of items on a page; 100 by default.
    #[must_use]
    pub fn size(mut self, items: u32) -> Self {
        self.pages.size = Some(items.into());
        self
    }

    /// Sets the offset of the first item; 0 by default.
    #[must_use]
    pub fn from(mut self, first: u64) -> Self {
        self.pages.first = first;
        self
    }

    /// Sets the place of the total number of items in a response, as a JSON pointer. The pages can then be split into parts,
    /// and a total that changes before the last page is read is an error.
    #[must_use]
    pub fn total(mut self, pointer: impl Into<String>) -> Offset<Total> {
        self.pages.total_at = Some(TotalAt::Items(pointer.into()));
        Offset { pages: self.pages, total: PhantomData }
    }

    /// Like [`total`](Self::total), for an API that states the total in a header: `X-Total-Count`.
    #[must_use]
    pub fn total_header(mut self, name: impl Into<String>) -> Offset<Total> {
        self.pages.total_at = Some(TotalAt::Header(name.into()));
        Offset { pages: self.pages, total: PhantomData }
    }
}

impl Offset<Total> {
    /// Allows the total to grow while the pages are read, for an API that appends at the end. Items added after the first
    /// response are not read.
    #[must_use]
    pub fn may_grow(mut self) -> Self {
        self.pages.may_grow = true;
        self
    }
}

impl Pages {
    fn new(name: String, is_offset: bool) -> Self {
        Self {
            name,
            first: 0,
            is_offset,
            size_name: None,
            size: None,
            total_at: None,
            may_grow: false,
            total: None,
            short: None,
        }
    }

    fn mistake(&self) -> Option<String> {
        if self.size == Some(0) {
            return Some("a page of 0 items can never be the last: ask for at least one".to_owned());
        }
        match &self.total_at {
            Some(TotalAt::Items(_) | TotalAt::Header(_)) if self.size.is_none() => Some(
                "`total` needs the number of items on a page: `.size(\"itemPerPage\", 100)`, or `.size_is(20)` if it cannot be chosen".to_owned(),
            ),
            Some(TotalAt::Items(pointer) | TotalAt::Pages(pointer)) => bad_pointer(pointer),
            _ => None,
        }
    }

    fn ask(&self, page: u64) -> Ask {
        let number = if self.is_offset { page.saturating_mul(self.size.unwrap_or(1)) } else { page };
        let mut query = vec![(self.name.clone(), self.first.saturating_add(number).to_string())];
        if let (Some(name), Some(size)) = (&self.size_name, self.size) {
            query.push((name.clone(), size.to_string()));
        }
        Ask::Query(query)
    }

    /// The number of items that a page should have, according to the total.
    fn expected(&self, page: u64) -> Option<u64> {
        let size = self.size?;
        match (&self.total_at, self.total?) {
            (Some(TotalAt::Pages(_)), pages) => (page.saturating_add(1) < pages).then_some(size),
            (_, items) => Some(items.saturating_sub(page.saturating_mul(size)).min(size)),
        }
    }

    fn learn(&mut self, learned: &Learned<'_>) -> Result<(), Broken> {
        let Learned { page, items, document, .. } = learned;
        let (page, items) = (*page, *items);
        let now = match &self.total_at {
            None => None,
            Some(TotalAt::Items(pointer) | TotalAt::Pages(pointer)) => Some(document.number(pointer)?),
            Some(TotalAt::Header(name)) => {
                let total = document.headers(name).next().and_then(|total| total.parse().ok());
                Some(total.ok_or_else(|| {
                    Broken::Bad(format!("the response has no total in its header `{name}`"))
                })?)
            }
        };
        match (self.total, now) {
            (Some(before), Some(now)) if now != before && !(self.may_grow && now > before) => {
                return Err(Broken::Changed(format!(
                    "the total was {before} and is now {now}: the pages have changed while they were being read, so items may be missing or duplicated; start a new instance (`--next`){}",
                    if now > before {
                        ", or allow it with `may_grow()` if items are only added at the end"
                    } else {
                        ""
                    }
                )));
            }
            (None, Some(now)) => self.total = Some(now),
            _ => {}
        }
        if let Some(size) = self.size.filter(|size| items > *size) {
            return Err(Broken::Bad(format!(
                "the page has {items} items, but {size} were expected: does the server take the size of a page by another name?"
            )));
        }
        if let Some(expected) = self.expected(page)
            // The last page may have grown.
            && (items < expected || items > expected && !self.may_grow)
        {
            return Err(Broken::Bad(format!(
                "the page has {items} items, but the total says {expected}: the server may send smaller pages than it is asked for, or the pages have changed"
            )));
        }
        if self.is_offset && self.total_at.is_none() {
            if items > 0 && self.short.is_some_and(|short| short.checked_add(1) == Some(page)) {
                return Err(Broken::Bad(
                    "the previous page had fewer items than were asked for, but more items follow: the server sends smaller pages; ask for that size with `.size(..)`".to_owned(),
                ));
            }
            self.short = self.size.is_some_and(|size| items < size).then_some(page);
        }
        Ok(())
    }

    fn is_last(&self, page: u64, items: u64) -> bool {
        self.count().map_or(items == 0, |count| page.saturating_add(1) >= count)
    }

    fn count(&self) -> Option<u64> {
        match (&self.total_at, self.total?, self.size) {
            (Some(TotalAt::Pages(_)), pages, _) => Some(pages),
            (_, items, Some(size)) => Some(items.div_ceil(size)),
            _ => None,
        }
    }
}

macro_rules! counted {
    ($($style:ident)*) => {$(
        impl<T, C> Style<T> for $style<C> {
            const NAME: &'static str = stringify!($style);

            fn mistake(&self) -> Option<String> {
                self.pages.mistake()
            }

            fn ask(&self, page: u64) -> Ask {
                self.pages.ask(page)
            }

            fn learn(&mut self, learned: &Learned<'_>) -> Result<(), Broken> {
                self.pages.learn(learned)
            }

            fn is_last(&self, page: u64, items: u64) -> bool {
                self.pages.is_last(page, items)
            }

            fn pages(&self) -> Option<u64> {
                self.pages.count()
            }

            fn most(&self, page: u64) -> Option<u64> {
                self.pages.expected(page)
            }

            fn size(&self) -> Option<u64> {
                self.pages.size
            }

            fn place(&self, position: HttpPosition) -> HttpPosition {
                HttpPosition { size: self.pages.size, total: self.pages.total, ..position }
            }

            fn go_to(&mut self, position: &HttpPosition) {
                self.pages.total = position.total.or(self.pages.total);
            }
        }

        impl Countable for $style<Total> {
            fn count(&self) -> Option<u64> {
                self.pages.count()
            }

            fn total(&self) -> Option<u64> {
                self.pages.total
            }

            fn expect(&mut self, total: u64) {
                self.pages.total = Some(total);
            }
        }
    )*};
}

counted!(Numbered Offset);
