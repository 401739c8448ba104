//! Sends a request until there is a complete response, or no attempt is left.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::agent::{NoAnswer, whole};
use super::client::{Http, HttpGet};
use super::error::HttpError;
use super::message::{Answer, Request, values};
use super::page::Broken;
use super::retry::{is_worth_another, meaning, retry_after};
use super::url::Url;
use crate::definition::{StopSignal, Stopped};
use crate::readers::shown;

/// How often a request may be redirected.
const MAX_REDIRECTS: u32 = 5;

/// The number of bytes that are read from the body of an error.
const ERROR_BODY_BYTES: u64 = 1_024;

/// A request with its name in messages.
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) shown: Arc<str>,
}

/// The outcome of an attempt without a usable response.
enum Failed {
    Finally(HttpError),
    ForNow { status: Option<u16>, problem: String, wait: Option<Duration> },
}

impl HttpGet {
    /// The request with these parameters.
    pub(super) fn target(&self, parameters: &[(String, String)]) -> Result<Target, HttpError> {
        let mut url = self.base()?.join(&self.path);
        let mut shown = format!("GET {}", self.path.trim_start_matches('/'));
        let mut separator = if self.path.contains('?') { '&' } else { '?' };
        for (name, value) in self.query.iter().chain(parameters) {
            url.add(name, value);
            shown = format!("{shown}{separator}{name}={value}");
            separator = '&';
        }
        Ok(Target { url, shown: self.shown(&shown) })
    }

    /// The request for a link that [`kept`](Self::kept) returned.
    pub(super) fn linked(&self, link: &str) -> Result<Target, HttpError> {
        let url = self.base()?.resolve(link).map_err(|problem| self.options(problem))?;
        let shown = self.shown(&format!("GET {link}"));
        self.http
            .check_host(self.base()?, &url)
            .map_err(|problem| HttpError::Page { request: Arc::clone(&shown), problem: problem.into() })?;
        Ok(Target { url, shown })
    }

    /// A link of an answer as it is kept in the position: without secrets, and without the host if it is that of
    /// the base.
    pub(super) fn kept(&self, answer: &Answer, link: &str) -> Result<String, String> {
        let masked = || self.http.secrets.mask(link);
        let base = self.base().map_err(|error| error.to_string())?;
        let mut url = answer.from.resolve(link).map_err(|problem| {
            format!("the link to the next page cannot be used: {problem}: `{}`", masked())
        })?;
        self.http.check_host(base, &url)?;
        url.remove(&self.http.secrets.names);
        Ok(if base.has_same_origin(&url) { url.target() } else { url.to_string() })
    }

    fn base(&self) -> Result<&Url, HttpError> {
        match (&self.http.mistake, &self.http.base) {
            (None, Ok(base)) => Ok(base),
            (Some(mistake), _) | (None, Err(mistake)) => Err(self.options(mistake)),
        }
    }

    pub(super) fn options(&self, problem: &str) -> HttpError {
        let request = self.shown(&format!("GET {}", self.path.trim_start_matches('/')));
        HttpError::Options { request, problem: self.http.secrets.mask(problem).into() }
    }

    fn shown(&self, text: &str) -> Arc<str> {
        shown(&self.http.secrets.mask(text)).into()
    }

    /// Requests a page, and retries while that may help, until `take` accepts the answer.
    pub(super) fn fetch<T>(
        &self,
        target: &Target,
        stop: &StopSignal,
        mut take: impl FnMut(&Answer) -> Result<T, Broken>,
    ) -> Result<T, HttpError> {
        let Http { retry, pause, .. } = &self.http;
        let request = || Arc::clone(&target.shown);
        let mut repeated = 0;
        loop {
            let taken = self.exchange(target, stop).and_then(|answer| {
                take(&answer).map_err(|broken| {
                    let masked = |problem: String| self.http.secrets.mask(&problem).into();
                    match broken {
                        Broken::Cut(problem) => Failed::ForNow {
                            status: None,
                            problem: self.http.secrets.mask(&problem),
                            wait: None,
                        },
                        Broken::Bad(problem) => {
                            Failed::Finally(HttpError::Page { request: request(), problem: masked(problem) })
                        }
                        Broken::Changed(problem) => Failed::Finally(HttpError::Changed {
                            request: request(),
                            problem: masked(problem),
                        }),
                    }
                })
            });
            let (status, problem, wait) = match taken {
                Ok(taken) => return Ok(taken),
                Err(Failed::Finally(error)) => return Err(error),
                Err(Failed::ForNow { status, problem, wait }) => (status, problem, wait),
            };
            let gives_up = |problem: String| HttpError::Unavailable {
                request: request(),
                status,
                attempts: repeated + 1,
                problem: problem.into(),
            };
            if repeated == retry.limit {
                return Err(gives_up(problem));
            }
            let wait = match wait {
                Some(wait) if wait > retry.longest => {
                    return Err(gives_up(format!(
                        "{problem}, and asks for a pause of {wait:?}, which is longer than the {:?} of `retry`",
                        retry.longest
                    )));
                }
                Some(wait) => wait,
                None => retry.wait(repeated, pause.random()),
            };
            if status == Some(429)
                && let Some(until) = pause.now().checked_add(wait)
            {
                self.http.rate.hold(until);
            }
            tracing::debug!(request = &*target.shown, problem, ?wait, "a page is requested again");
            self.wait(wait, target, stop)?;
            repeated += 1;
        }
    }

    fn wait(&self, wait: Duration, target: &Target, stop: &StopSignal) -> Result<(), HttpError> {
        if wait.is_zero() || self.http.pause.pause(wait, stop) {
            return Ok(());
        }
        Err(HttpError::Stopped { request: Arc::clone(&target.shown), source: Stopped })
    }

    /// One attempt: follows redirects, and reads the whole body.
    fn exchange(&self, target: &Target, stop: &StopSignal) -> Result<Answer, Failed> {
        let http = &self.http;
        let base = self.base().map_err(Failed::Finally)?;
        let request = || Arc::clone(&target.shown);
        let refused = |status, problem: String| {
            Failed::Finally(HttpError::Refused {
                request: request(),
                status,
                problem: http.secrets.mask(&problem).into(),
            })
        };
        let mut url = target.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let turn = http.rate.next(http.pause.now());
            self.wait(turn, target, stop).map_err(Failed::Finally)?;
            let answer = http.agent.send(&self.request(base, &url, target)).map_err(
                |NoAnswer { problem, is_worth_another }| {
                    let problem = http.secrets.mask(&problem);
                    if is_worth_another {
                        Failed::ForNow { status: None, problem, wait: None }
                    } else {
                        Failed::Finally(HttpError::Options { request: request(), problem: problem.into() })
                    }
                },
            )?;
            let (status, headers, mut body) = (answer.status, answer.headers, answer.body);
            match status {
                // Not 204 and 205: they have no content, and another attempt would return none either.
                200..=203 | 206..=299 => {
                    let most = http.longest_body;
                    let mut bytes = Vec::new();
                    let read = body.by_ref().take(most.saturating_add(1)).read_to_end(&mut bytes);
                    read.map_err(|error| Failed::ForNow {
                        status: None,
                        problem: http.secrets.mask(&format!("the response broke off: {}", whole(&error))),
                        wait: None,
                    })?;
                    if bytes.len() as u64 > most {
                        let problem = format!(
                            "the response is longer than {most} bytes: ask for smaller pages, or allow more with `longest_body`"
                        );
                        return Err(Failed::Finally(HttpError::Page {
                            request: request(),
                            problem: problem.into(),
                        }));
                    }
                    return Ok(Answer { body: bytes, headers, from: url });
                }
                301 | 302 | 303 | 307 | 308 => {
                    let to = values(&headers, "location")
                        .next()
                        .ok_or_else(|| refused(status, format!("{status}: the redirect names no address")))?;
                    let mut to = url.resolve(to).map_err(|problem| {
                        refused(
                            status,
                            format!("{status}: the address of the redirect cannot be used: {problem}"),
                        )
                    })?;
                    http.check_host(base, &to)
                        .map_err(|problem| refused(status, format!("{status}: {problem}")))?;
                    to.remove(&http.secrets.names);
                    url = to;
                }
                _ => {
                    let mut said = Vec::new();
                    // The body only helps the user, so a failure to read it does not matter.
                    drop(body.take(ERROR_BODY_BYTES).read_to_end(&mut said));
                    let problem =
                        describe(status, &http.secrets.excerpt(String::from_utf8_lossy(&said).trim()));
                    return Err(if is_worth_another(status) {
                        Failed::ForNow {
                            status: Some(status),
                            problem: http.secrets.mask(&problem),
                            wait: retry_after(&headers, Timestamp::now()),
                        }
                    } else {
                        refused(status, problem)
                    });
                }
            }
        }
        Err(refused(310, format!("the request was redirected more than {MAX_REDIRECTS} times")))
    }

    /// The request as it is sent. Only the host of the base gets secrets.
    fn request(&self, base: &Url, url: &Url, target: &Target) -> Request {
        let mut url = url.clone();
        let mut headers = Vec::new();
        if base.has_same_origin(&url) {
            self.hidden.iter().for_each(|(name, value)| url.add(name, value));
            headers.clone_from(&self.http.headers);
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            headers.push(("Accept".to_owned(), "application/json".to_owned()));
        }
        Request {
            url: url.to_string(),
            shown: Arc::clone(&target.shown),
            headers,
            timeout: self.http.timeout,
        }
    }
}

impl Http {
    /// Refuses a link that leads away from the host of the base.
    fn check_host(&self, base: &Url, url: &Url) -> Result<(), String> {
        if base.has_same_origin(url) || self.allowed.contains(&url.host()) {
            return Ok(());
        }
        if base.host() == url.host() || base.is_https() && !url.is_https() {
            return Err(format!(
                "the server links to {}, but the base address begins with {}: if it has moved, change the base address",
                url.origin(),
                base.origin()
            ));
        }
        Err(format!(
            "the server links to another host, {}: if that is right, allow it with `allow_host(\"{}\")`; it gets none of the headers",
            url.origin(),
            url.host()
        ))
    }
}

/// The status, what it means, and what the server says.
fn describe(status: u16, said: &str) -> String {
    let meaning = meaning(status);
    // A page for a browser adds nothing useful.
    if said.is_empty() || said.starts_with('<') {
        format!("{status}, {meaning}")
    } else {
        format!("{status}, {meaning}: `{said}`")
    }
}
