//! A proxy between a client and a server, which delays, cuts, holds back or loses what goes through it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The point at which one connection is cut. Later connections are not cut.
#[derive(Debug, Clone)]
pub enum Cut {
    /// Before these bytes of the client are passed on. The bytes before them in the same packet still are.
    Before(&'static [u8]),
    /// After the server has these bytes of the client, and before its answer is passed on.
    After(&'static [u8]),
    /// After this many more bytes to the server.
    ToServer(usize),
    /// After this many more bytes to the client.
    ToClient(usize),
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

#[derive(Debug, Default)]
struct Rules {
    delay: Duration,
    cut: Option<Cut>,
    /// The ways on which bytes are held back, and those on which they are lost.
    held: Vec<Way>,
    lost: Vec<Way>,
    refuses: bool,
    /// The sockets of all connections, to be cut at once.
    open: Vec<TcpStream>,
}

/// A proxy in front of a server. It ends with the process.
#[derive(Debug, Clone)]
pub struct Proxy {
    port: u16,
    rules: Arc<Mutex<Rules>>,
}

impl Proxy {
    /// A proxy in front of the server on that port of this machine.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn in_front_of(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), rules: Arc::default() };
        let accepting = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.connect(&client, server);
            }
        });
        proxy
    }

    /// The port that it listens to on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// That URL, changed so that its connections go through the proxy.
    ///
    /// # Panics
    /// If the URL names no port.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let after = url.find("://").unwrap() + 3;
        let end = url[after..].find('/').map_or(url.len(), |end| after + end);
        let colon = url[..end].rfind(':').filter(|colon| *colon > after).expect("a port");
        format!("{}:{}{}", &url[..colon], self.port, &url[end..])
    }

    /// Delays every byte by that much, on each way.
    pub fn delay(&self, each_way: Duration) {
        self.rules().delay = each_way;
    }

    /// Cuts the first connection that reaches that point.
    pub fn cut(&self, cut: Cut) {
        self.rules().cut = Some(cut);
    }

    /// Whether the cut is still to come.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.rules().cut.is_some()
    }

    /// Swallows everything, as a dead network does; connections stay open. When the proxy no longer swallows, the bytes
    /// go through after all, as after a retransmission.
    pub fn swallow(&self, swallows: bool) {
        self.rules().held = if swallows { vec![Way::ToServer, Way::ToClient] } else { Vec::new() };
    }

    /// Holds back what goes that way, until [`heal`](Self::heal) lets it through. The other way stays open.
    pub fn hold(&self, way: Way) {
        self.rules().held = vec![way];
    }

    /// Loses what goes that way; the other way stays open. A connection that has lost bytes stays dead on that way even
    /// after [`heal`](Self::heal), as if a device on the way had forgotten it. New connections are whole then.
    pub fn lose(&self, way: Way) {
        self.rules().lost = vec![way];
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        let mut rules = self.rules();
        (rules.held, rules.lost) = (Vec::new(), Vec::new());
    }

    /// Refuses new connections.
    pub fn refuse(&self, refuses: bool) {
        self.rules().refuses = refuses;
    }

    /// Cuts all connections.
    pub fn cut_now(&self) {
        for socket in self.rules().open.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, client: &TcpStream, server: u16) {
        if self.rules().refuses {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
        for socket in [client, &server] {
            socket.set_nodelay(true).unwrap();
            let mut rules = self.rules();
            rules.open.retain(|socket| socket.peer_addr().is_ok());
            rules.open.push(socket.try_clone().unwrap());
        }
        let dead = Arc::new(AtomicBool::new(false));
        self.pump(Way::ToServer, client, &server, &dead);
        self.pump(Way::ToClient, &server, client, &dead);
    }

    /// Passes on what goes one way: one thread reads, another writes after the delay.
    fn pump(&self, way: Way, from: &TcpStream, to: &TcpStream, dead: &Arc<AtomicBool>) {
        let (mut reading, mut writing) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (proxy, dead) = (self.clone(), Arc::clone(dead));
        let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
        std::thread::spawn(move || proxy.read(way, &mut reading, Some(sender), &dead));
        let client = if way == Way::ToServer { from } else { to }.try_clone().unwrap();
        std::thread::spawn(move || {
            for (due, bytes) in receiver {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if writing.write_all(&bytes).is_err() {
                    break;
                }
            }
            // The server still reads what it was sent, and then finds the end.
            let _ = writing.shutdown(Shutdown::Write);
            let _ = client.shutdown(Shutdown::Both);
        });
    }

    fn read(
        &self,
        way: Way,
        from: &mut TcpStream,
        mut sender: Option<Sender<(Instant, Vec<u8>)>>,
        dead: &AtomicBool,
    ) {
        let mut buffer = vec![0; 1 << 16];
        // The end of the last piece: the wanted bytes may begin in it.
        let mut tail = Vec::new();
        // Whether the connection has lost bytes on this way.
        let mut has_gap = false;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut piece = &buffer[..count];
            let mut rules = self.rules();
            while rules.held.contains(&way) {
                drop(rules);
                std::thread::sleep(Duration::from_millis(5));
                rules = self.rules();
            }
            has_gap |= rules.lost.contains(&way);
            if has_gap {
                continue;
            }
            if let Some(kept) = until_cut(&mut rules.cut, way, &mut tail, piece) {
                piece = &piece[..kept];
                // No answer gets through any more.
                dead.store(true, Relaxed);
            } else if dead.load(Relaxed) {
                // Keep reading, so that the server does not notice before it has read everything that it was sent.
                continue;
            }
            let due = Instant::now() + rules.delay;
            drop(rules);
            if let Some(sender) = &sender {
                let _ = sender.send((due, piece.to_vec()));
            }
            if dead.load(Relaxed) {
                // The end of the channel is the end of the connection.
                sender = None;
            }
        }
        // The end of the connection is lost too.
        while self.rules().lost.contains(&way) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns how much of this piece is passed on, if the connection is to be cut in it.
fn until_cut(cut: &mut Option<Cut>, way: Way, tail: &mut Vec<u8>, piece: &[u8]) -> Option<usize> {
    let kept = match (&mut *cut, way) {
        (Some(Cut::ToServer(left)), Way::ToServer) | (Some(Cut::ToClient(left)), Way::ToClient) => {
            if *left > piece.len() {
                *left -= piece.len();
                return None;
            }
            *left
        }
        (Some(Cut::Before(wanted)), Way::ToServer) => found(tail, piece, wanted)?.0,
        (Some(Cut::After(wanted)), Way::ToServer) => found(tail, piece, wanted)?.1,
        _ => return None,
    };
    *cut = None;
    Some(kept)
}

/// Returns where the bytes begin and end in a piece. They may begin in the previous piece.
fn found(tail: &mut Vec<u8>, piece: &[u8], wanted: &[u8]) -> Option<(usize, usize)> {
    let before = tail.len();
    tail.extend_from_slice(piece);
    let start = tail.windows(wanted.len()).position(|window| window == wanted);
    let kept = tail.len().saturating_sub(wanted.len() - 1);
    tail.drain(..kept);
    start.map(|start| (start.saturating_sub(before), start + wanted.len() - before))
}
