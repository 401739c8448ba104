//! Sends requests to a collector, within a bounded time.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prost::Message;

use super::settings::Target;
use crate::readers::http::agent_of_defaults;

/// The pause before the first retry of a request. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// At most this many bytes of an answer are read.
const MAX_ANSWER_BYTES: u64 = 65_536;

/// An answer, which may say that the collector refused a part of the request.
pub(super) trait Answer: Message + Default {
    /// How many spans or data points were refused, and why.
    fn refused(self) -> Option<(i64, String)>;
}

/// Sends the requests of one signal, traces or metrics, to its collector.
pub(super) struct Collector {
    agent: ureq::Agent,
    target: Target,
    until: Until,
    pub(super) trouble: Trouble,
}

/// The deadline of all requests, once it is known.
#[derive(Clone, Default)]
pub(super) struct Until(Arc<Mutex<Option<Instant>>>);

impl Until {
    pub(super) fn set(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// The deadline of a request that begins now.
    fn of(&self, timeout: Duration) -> Instant {
        let end = Instant::now() + timeout;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map_or(end, |until| end.min(until))
    }
}

/// The first problem, with the address of the collector.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<(String, String)>>>);

impl Trouble {
    fn note(&self, place: String, problem: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((place, problem));
    }

    pub(super) fn take(&self) -> Option<(String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Collector {
    pub(super) fn new(target: Target, until: Until, trouble: Trouble) -> Self {
        Self { agent: agent_of_defaults(), target, until, trouble }
    }

    /// Notes a problem that kept data from reaching the collector.
    pub(super) fn note(&self, problem: impl Into<String>) {
        // Show only the origin of the URL, because the path and the query may hold a token.
        self.trouble.note(self.target.url.origin(), problem.into());
    }

    /// Sends a request, and notes a problem. Returns whether everything was accepted.
    pub(super) fn send<A: Answer>(&self, request: &impl Message) -> bool {
        let sent = self.try_send::<A>(&request.encode_to_vec());
        if let Err(problem) = &sent {
            self.note(problem.clone());
        }
        sent.is_ok()
    }

    fn try_send<A: Answer>(&self, request: &[u8]) -> Result<(), String> {
        let until = self.until.of(self.target.timeout);
        let mut pause = FIRST_PAUSE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("there was no time left".to_owned());
            }
            let (status, answer) = self.post(request, left).map_err(|error| error.to_string())?;
            match status {
                200..=299 => {
                    // An answer that cannot be decoded refuses nothing.
                    let refused = A::decode(answer.as_slice()).ok().and_then(A::refused);
                    return match refused {
                        Some((count, why)) => Err(format!("it refused {count} of them: {}", shown(&why))),
                        None => Ok(()),
                    };
                }
                // The OpenTelemetry specification says to retry after these codes.
                429 | 502..=504 if Instant::now() + pause < until => {
                    thread::sleep(pause);
                    pause *= 2;
                }
                status => return Err(format!("it answered {status}")),
            }
        }
    }

    fn post(&self, request: &[u8], timeout: Duration) -> Result<(u16, Vec<u8>), ureq::Error> {
        let mut posted = self.agent.post(self.target.url.to_string());
        for (name, value) in &self.target.headers {
            posted = posted.header(name, value);
        }
        let posted = posted.header("Content-Type", "application/x-protobuf");
        let answer = posted.config().timeout_global(Some(timeout)).build().send(request)?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        answer.into_body().into_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut body)?;
        Ok((status, body))
    }
}

/// Cuts the text of a collector to one short line.
fn shown(text: &str) -> String {
    crate::observe::words::line(text, 200)
}
