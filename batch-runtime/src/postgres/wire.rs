//! The driver's half of a session. It reads and writes only while a thread waits for the session.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Connection, Error};

use super::poll_loop::PollLoop;
use super::socket::{DriverIo, Socket};
use super::stream::Stream;
use super::tap::{Tap, TapState, TransactionState};
use super::url::Encryption;
use super::{PgError, remedy};

/// How long a request to cancel a statement may take to reach the server.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// The driver's connection, over any kind of stream.
trait Drive: Send {
    /// A parameter that the server reports.
    fn parameter(&self, name: &str) -> Option<&str>;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>>;
}

impl<S, T> Drive for Connection<S, T>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
{
    fn parameter(&self, name: &str) -> Option<&str> {
        Self::parameter(self, name)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> {
        self.poll_message(context)
    }
}

/// A server's address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    host: Host,
    /// The IP address of the host, if it is known without a look-up.
    ip: Option<IpAddr>,
    port: u16,
}

impl Address {
    pub(super) fn new(host: Host, ip: Option<IpAddr>, port: u16) -> Self {
        Self { host, ip, port }
    }

    /// The name in the server's certificate; `None` on a Unix socket, which has no TLS.
    #[cfg(feature = "postgres-tls")]
    pub(super) fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Tcp(name) => Some(name),
            Host::Unix(_) => None,
        }
    }

    pub(super) fn dial(&self, deadline: Instant) -> Result<Socket, PgError> {
        let dialled = match &self.host {
            Host::Tcp(host) => {
                let ip = self.ip.map(|ip| ip.to_string());
                Socket::dial(ip.as_deref().unwrap_or(host), self.port, deadline)
            }
            Host::Unix(folder) => Socket::dial_unix(folder, self.port),
        };
        dialled.map_err(remedy::unreachable)
    }
}

/// The connection to a server.
pub(super) struct Wire {
    pub(super) poll_loop: Arc<PollLoop>,
    /// `None` after the connection has ended.
    driver: Option<Box<dyn Drive>>,
    pub(super) state: TapState,
    /// The error that ended the connection.
    last_error: Option<Error>,
    /// Makes the error of a connection that was cut because the server did not answer.
    gave_up: Option<fn() -> PgError>,
    address: Address,
    encryption: Encryption,
    cancel: CancelToken,
}

impl Wire {
    /// Connects to the server at an address.
    pub(super) fn connect(
        address: Address,
        config: &Config,
        encryption: &Encryption,
        deadline: Instant,
    ) -> Result<(Client, Self), PgError> {
        let socket = Arc::new(address.dial(deadline)?);
        let poll_loop = Arc::new(PollLoop::new(Arc::clone(&socket)));
        let (line, binding) = Stream::open(DriverIo::of(socket), &address, encryption, &poll_loop, deadline)?;
        let (stream, state) = Tap::new(line);
        let mut config = config.clone();
        // TLS is already negotiated, so these settings keep the driver from requesting it.
        config.ssl_mode(if binding.encrypted { SslMode::Require } else { SslMode::Disable });
        config.ssl_negotiation(SslNegotiation::Direct);
        let mut connecting = pin!(config.connect_raw(stream, binding));
        let connected = poll_loop.poll_until(deadline, |context| connecting.as_mut().poll(context));
        let (client, connection) = connected.ok_or_else(remedy::silent)?.map_err(remedy::refused)?;
        let cancel = client.cancel_token();
        Ok((
            client,
            Self {
                poll_loop,
                driver: Some(Box::new(connection)),
                state,
                last_error: None,
                gave_up: None,
                address,
                encryption: encryption.clone(),
                cancel,
            },
        ))
    }

    /// Lets the driver read and write what it can without waiting.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        while let Some(driver) = &mut self.driver {
            match driver.poll(context) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => {
                    tracing::debug!("PostgreSQL: {}: {}", notice.severity(), notice.message());
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    self.last_error = Some(error);
                    self.end(context);
                }
                Poll::Ready(None) => self.end(context),
            }
        }
    }

    /// Ends the connection: all awaited answers fail.
    fn end(&mut self, context: &Context<'_>) {
        self.driver = None;
        context.waker().wake_by_ref();
    }

    /// Ends the connection without notice to the server.
    pub(super) fn cut(&mut self) {
        self.driver = None;
    }

    /// Ends the connection like [`cut`](Self::cut), because the server does not answer.
    pub(super) fn give_up(&mut self, error: fn() -> PgError) {
        self.cut();
        self.gave_up = Some(error);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_none()
    }

    /// A parameter that the server reports, such as `server_version`.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.driver.as_ref().and_then(|driver| driver.parameter(name))
    }

    pub(super) fn transaction_state(&self) -> TransactionState {
        self.state.transaction_state()
    }

    /// The error of an answer that will never arrive.
    pub(super) fn closed(&mut self) -> PgError {
        self.gave_up.map_or_else(|| PgError::closed(self.last_error.take()), |error| error())
    }

    /// Asks the server to cancel the statement that is running.
    pub(super) fn cancel(&self) -> Result<(), PgError> {
        let deadline = Instant::now() + CANCEL_TIMEOUT;
        let socket = Arc::new(self.address.dial(deadline)?);
        let poll_loop = PollLoop::new(Arc::clone(&socket));
        let (line, binding) =
            Stream::open(DriverIo::of(socket), &self.address, &self.encryption, &poll_loop, deadline)?;
        let mut asking = pin!(self.cancel.cancel_query_raw(line, binding));
        let asked = poll_loop.poll_until(deadline, |context| asking.as_mut().poll(context));
        asked.unwrap_or(Ok(())).map_err(PgError::driver)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The client is already dropped, so when the driver is polled, it ends the session and closes the connection.
        let Some(mut driver) = self.driver.take() else { return };
        let _: Poll<()> = self.poll_loop.poll(|context| {
            while let Poll::Ready(Some(Ok(_))) = driver.poll(context) {}
            Poll::Pending
        });
    }
}
