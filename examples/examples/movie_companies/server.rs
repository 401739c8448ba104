//! Serves a paged HTTP API on this machine that lists companies slowly, and fails now and then.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Companies per page.
pub(crate) const PAGE: u64 = 20;

/// In every group of this many pages, the first request for the last page fails.
const GROUP: u64 = 25;

/// After this many pages, a company disappears.
const SHIFTED_AFTER: usize = 10;

/// How requests fail.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// 503 with `Retry-After`.
    Busy,
    /// The connection ends in the middle of the response.
    Cut,
    /// The second half of the response comes too late.
    Slow,
    /// A company disappears, so all after it move up by one.
    Shifting,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "busy" => Ok(Self::Busy),
            "cut" => Ok(Self::Cut),
            "slow" => Ok(Self::Slow),
            "shifting" => Ok(Self::Shifting),
            _ => Err(format!("unknown fault `{name}`: expected busy, cut, slow or shifting")),
        }
    }
}

/// A server that runs until the program ends.
pub(crate) struct Server {
    address: SocketAddr,
    listing: Arc<Listing>,
}

struct Listing {
    companies: u64,
    delay: Duration,
    fault: Fault,
    served: Mutex<Served>,
}

#[derive(Default)]
struct Served {
    pages: usize,
    /// The pages whose first request failed.
    failed: HashSet<u64>,
}

impl Server {
    /// Starts serving, with a thread for each connection.
    pub(crate) fn start(companies: u64, delay: Duration, fault: Fault) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let listing = Arc::new(Listing { companies, delay, fault, served: Mutex::default() });
        let shared = Arc::clone(&listing);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let listing = Arc::clone(&shared);
                // A client that disconnects is not an error of the server.
                thread::spawn(move || listing.serve(connection).ok());
            }
        });
        Ok(Self { address, listing })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests failed.
    pub(crate) fn failed(&self) -> usize {
        self.listing.served.lock().unwrap_or_else(PoisonError::into_inner).failed.len()
    }
}

impl Listing {
    /// Answers the requests of a connection until the client closes it.
    fn serve(&self, connection: TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut client = connection.try_clone()?;
        let mut lines = BufReader::new(connection).lines();
        while let Some(request) = lines.next().transpose()? {
            // The headers do not matter here; an empty line ends them.
            while lines.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let page = path.strip_prefix("/companies?page=").and_then(|page| page.parse().ok());
            let Some(page) = page else {
                client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
                continue;
            };
            let (fails, body) = self.answer(page);
            if fails && self.fault == Fault::Busy {
                client.write_all(b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n")?;
                continue;
            }
            thread::sleep(self.delay);
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            let (begin, rest) = answer.split_at(answer.len() - if fails { length / 2 } else { 0 });
            client.write_all(begin.as_bytes())?;
            match (fails, self.fault) {
                (true, Fault::Cut) => return Ok(()),
                (true, Fault::Slow) => thread::sleep(Duration::from_millis(1_500)),
                _ => {}
            }
            client.write_all(rest.as_bytes())?;
        }
        Ok(())
    }

    /// Returns whether the request for this page fails, and its companies.
    fn answer(&self, page: u64) -> (bool, String) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.pages += 1;
        let is_shifted = self.fault == Fault::Shifting && served.pages > SHIFTED_AFTER;
        let fails = self.fault != Fault::Shifting && page % GROUP == GROUP - 1 && served.failed.insert(page);
        (fails, self.page(page, u64::from(is_shifted)))
    }

    /// The companies of a page after the first `gone` companies have disappeared.
    fn page(&self, page: u64, gone: u64) -> String {
        let first = page.saturating_mul(PAGE).saturating_add(gone);
        let companies: Vec<String> = (first..self.companies.min(first.saturating_add(PAGE)))
            .map(|id| format!(r#"{{"id":{id},"name":"Company {id}"}}"#))
            .collect();
        format!(r#"{{"total":{},"companies":[{}]}}"#, self.companies - gone, companies.join(","))
    }
}
