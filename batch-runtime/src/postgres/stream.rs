//! The byte stream to a server, plain or with TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::PgError;
use super::poll_loop::PollLoop;
use super::socket::DriverIo;
use super::url::Encryption;
use super::wire::Address;

/// A byte stream to a server.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(DriverIo),
    #[cfg(feature = "postgres-tls")]
    Encrypted(Box<tokio_rustls::client::TlsStream<DriverIo>>),
}

impl Stream {
    /// Negotiates TLS, unless `sslmode` rules it out.
    #[cfg_attr(not(feature = "postgres-tls"), expect(clippy::unnecessary_wraps, unused_variables))]
    pub(super) fn open(
        end: DriverIo,
        address: &Address,
        encryption: &Encryption,
        poll_loop: &PollLoop,
        deadline: Instant,
    ) -> Result<(Self, TlsBinding), PgError> {
        #[cfg(feature = "postgres-tls")]
        if let Some(name) = address.name()
            && encryption.is_wanted()
        {
            return super::tls::open(end, name, encryption, poll_loop, deadline);
        }
        Ok((Self::Plain(end), TlsBinding::default()))
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut (dyn ReadWrite + '_)> {
        match self.get_mut() {
            Self::Plain(end) => Pin::new(end),
            #[cfg(feature = "postgres-tls")]
            Self::Encrypted(stream) => Pin::new(&mut **stream),
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> ReadWrite for S {}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(context)
    }
}

/// Binds the proof of the password to the connection (SCRAM channel binding), so that no man in the middle can pass
/// the proof on. The driver expects this from its TLS library. This type takes the place of that library, because the
/// stream is already encrypted.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsBinding {
    pub(super) encrypted: bool,
    /// The hash of the server's certificate.
    pub(super) to: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct BoundStream<S> {
    stream: S,
    to: Option<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for TlsBinding {
    type Stream = BoundStream<S>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<BoundStream<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        std::future::ready(Ok(BoundStream { stream, to: self.to }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for BoundStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.to.clone().map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
