//! Reads the pages of an HTTP API: the feature `http`; `https` addresses need the feature `http-tls`.
//!
//! [`Http`] is the API, a `#[resource]` with its address, credentials, rate limit and retries. A `#[reader]` asks it
//! for pages and returns [`HttpPages`].
//!
//! ```
//! use batch_runtime::prelude::*;
//! use batch_runtime::readers::http::numbered;
//!
//! #[derive(Deserialize)]
//! struct Company {
//!     id: u32,
//!     name: String,
//! }
//!
//! #[resource]
//! fn kobis(base_url: String, token: String) -> Http {
//!     Http::new(base_url).bearer(token).rate(10, "1s").retry(5, "30s")
//! }
//!
//! #[reader]
//! fn companies(kobis: &Http, year: u32) -> HttpPages<Company> {
//!     kobis
//!         .get("company/list.json")
//!         .query("year", year)
//!         .items("/result/list")
//!         .pages(numbered("curPage").size("itemPerPage", 100).from(1).total("/result/totCnt"))
//! }
//!
//! #[writer]
//! fn save(companies: &[Company], tx: &Transaction<'_>) -> rusqlite::Result<()> {
//!     let mut insert = tx.prepare_cached("INSERT INTO company VALUES (?1, ?2)")?;
//!     companies.iter().try_for_each(|Company { id, name }| insert.execute((id, name)).map(drop))
//! }
//!
//! #[step(chunk = 500, partitions = 8, skip(HttpError, limit = 10))]
//! fn load() {
//!     companies | save
//! }
//!
//! #[job]
//! fn load_companies(base_url: String, #[param(secret)] token: String, year: u32) {
//!     load;
//! }
//! # fn main() {}
//! ```
//!
//! # How an API names its pages
//!
//! | | requests | the position | splits | while rows come and go |
//! |---|---|---|---|---|
//! | [`after("since_id", \|c: &Company\| c.id)`](after) | `?since_id=1204` | the last key | no | exact: every row that stays is read once |
//! | [`token("cursor", "/next")`](token) | `?cursor=eyJ..` | the token, and the items read | no | as exact as the API's tokens are |
//! | [`next_link("/links/next")`](next_link), [`link_header()`](link_header) | the link | the link, and the items read | no | as exact as the API's links are |
//! | [`numbered("page")`](numbered) | `?page=3` | the page, and the items read | with a total | rows may be missed or read twice |
//! | [`offset("start", "limit")`](offset) | `?start=300&limit=100` | the page, and the items read | with a total | rows may be missed or read twice |
//!
//! Only `after` is safe while rows come and go. The others refuse the changes that they can see: a page that no longer
//! begins with the items that an earlier execution read, a page that is shorter than the total says, and a total that
//! has changed. The default style is numbered pages with a total; the type of the reader names any other style:
//! `HttpPages<Company, After<Company>>`, `HttpPages<Company, Token>`, `HttpPages<Company, Numbered<NoTotal>>`.
//!
//! # Retries
//!
//! Every request is a GET, and is retried after 408, 429 and 5xx, and if the connection fails, takes too long, or breaks
//! off in the body. The wait is a random part of a limit that doubles each time, or as long as `Retry-After` asks for.
//! The wait ends when the job is asked to stop, and the step is then STOPPED. When no attempt is left, the step fails,
//! or its `retry` reopens the reader at its position. Any other error status, such as 401, 403, 404 or 422, fails the
//! step at once.
//!
//! An item that does not fit the type can be skipped: `GET company/list.json?curPage=3, item 17, field `founded`: ..`.
//! A response that is not a page (not JSON, nothing at the pointer) cannot be skipped.
//!
//! # Secrets
//!
//! No error, place, position or `Debug` shows a header or a value of [`query_secret`](HttpGet::query_secret). A link or a
//! redirect to another host is refused unless [`allow_host`](Http::allow_host) allows it, and that host gets no header
//! and no secret.
//!
//! # Another client, and tests
//!
//! [`Http::with_client`] takes any function from a [`Request`] to a [`Response`]: another HTTP client, or a server for a
//! test.
//!
//! ```
//! use batch_runtime::prelude::*;
//! use batch_runtime::readers::http::{Request, Response, Token, token};
//!
//! let http = Http::with_client("http://api.test", |request: &Request| {
//!     let page = match request.url() {
//!         "http://api.test/movies" => r#"{"movies": ["Metropolis", "Faust"], "next": "b"}"#,
//!         "http://api.test/movies?cursor=b" => r#"{"movies": ["Nosferatu"], "next": null}"#,
//!         _ => return Ok(Response::new(404, "")),
//!     };
//!     Ok::<_, std::io::Error>(Response::new(200, page))
//! });
//! let open = || http.get("movies").items("/movies").pages::<String, Token>(token("cursor", "/next"));
//!
//! let mut movies = open();
//! assert_eq!(movies.read()?.as_deref(), Some("Metropolis"));
//! assert_eq!(movies.read()?.as_deref(), Some("Faust"));
//!
//! let mut restarted = open();
//! restarted.resume(movies.position())?;
//! assert_eq!(restarted.read()?.as_deref(), Some("Nosferatu"));
//! assert_eq!(restarted.read()?, None);
//! # Ok::<(), HttpError>(())
//! ```

mod agent;
mod client;
mod error;
mod fetch;
mod field;
mod message;
mod page;
mod reader;
mod retry;
mod secrets;
mod send;
mod styles;
mod url;

#[cfg(feature = "otel")]
pub(crate) use agent::agent_of_defaults;
pub use client::{Http, HttpGet};
pub use error::HttpError;
pub use message::{Request, Response};
pub use reader::{HttpPages, HttpPart};
pub use styles::{
    After, CountedStyle, HttpPosition, Links, NoTotal, Numbered, Offset, PageStyle, Token, Total, after,
    link_header, next_link, numbered, offset, token,
};
#[cfg(feature = "otel")]
pub(crate) use url::Url;

#[cfg(test)]
mod tests;
