//! The query of an address and the fields of a form: names with one or more values.

use std::fmt;

/// Names with their values, in the order in which they are given.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The names and values of a text such as `a=1&b=2`.
    pub(super) fn of(text: Option<&str>) -> Self {
        let parsed = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(parsed.into_owned().collect())
    }

    /// The first value for that name that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(of, value)| of == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The values for that name that are not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(of, value)| of == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// All names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Removes all values for that name, and returns the first.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let first = self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
        self.0.retain(|(of, _)| of != name);
        first
    }

    /// A copy with this value for that name.
    pub(super) fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut changed = self.clone();
        changed.take(name);
        changed.0.push((name.to_owned(), value.into()));
        changed
    }

    /// A copy without that name.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.take(name);
        changed
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = form_urlencoded::Serializer::new(String::new());
        f.write_str(&text.extend_pairs(&self.0).finish())
    }
}
