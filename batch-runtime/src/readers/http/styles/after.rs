//! Pages that are requested by the key after which they begin.

use std::collections::HashSet;
use std::fmt::{self, Display};

use serde_json::value::RawValue;

use super::super::page::{Broken, NOTHING, hashed, hashed_all};
use super::{Ask, HttpPosition, Learned, Style};
use crate::readers::hash;

/// Pages that begin after the key of the last item: `?since_id=1204`. The items are in the order of a unique key, and
/// the parameter means "greater than".
///
/// This is the only style that is safe while items come and go: every item that exists from the first request to the
/// last is read exactly once. An empty page ends the input.
///
/// ```
/// use batch_runtime::readers::http::after;
///
/// struct Company {
///     id: u64,
/// }
///
/// let pages = after("since_id", |company: &Company| company.id).size("limit", 100);
/// ```
#[must_use]
pub fn after<T, K: Display>(
    name: impl Into<String>,
    key: impl Fn(&T) -> K + Send + Sync + 'static,
) -> After<T> {
    After {
        name: name.into(),
        key: Box::new(move |item| key(item).to_string()),
        first: None,
        size: None,
        last: None,
        unfit: 0,
        hash: NOTHING,
        keys: HashSet::new(),
        before: HashSet::new(),
    }
}

/// Pages that begin after a key; [`after`] creates it.
pub struct After<T> {
    name: String,
    key: Box<dyn Fn(&T) -> String + Send + Sync>,
    first: Option<String>,
    size: Option<(String, u32)>,
    /// The key of the last item that has one.
    last: Option<String>,
    /// The number of items after that item that do not fit the type.
    unfit: u64,
    /// The hash of those items.
    hash: u64,
    /// The hashes of the keys of the page that is being read, and of the previous page. A server that sorts in another
    /// order, or does not know the parameter, sends one of these keys again.
    keys: HashSet<u64>,
    before: HashSet<u64>,
}

impl<T> After<T> {
    /// Asks for pages of this size, with a parameter of this name.
    #[must_use]
    pub fn size(mut self, name: impl Into<String>, items: u32) -> Self {
        self.size = Some((name.into(), items));
        self
    }

    /// Sets the key after which the first page begins. Without it, the first request has no such parameter.
    #[must_use]
    pub fn from(mut self, key: impl Display) -> Self {
        self.first = Some(key.to_string());
        self
    }
}

impl<T> Style<T> for After<T> {
    const NAME: &'static str = "After";
    const IS_BY_KEY: bool = true;

    fn mistake(&self) -> Option<String> {
        let is_zero = self.size.as_ref().is_some_and(|(_, size)| *size == 0);
        is_zero.then(|| "a page of 0 items has no last key: ask for at least one".to_owned())
    }

    fn ask(&self, _: u64) -> Ask {
        let key = self.last.as_ref().or(self.first.as_ref()).map(|key| (self.name.clone(), key.clone()));
        let size = self.size.as_ref().map(|(name, size)| (name.clone(), size.to_string()));
        Ask::Query(key.into_iter().chain(size).collect())
    }

    fn learn(&mut self, _: &Learned<'_>) -> Result<(), Broken> {
        self.before = std::mem::take(&mut self.keys);
        Ok(())
    }

    fn is_last(&self, _: u64, items: u64) -> bool {
        items == 0
    }

    fn pass_over(&mut self, items: &[Box<RawValue>]) -> Result<usize, String> {
        let unfit = usize::try_from(self.unfit).ok().and_then(|unfit| items.get(..unfit));
        let Some(unfit) = unfit.filter(|unfit| hashed_all(unfit) == self.hash) else {
            // An item that did not fit has changed or is gone. Report the others twice rather than lose an item.
            (self.unfit, self.hash) = (0, NOTHING);
            return Ok(0);
        };
        let is_end = self.size.as_ref().is_some_and(|(_, size)| (items.len() as u64) < u64::from(*size));
        if !unfit.is_empty() && unfit.len() == items.len() && !is_end {
            return Err(format!(
                "none of the {} items of the page fits the type, so no key is known after which the next page could begin; ask for larger pages with `.size(..)`",
                items.len()
            ));
        }
        Ok(unfit.len())
    }

    fn took(&mut self, raw: &RawValue, item: Option<&T>) -> Result<(), String> {
        let Some(item) = item else {
            (self.unfit, self.hash) = (self.unfit + 1, hashed(self.hash, raw));
            return Ok(());
        };
        let key = (self.key)(item);
        let hash = hash(key.as_bytes());
        let is_last = self.last.as_ref().or(self.first.as_ref()) == Some(&key);
        if is_last || self.before.contains(&hash) || !self.keys.insert(hash) {
            return Err(format!(
                "the key `{key}` occurs twice, so no page can begin after it: it has to be unique, the items have to be in its order, and `{}` has to mean \"greater than\"",
                self.name
            ));
        }
        (self.last, self.unfit, self.hash) = (Some(key), 0, NOTHING);
        Ok(())
    }

    fn place(&self, _: HttpPosition) -> HttpPosition {
        let hash = if self.unfit == 0 { 0 } else { self.hash };
        HttpPosition { index: self.unfit, hash, at: self.last.clone(), ..HttpPosition::default() }
    }

    fn go_to(&mut self, position: &HttpPosition) {
        (self.last, self.unfit) = (position.at.clone(), position.index);
        self.hash = if self.unfit == 0 { NOTHING } else { position.hash };
        (self.keys, self.before) = Default::default();
    }
}

impl<T> fmt::Debug for After<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("After").field("name", &self.name).field("last", &self.last).finish_non_exhaustive()
    }
}
