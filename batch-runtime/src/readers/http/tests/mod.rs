//! Proves what the reader promises, with a server and a clock in memory.

mod faults;
mod random;
mod refusals;
mod secrets;
mod sockets;
mod styles;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::{Http, HttpPages, PageStyle, Request, Response};
use crate::definition::{Reader, StopSignal};
use crate::engine::Pause;

/// A clock that advances only when something waits.
#[derive(Debug, Clone)]
struct Clock {
    begin: Instant,
    waits: Arc<Mutex<Vec<Duration>>>,
    /// True if a wait raises its stop signal.
    stops: Arc<AtomicBool>,
}

impl Clock {
    fn new() -> Self {
        Self { begin: Instant::now(), waits: Arc::default(), stops: Arc::default() }
    }

    fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }
}

impl Pause for Clock {
    fn pause(&self, wait: Duration, stop: &StopSignal) -> bool {
        if self.stops.load(Ordering::Relaxed) {
            stop.raise();
        }
        self.waits.lock().unwrap().push(wait);
        !stop.is_raised()
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn now(&self) -> Instant {
        self.begin + self.waits.lock().unwrap().iter().sum::<Duration>()
    }
}

/// The fault that a request gets instead of its page.
#[derive(Debug, Clone)]
enum Fault {
    Status(u16, Option<&'static str>),
    /// The connection breaks off after this many bytes.
    BrokenOff(usize),
    /// The body ends after this many bytes, and nothing says so.
    CutOff(usize),
    NoConnection,
    Body(&'static str),
}

/// An API that serves items, as JSON texts, in pages of every style.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Served>>);

#[derive(Default)]
struct Served {
    items: Vec<String>,
    size: usize,
    /// The faults of the next requests.
    faults: VecDeque<Option<Fault>>,
    requests: Vec<String>,
    headers: Vec<Vec<(String, String)>>,
    /// A fixed total; without it, the total is the number of items.
    total: Option<usize>,
}

impl Server {
    fn of(items: impl IntoIterator<Item = impl ToString>, size: usize) -> Self {
        let items = items.into_iter().map(|item| item.to_string()).collect();
        Self(Arc::new(Mutex::new(Served { items, size, ..Served::default() })))
    }

    fn numbers(count: usize, size: usize) -> Self {
        Self::of(0..count, size)
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.0.lock().unwrap()
    }

    fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.served().faults.extend(faults.into_iter().map(Some));
    }

    fn requests(&self) -> Vec<String> {
        self.served().requests.clone()
    }

    fn http(&self) -> Http {
        let server = self.clone();
        Http::with_client("http://api.test/v1", move |request: &Request| server.answer(request))
            .pause(Clock::new())
    }

    fn answer(&self, request: &Request) -> io::Result<Response> {
        let mut served = self.served();
        served.requests.push(request.url().trim_start_matches("http://api.test").to_owned());
        served.headers.push(request.headers().to_vec());
        let fault = served.faults.pop_front().flatten();
        let (body, link) = served.page(request.url());
        let answer = match fault {
            None => Response::new(200, body),
            Some(Fault::Status(status, after)) => {
                let answer = Response::new(status, "{\"error\": \"no\"}");
                return Ok(after
                    .into_iter()
                    .fold(answer, |answer, after| answer.header("Retry-After", after)));
            }
            Some(Fault::BrokenOff(bytes)) => {
                let begin = body.as_bytes()[..bytes.min(body.len())].to_vec();
                return Ok(Response::streaming(200, io::Cursor::new(begin).chain(Unplugged)));
            }
            Some(Fault::CutOff(bytes)) => {
                return Ok(Response::new(200, &body.as_bytes()[..bytes.min(body.len() - 1)]));
            }
            Some(Fault::NoConnection) => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            Some(Fault::Body(body)) => return Ok(Response::new(200, body)),
        };
        Ok(link.into_iter().fold(answer, |answer, link| answer.header("Link", link)))
    }
}

impl Served {
    fn page(&self, url: &str) -> (String, Option<String>) {
        let value = |name: &str| {
            let (_, query) = url.split_once('?')?;
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(given, _)| *given == name)
        };
        let number = |name: &str| value(name).map(|(_, value)| value.parse::<usize>().unwrap_or_default());
        let size = number("limit").unwrap_or(self.size).min(self.size);
        let from = if let Some(key) = number("since") {
            // Search all items: some are not numbers.
            let is_last = |item: &String| item.parse::<usize>() == Ok(key);
            self.items.iter().position(is_last).map_or(0, |at| at + 1)
        } else {
            number("start").or(number("cursor")).or(number("page").map(|page| page * size)).unwrap_or(0)
        };
        let end = (from + size).min(self.items.len());
        let items = self.items.get(from..end).unwrap_or_default().join(", ");
        let next = (end < self.items.len()).then_some(end);
        let body = format!(
            r#"{{"list": [{items}], "total": {}, "next": {}, "link": {}}}"#,
            self.total.unwrap_or(self.items.len()),
            next.map_or("null".to_owned(), |next| next.to_string()),
            next.map_or("null".to_owned(), |next| format!(r#""?cursor={next}""#)),
        );
        (body, next.map(|next| format!(r#"</v1/n?cursor={next}>; rel="next""#)))
    }
}

/// A connection that breaks off.
struct Unplugged;

impl Read for Unplugged {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    }
}

fn pages<T, S: PageStyle<T>>(http: &Http, style: S) -> HttpPages<T, S> {
    http.get("n").items("/list").pages(style)
}

/// The items, and the error that ends the reading.
fn all<R: Reader>(reader: &mut R) -> (Vec<R::Item>, Option<R::Error>) {
    let mut items = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None),
            Err(error) if reader.steps_over(&error) => {}
            Err(error) => return (items, Some(error)),
        }
    }
}
