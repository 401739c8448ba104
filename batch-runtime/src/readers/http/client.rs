//! [`Http`], which a `#[resource]` returns, and [`HttpGet`], which builds a request.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use super::agent::Agent;
use super::message::{Request, Response};
use super::reader::HttpPages;
use super::retry::Retry;
use super::secrets::Secrets;
use super::styles::PageStyle;
use super::url::Url;
use crate::definition::{BoxError, TimeLimit, Turns};
use crate::engine::{Pause, Sleep};

/// The default limit of a body, in bytes.
const LONGEST_BODY: u64 = 64 * 1024 * 1024;

/// The default limit of the time of a request.
const TIMEOUT: Duration = Duration::from_mins(1);

/// An HTTP API with its address, credentials, rate limit and retries: a `#[resource]` of the job.
///
/// All clones and all readers share one rate limit and the open connections. A mistake in an address or a time is
/// reported by the first request.
///
/// ```
/// use batch_runtime::prelude::*;
///
/// #[resource]
/// fn kobis(base_url: String, token: String) -> Http {
///     Http::new(base_url).bearer(token).rate(10, "1s").retry(5, "30s")
/// }
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Http {
    pub(super) base: Result<Url, String>,
    pub(super) agent: Agent,
    pub(super) headers: Vec<(String, String)>,
    pub(super) secrets: Secrets,
    pub(super) rate: Arc<Turns>,
    pub(super) retry: Retry,
    pub(super) timeout: Duration,
    pub(super) longest_body: u64,
    /// Hosts besides that of the base, to which links may lead.
    pub(super) allowed: Vec<String>,
    pub(super) pause: Arc<dyn Pause>,
    /// The first mistake in an option.
    pub(super) mistake: Option<String>,
}

impl Http {
    /// An API at this address, `https://api.example.org/v1`. An `https` address needs the feature `http-tls`.
    pub fn new(base_url: impl AsRef<str>) -> Self {
        let http = Self::of(base_url.as_ref(), Agent::ours());
        match &http.base {
            Ok(url) if url.is_https() && !cfg!(feature = "http-tls") => http
                .mistaken("an `https` address needs the feature `http-tls` of batch-runtime: switch it on"),
            _ => http,
        }
    }

    /// An API that is called through another client, such as `reqwest::blocking`: `client` sends the request and
    /// returns the answer, whatever its status. The client should not follow redirects, which would send the headers
    /// to other hosts. An error of the client counts as an interrupted connection: the request is repeated.
    ///
    /// ```
    /// use batch_runtime::prelude::*;
    /// use batch_runtime::readers::http::{Numbered, Request, Response, numbered};
    ///
    /// let http = Http::with_client("http://api.test/", |request: &Request| {
    ///     let body = match request.url() {
    ///         "http://api.test/numbers?page=1" => "[1, 2]",
    ///         _ => "[]",
    ///     };
    ///     Ok::<_, std::io::Error>(Response::new(200, body))
    /// });
    /// let mut numbers: HttpPages<u32, Numbered<_>> = http.get("numbers").pages(numbered("page").from(1));
    /// assert_eq!(numbers.read()?, Some(1));
    /// # Ok::<(), batch_runtime::readers::http::HttpError>(())
    /// ```
    pub fn with_client<E: Into<BoxError>>(
        base_url: impl AsRef<str>,
        client: impl Fn(&Request) -> Result<Response, E> + Send + Sync + 'static,
    ) -> Self {
        Self::of(base_url.as_ref(), Agent::other(client))
    }

    fn of(base_url: &str, agent: Agent) -> Self {
        Self {
            base: Url::parse(base_url)
                .map_err(|problem| format!("the base address cannot be used: {problem}")),
            agent,
            headers: Vec::new(),
            secrets: Secrets::default(),
            rate: Arc::default(),
            retry: Retry::default(),
            timeout: TIMEOUT,
            longest_body: LONGEST_BODY,
            allowed: Vec::new(),
            pause: Arc::new(Sleep),
            mistake: None,
        }
    }

    fn mistaken(mut self, mistake: impl Into<String>) -> Self {
        self.mistake.get_or_insert(mistake.into());
        self
    }

    fn with_time(self, time: impl TimeLimit, set: impl FnOnce(&mut Self, Duration)) -> Self {
        let mut http = self;
        match time.duration() {
            Ok(time) => set(&mut http, time),
            Err(mistake) => return http.mistaken(mistake),
        }
        http
    }

    /// Sends a token with every request: `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(mut self, token: impl AsRef<str>) -> Self {
        self.secrets.add(token.as_ref());
        self.header("Authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Sends a header with every request. Its value is treated as a secret: no message shows it, and no other host
    /// gets it.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        if value.contains(['\r', '\n', '\0'])
            || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
        {
            return self.mistaken(
                "a header has a name or a value that cannot be sent: is there a line break in it?",
            );
        }
        self.secrets.add(&value);
        // A server that refuses credentials may repeat them without their scheme, `Basic`.
        if let Some((_, credentials)) = value.trim().split_once(' ') {
            self.secrets.add(credentials.trim());
        }
        self.headers.push((name, value));
        self
    }

    /// Sends at most this many requests in any span of this length, all readers together: `rate(10, "1s")`.
    #[must_use]
    pub fn rate(self, requests: u32, span: impl TimeLimit) -> Self {
        if requests == 0 {
            return self.mistaken("`rate(0, ..)` would allow no request at all");
        }
        self.with_time(span, |http, span| http.rate = Arc::new(Turns::limited(requests, span)))
    }

    /// Repeats a failed request up to `limit` times, and waits at most `longest` before each attempt: a random part
    /// of a limit that doubles each time, or as long as the server asks for. The default is `retry(5, "30s")`.
    #[must_use]
    pub fn retry(self, limit: u32, longest: impl TimeLimit) -> Self {
        self.with_time(longest, |http, longest| http.retry = Retry { limit, longest })
    }

    /// Limits the time of a request, including the body of the response; a minute by default.
    #[must_use]
    pub fn timeout(self, limit: impl TimeLimit) -> Self {
        self.with_time(limit, |http, limit| http.timeout = limit)
    }

    /// Limits the length of a body after decompression; 64 MiB by default.
    #[must_use]
    pub fn longest_body(mut self, bytes: u64) -> Self {
        self.longest_body = bytes;
        self
    }

    /// Allows links and redirects to another host, `files.example.org` or `localhost:8080`. That host gets none
    /// of the headers and no secret.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.allowed.push(host.into().to_ascii_lowercase());
        self
    }

    /// Replaces the clock, the waits and the random numbers, for tests.
    #[must_use]
    pub fn pause(mut self, pause: impl Pause + 'static) -> Self {
        self.pause = Arc::new(pause);
        self
    }

    /// Begins a request for pages at this path, which is appended to the base address.
    #[must_use]
    pub fn get(&self, path: impl Into<String>) -> HttpGet {
        HttpGet {
            http: self.clone(),
            path: path.into(),
            query: Vec::new(),
            hidden: Vec::new(),
            items: String::new(),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.as_ref().map(|base| self.secrets.mask(&base.to_string()));
        f.debug_struct("Http").field("base", &base).finish_non_exhaustive()
    }
}

/// A request for pages; [`Http::get`] begins it, [`pages`](Self::pages) completes it.
#[derive(Clone)]
pub struct HttpGet {
    pub(super) http: Http,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// Parameters that no message shows.
    pub(super) hidden: Vec<(String, String)>,
    /// The JSON pointer of the items.
    pub(super) items: String,
}

impl HttpGet {
    /// Adds a parameter to the query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Adds a secret parameter, such as an API key: no message or position shows it, and no other host gets it.
    #[must_use]
    pub fn query_secret(mut self, name: impl Into<String>, value: impl Display) -> Self {
        let (name, value) = (name.into(), value.to_string());
        self.http.secrets.add(&value);
        self.http.secrets.names.push(name.clone());
        self.hidden.push((name, value));
        self
    }

    /// Names the place of the items in a response as a JSON pointer: `/result/list`. Without it, a response is an array
    /// of items.
    #[must_use]
    pub fn items(mut self, pointer: impl Into<String>) -> Self {
        self.items = pointer.into();
        self
    }

    /// Reads the pages: [`numbered`](super::numbered), [`offset`](super::offset), [`token`](super::token),
    /// [`next_link`](super::next_link), [`link_header`](super::link_header) or [`after`](super::after).
    pub fn pages<T, S: PageStyle<T>>(self, style: S) -> HttpPages<T, S> {
        HttpPages::new(self, style)
    }
}

impl fmt::Debug for HttpGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGet")
            .field("http", &self.http)
            .field("path", &self.http.secrets.mask(&self.path))
            .finish_non_exhaustive()
    }
}
