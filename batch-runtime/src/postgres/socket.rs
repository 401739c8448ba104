//! The connection to the server as a stream of bytes that never blocks. Connecting has a time limit.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The connection counts as lost if the server has not acknowledged sent data for this time.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of bytes that one call reads.
const READ_AT_ONCE: usize = 1 << 16;

/// A socket, shared by the driver, which reads from it and writes to it, and by the session, which waits for it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// Whether the last write found no room.
    full: AtomicBool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Dials the addresses of a host, one after the other, until one answers.
    pub(super) fn dial(host: &str, port: u16, deadline: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in addresses(host, port, deadline)? {
            match TcpStream::connect_timeout(&address, left(deadline)?) {
                Ok(stream) => return Self::tcp(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let socket = SockRef::from(&stream);
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(10))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(ACKNOWLEDGE_TIMEOUT))?;
        Ok(Self { stream: Stream::Tcp(stream), full: AtomicBool::new(false) })
    }

    /// Dials a server on this machine through the socket in a folder.
    pub(super) fn dial_unix(folder: &Path, port: u16) -> io::Result<Self> {
        let stream = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}")))?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream: Stream::Unix(stream), full: AtomicBool::new(false) })
    }

    /// Whether the last write found no room.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => (&mut &*stream).read(buffer),
            Stream::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn shutdown(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

/// The time left until a deadline; an error if the deadline has passed.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Looks up the addresses of a host. The system's resolver has no time limit, so it runs on a thread that may outlive
/// this call.
fn addresses(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    let (found, look) = mpsc::channel();
    std::thread::Builder::new().name("batch resolver".to_owned()).spawn(move || {
        let _ = found.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
    })?;
    look.recv_timeout(left(deadline)?).map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}

/// The driver's end of a [`Socket`].
///
/// It registers no waker: the session polls it whenever the socket is ready.
#[derive(Debug)]
pub(super) struct DriverIo {
    socket: Arc<Socket>,
    /// The buffer into which the system reads. The driver's own buffer would have to be cleared entirely for each call.
    arrived: Box<[u8]>,
}

impl DriverIo {
    pub(super) fn of(socket: Arc<Socket>) -> Self {
        Self { socket, arrived: vec![0; READ_AT_ONCE].into() }
    }
}

impl AsyncRead for DriverIo {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, arrived } = self.get_mut();
        let room = buffer.remaining().min(arrived.len());
        let read = until_not_interrupted(|| socket.read(&mut arrived[..room]));
        read.map_ok(|count| buffer.put_slice(&arrived[..count]))
    }
}

impl AsyncWrite for DriverIo {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = until_not_interrupted(|| self.socket.write(bytes));
        self.socket.full.store(written.is_pending(), Relaxed);
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown())
    }
}

fn until_not_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            done => return Poll::Ready(done),
        }
    }
}
