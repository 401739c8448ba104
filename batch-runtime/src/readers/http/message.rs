//! [`Request`] and [`Response`], which the user's own client takes and returns.

use std::fmt;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

/// A request that the client sends. Its `Debug` shows no secret.
pub struct Request {
    pub(super) url: String,
    pub(super) shown: Arc<str>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timeout: Duration,
}

impl Request {
    /// The method: always `GET`, so that a request can be retried.
    #[must_use]
    pub fn method(&self) -> &'static str {
        "GET"
    }

    /// The address, secrets included: do not print it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, secrets included: do not print them.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// How long the request may take, including the body of the response.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.shown).finish()
    }
}

/// The response to a [`Request`].
///
/// ```
/// use batch_runtime::readers::http::Response;
///
/// let busy = Response::new(503, "").header("retry-after", "2");
/// ```
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Box<dyn Read + Send>,
}

impl Response {
    /// A response with this status and body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::streaming(status, Cursor::new(body.into()))
    }

    /// A response whose body is still to be read. If reading fails, the page is requested again.
    #[must_use]
    pub fn streaming(status: u16, body: impl Read + Send + 'static) -> Self {
        Self { status, headers: Vec::new(), body: Box::new(body) }
    }

    /// Adds a header. The reader uses `Retry-After`, `Date`, `Link`, `Location` and the header that states a total.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A complete response.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(String, String)>,
    /// The address that it came from.
    pub(super) from: super::url::Url,
}

/// The values of a header, in order.
pub(super) fn values<'h>(
    headers: &'h [(String, String)],
    name: &'h str,
) -> impl Iterator<Item = &'h str> + use<'h> {
    headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
