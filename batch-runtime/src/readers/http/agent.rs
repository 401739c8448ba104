//! Sends requests with `ureq`, or with the user's own client.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::message::{Request, Response};
use crate::definition::BoxError;

/// The longest time that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections stay open between requests: one for each partition that reads.
const MAX_IDLE: usize = 256;

type Exchange = dyn Fn(&Request) -> Result<Response, BoxError> + Send + Sync;

/// Sends a request, and returns the answer.
#[derive(Clone)]
pub(super) enum Agent {
    /// Created by the first request.
    Ours(Arc<OnceLock<ureq::Agent>>),
    Other(Arc<Exchange>),
}

/// The reason why there is no response.
pub(super) struct NoAnswer {
    pub(super) problem: String,
    /// True if another attempt may get a response.
    pub(super) is_worth_another: bool,
}

impl Agent {
    pub(super) fn ours() -> Self {
        Self::Ours(Arc::default())
    }

    pub(super) fn other<E: Into<BoxError>>(
        client: impl Fn(&Request) -> Result<Response, E> + Send + Sync + 'static,
    ) -> Self {
        Self::Other(Arc::new(move |request| client(request).map_err(Into::into)))
    }

    pub(super) fn send(&self, request: &Request) -> Result<Response, NoAnswer> {
        match self {
            Self::Other(client) => {
                client(request).map_err(|error| NoAnswer { problem: whole(&*error), is_worth_another: true })
            }
            Self::Ours(agent) => ask(agent.get_or_init(agent_of_defaults), request).map_err(|error| {
                let is_worth_another =
                    !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Tls(_))
                        && !is_about_certificates(&error);
                NoAnswer { problem: whole(&error), is_worth_another }
            }),
        }
    }
}

/// The error with its sources.
pub(super) fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        next = source.source();
    }
    text
}

/// Sends requests with a limited time to connect, and follows no redirects.
pub(crate) fn agent_of_defaults() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        // Statuses and redirects are handled in one place, for every client.
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .max_idle_connections(MAX_IDLE)
        .max_idle_connections_per_host(MAX_IDLE)
        .user_agent(concat!("batch-runtime/", env!("CARGO_PKG_VERSION")));
    #[cfg(feature = "http-tls")]
    let config = config.tls_config(tls());
    config.build().new_agent()
}

/// Trusts the certificates that the system trusts.
#[cfg(feature = "http-tls")]
fn tls() -> ureq::tls::TlsConfig {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let found = rustls_native_certs::load_native_certs().certs;
    let roots = if found.is_empty() {
        // A minimal container has no certificates: use those that browsers trust.
        RootCerts::WebPki
    } else {
        RootCerts::new_with_certs(
            &found.iter().map(|der| Certificate::from_der(der).to_owned()).collect::<Vec<_>>(),
        )
    };
    TlsConfig::builder().root_certs(roots).build()
}

#[cfg(feature = "http-tls")]
fn is_about_certificates(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Rustls(_))
}

#[cfg(not(feature = "http-tls"))]
fn is_about_certificates(_: &ureq::Error) -> bool {
    false
}

fn ask(agent: &ureq::Agent, request: &Request) -> Result<Response, ureq::Error> {
    let mut asked = agent.get(request.url()).config().timeout_global(Some(request.timeout())).build();
    for (name, value) in request.headers() {
        asked = asked.header(name, value);
    }
    let (parts, body) = asked.call()?.into_parts();
    let answer = Response::streaming(parts.status.as_u16(), body.into_with_config().limit(u64::MAX).reader());
    Ok(parts.headers.iter().fold(answer, |answer, (name, value)| {
        answer.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()))
    }))
}
