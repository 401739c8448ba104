//! Serves a paged HTTP API on this machine that lists companies slowly, and is too busy now and then.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Companies per page.
pub(crate) const PAGE: u64 = 20;

/// In every group of this many pages, the last one is refused at its first request.
const REFUSED: u64 = 25;

/// A server that runs until the program ends.
pub(crate) struct Server {
    address: SocketAddr,
    listing: Arc<Listing>,
}

struct Listing {
    companies: u64,
    delay: Duration,
    /// The pages refused so far.
    refused: Mutex<HashSet<u64>>,
}

impl Server {
    /// Starts serving, with a thread for each connection.
    pub(crate) fn start(companies: u64, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let listing = Arc::new(Listing { companies, delay, refused: Mutex::default() });
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

    /// How many requests were answered with 503.
    pub(crate) fn refused(&self) -> usize {
        self.listing.refused.lock().unwrap_or_else(PoisonError::into_inner).len()
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
            let (status, body) = self.answer(path);
            let length = body.len();
            write!(
                client,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )?;
        }
        Ok(())
    }

    fn answer(&self, path: &str) -> (&'static str, String) {
        if path == "/pages" {
            return ("200 OK", self.companies.div_ceil(PAGE).to_string());
        }
        let page = path.strip_prefix("/companies?page=").and_then(|page| page.parse().ok());
        let Some(page) = page else { return ("404 Not Found", "null".to_owned()) };
        if self.refuses(page) {
            return ("503 Service Unavailable", "null".to_owned());
        }
        thread::sleep(self.delay);
        ("200 OK", self.page(page))
    }

    /// Returns whether this is the first request for a page that is refused once.
    fn refuses(&self, page: u64) -> bool {
        page % REFUSED == REFUSED - 1
            && self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(page)
    }

    fn page(&self, page: u64) -> String {
        let first = page.saturating_mul(PAGE);
        let companies: Vec<String> = (first..self.companies.min(first.saturating_add(PAGE)))
            .map(|id| format!(r#"{{"id":{id},"name":"Company {id}"}}"#))
            .collect();
        format!("[{}]", companies.join(","))
    }
}
