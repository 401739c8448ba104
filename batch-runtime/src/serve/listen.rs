//! The address on which the page listens, and the loop that accepts connections.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use super::connection::{self, Stream};

/// The maximum number of open connections. Further ones wait.
const CONNECTIONS: usize = 256;
/// The pause after a connection that could not be accepted, for example for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// `127.0.0.1:8765`
    Tcp(SocketAddr),
    /// `unix:/run/batch.sock`
    Unix(PathBuf),
}

impl Listen {
    /// The loopback address, which only this machine can reach.
    pub(crate) const DEFAULT: Self = Self::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_765));

    /// Returns whether only this machine can reach the address.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>().ok();
        let on_loopback = port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        on_loopback.or_else(|| text.parse().ok()).map(Self::Tcp).ok_or_else(|| {
            "expected an address and a port such as 127.0.0.1:8765, a port alone, or unix:/run/batch.sock"
                .to_owned()
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(std::net::TcpListener, SocketAddr),
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// If another process is listening there, or this process is not allowed to.
    pub(crate) fn bind(on: &Listen) -> io::Result<Self> {
        match on {
            Listen::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                Ok(Self::Tcp(listener, address))
            }
            Listen::Unix(path) => {
                remove_dead(path)?;
                let listener = std::os::unix::net::UnixListener::bind(path)?;
                // A reverse proxy in the same group may connect.
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener, path.clone()))
            }
        }
    }

    /// The address, with the port that the system has chosen for port 0; `None` for a file.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            Self::Unix(..) => None,
        }
    }
}

/// Removes the socket of a server that was killed.
fn remove_dead(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(is_refused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Answers requests until a signal asks the process to end.
pub(super) async fn serve(listener: Listener, router: Router) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let socket = match &listener {
        Listener::Unix(_, path) => Some(path.clone()),
        Listener::Tcp(..) => None,
    };
    let accepted = tokio::select! {
        accepted = accept(listener, router) => accepted,
        () = either(&mut interrupt, &mut terminate) => Ok(()),
    };
    if let Some(path) = socket {
        // Somebody may have removed the socket already.
        let _ = fs::remove_file(path);
    }
    accepted
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

async fn accept(listener: Listener, router: Router) -> io::Result<()> {
    let accepting = match listener {
        Listener::Tcp(listener, _) => Accepting::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener, _) => Accepting::Unix(UnixListener::from_std(listener)?),
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
        let accepted = match &accepting {
            Accepting::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Accepting::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        };
        match accepted {
            Ok(stream) => {
                let router = router.clone();
                tokio::spawn(async move {
                    connection::serve(stream, router).await;
                    drop(permit);
                });
            }
            // The client has gone, or the system is short of resources.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port_alone_or_a_file() {
        for (text, expected) in [
            ("8000", "127.0.0.1:8000"),
            (":8000", "127.0.0.1:8000"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
            ("unix:/run/batch.sock", "unix:/run/batch.sock"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), expected);
        }
        for text in ["", "localhost", "unix:", "1.2.3.4", "99999"] {
            assert!(text.parse::<Listen>().unwrap_err().starts_with("expected an address"), "{text}");
        }
    }

    #[test]
    fn only_loopback_and_files_are_local() {
        let is_local = |text: &str| text.parse::<Listen>().unwrap().is_local();
        assert!(is_local("8000") && is_local("[::1]:80") && is_local("unix:/run/batch.sock"));
        assert!(!is_local("0.0.0.0:80") && !is_local("192.168.0.7:80"));
    }
}
