//! How an API names its pages. One module per style.

mod after;
mod counted;
mod cursor;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::message::Answer;
use super::page::{Broken, Document};

pub use after::{After, after};
pub use counted::{NoTotal, Numbered, Offset, Total, numbered, offset};
pub use cursor::{Links, Token, link_header, next_link, token};

/// A way in which an API names its pages: [`Numbered`], [`Offset`], [`Token`], [`Links`] or [`After`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how pages of `{T}` are named",
    label = "no way to name the pages",
    note = "use `numbered`, `offset`, `token`, `next_link`, `link_header` or `after` of `batch_runtime::readers::http`"
)]
pub trait PageStyle<T>: Style<T> {}

impl<T, S: Style<T>> PageStyle<T> for S {}

/// A style whose pages are counted, so that they can be read in parts.
#[diagnostic::on_unimplemented(
    message = "pages named by `{Self}` cannot be read in parts",
    label = "the number of pages is not known",
    note = "pages can be split if they are `numbered` or named by an `offset`, and if `.total(..)` says how many items there are;\na token, a link or a key is known only after the previous page has been read"
)]
pub trait CountedStyle<T>: PageStyle<T> + Countable {}

impl<T, S: PageStyle<T> + Countable> CountedStyle<T> for S {}

/// The request for a page.
pub enum Ask {
    /// The request with these parameters added.
    Query(Vec<(String, String)>),
    /// The address of a link, as it is kept in a position.
    Link(String),
}

/// The information about a page in its response.
pub struct Learned<'a> {
    pub(super) page: u64,
    /// The number of items on the page.
    pub(super) items: u64,
    pub(super) document: &'a Document<'a>,
    /// A link as it is kept in a position.
    pub(super) kept: &'a dyn Fn(&Answer, &str) -> Result<String, String>,
}

/// How a reader of pages finds the next page. It is private in effect: the traits that name it are sealed.
pub trait Style<T> {
    /// The name in [`kind`](crate::Reader::kind).
    const NAME: &'static str;
    /// True if a page begins after a key, so that none of its items was read before.
    const IS_BY_KEY: bool = false;

    /// The mistake in the options, if there is one.
    fn mistake(&self) -> Option<String>;

    /// The request for a page, counted from 0.
    fn ask(&self, page: u64) -> Ask;

    /// Learns from the answer. It is called once per page, unless the answer is refused.
    fn learn(&mut self, learned: &Learned<'_>) -> Result<(), Broken>;

    /// Returns whether no page follows this one, which was read last and has that number of items.
    fn is_last(&self, page: u64, items: u64) -> bool;

    /// The number of pages, where it is known.
    fn pages(&self) -> Option<u64> {
        None
    }

    /// How many items of a page belong to the input, where that is known: the items after them were added later.
    fn most(&self, _page: u64) -> Option<u64> {
        None
    }

    /// The number of items on a page, if pages with another number of items would begin elsewhere.
    fn size(&self) -> Option<u64> {
        None
    }

    /// How many items at the beginning of a page were already reported: the request could not leave them out.
    fn pass_over(&mut self, _items: &[Box<RawValue>]) -> Result<usize, String> {
        Ok(0)
    }

    /// Called with every item, in order: with `None` if the item does not fit the type.
    fn took(&mut self, _raw: &RawValue, _item: Option<&T>) -> Result<(), String> {
        Ok(())
    }

    /// Completes a position, in which the reader has already filled in the page.
    fn place(&self, position: HttpPosition) -> HttpPosition;

    /// Goes to a position, which a reader of the same style returned.
    fn go_to(&mut self, position: &HttpPosition);
}

/// A style with a known number of pages.
pub trait Countable {
    /// The number of pages; `None` until an answer states it.
    fn count(&self) -> Option<u64>;
    /// The total as the API states it.
    fn total(&self) -> Option<u64>;
    /// Sets the total that an earlier request has found.
    fn expect(&mut self, total: u64);
}

/// The position of an [`HttpPages`](super::HttpPages).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPosition {
    /// The page, from 0.
    pub(super) page: u64,
    /// The number of items read from it.
    pub(super) index: u64,
    /// The hash of those items.
    pub(super) hash: u64,
    /// The number of items on a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// The total in the first response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// The token or link of the page, or the last key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

impl fmt::Debug for Learned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learned").field("page", &self.page).finish_non_exhaustive()
    }
}

/// The mistake in a JSON pointer, if there is one.
fn bad_pointer(pointer: &str) -> Option<String> {
    let is_fine = pointer.is_empty() || pointer.starts_with('/');
    (!is_fine).then(|| {
        format!("`{pointer}` is not a JSON pointer: a pointer begins with a slash, as in `/result/list`")
    })
}
