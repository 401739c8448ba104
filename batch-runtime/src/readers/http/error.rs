//! [`HttpError`], which names the request, the item and the field that is wrong.

use std::fmt;
use std::sync::Arc;

use crate::definition::Stopped;

/// The error of a reader of pages. No message shows a header, or a value given to
/// [`query_secret`](super::HttpGet::query_secret).
///
/// ```
/// use batch_runtime::readers::http::HttpError;
///
/// let error = HttpError::Item {
///     request: "GET company/list.json?curPage=3".into(),
///     item: 17,
///     field: Some("founded".into()),
///     problem: "invalid type: string \"soon\", expected u16".into(),
/// };
/// assert!(error.is_about_an_item());
/// assert_eq!(
///     error.to_string(),
///     "GET company/list.json?curPage=3, item 17, field `founded`: invalid type: string \"soon\", expected u16"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// An address or an option is wrong. Nothing was requested.
    #[error("{request}: {problem}")]
    Options {
        /// The request.
        request: Arc<str>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The server refuses the request, and would refuse it again.
    #[error("{request}: {problem}")]
    Refused {
        /// The request.
        request: Arc<str>,
        /// The status, such as 404.
        status: u16,
        /// The meaning of the status, and the server's message.
        problem: Box<str>,
    },
    /// No attempt got a usable answer.
    #[error("{request}: {problem}{}", Tried(*attempts))]
    Unavailable {
        /// The request.
        request: Arc<str>,
        /// The last status, if there was a response.
        status: Option<u16>,
        /// The number of attempts.
        attempts: u32,
        /// The last problem.
        problem: Box<str>,
    },
    /// The response is not a page of items.
    #[error("{request}: {problem}")]
    Page {
        /// The request.
        request: Arc<str>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The pages have changed since an earlier request.
    #[error("{request}: {problem}")]
    Changed {
        /// The request.
        request: Arc<str>,
        /// The change and its remedy.
        problem: Box<str>,
    },
    /// An item does not fit the type. Reading continues with the next one.
    #[error("{request}, item {item}{}: {problem}", Field(field.as_deref()))]
    Item {
        /// The request for its page.
        request: Arc<str>,
        /// The number of the item on the page, from 1.
        item: u64,
        /// The field, such as `address.zip`, if it is known.
        field: Option<Box<str>>,
        /// The problem.
        problem: Box<str>,
    },
    /// The job was asked to stop while the request waited.
    #[error("{request}: {source}")]
    Stopped {
        /// The request.
        request: Arc<str>,
        /// The reason.
        source: Stopped,
    },
}

impl HttpError {
    /// Returns whether the error concerns a single item, so that the next `read` continues after it.
    #[must_use]
    pub fn is_about_an_item(&self) -> bool {
        matches!(self, Self::Item { .. })
    }

    /// Returns whether another request would end in the same way, so that the `retry` of a step does not apply.
    #[must_use]
    pub fn is_about_the_input(&self) -> bool {
        matches!(self, Self::Options { .. } | Self::Refused { .. } | Self::Changed { .. })
    }
}

struct Field<'a>(Option<&'a str>);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |field| write!(f, ", field `{field}`"))
    }
}

struct Tried(u32);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, "; tried {} times", self.0) } else { Ok(()) }
    }
}
