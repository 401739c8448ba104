//! Connects to the RabbitMQ server that `--broker` or the environment names.

use std::sync::Arc;

use super::console::Console;
use super::refusal::Refusal;
use crate::repository::Repository;
use crate::workers::Hints;
#[cfg(feature = "remote-chunks")]
use crate::workers::RemoteChunks;

/// The URL of the flag or of the environment.
fn url(flag: Option<&str>, console: &Console) -> Result<Option<String>, Refusal> {
    if let Some(url) = flag {
        return Ok(Some(url.to_owned()));
    }
    let url = (console.environment)("BATCH_BROKER").filter(|url| !url.is_empty());
    url.map(|url| url.into_string().map_err(|_| Refusal::usage("`BATCH_BROKER` is not valid UTF-8")))
        .transpose()
}

/// Returns whether the flag or the environment names a server.
#[cfg(feature = "remote-chunks")]
pub(super) fn is_named(flag: Option<&str>, console: &Console) -> bool {
    url(flag, console).is_ok_and(|url| url.is_some())
}

/// Refuses a URL that can be refused without a connection.
pub(super) fn check(flag: Option<&str>, console: &Console) -> Result<(), Refusal> {
    url(flag, console)?.map_or(Ok(()), |url| Broker::check_url(&url))
}

/// Connects if there is a URL.
pub(super) fn open(
    flag: Option<&str>,
    repository: &dyn Repository,
    console: &Console,
) -> Result<Option<Broker>, Refusal> {
    url(flag, console)?.map(|url| Broker::open(&url, repository, console)).transpose()
}

/// The connection.
#[cfg(feature = "amqp")]
pub(super) struct Broker(Arc<crate::workers::Broker>);

#[cfg(feature = "amqp")]
impl Broker {
    fn check_url(url: &str) -> Result<(), Refusal> {
        crate::workers::Broker::check_url(url).map_err(|error| refusal(&error))
    }

    fn open(url: &str, repository: &dyn Repository, console: &Console) -> Result<Self, Refusal> {
        let errors = console.err.clone();
        let broker = crate::workers::Broker::open(url, &repository.identity(), move |line| errors.line(line));
        broker.map(|broker| Self(Arc::new(broker))).map_err(|error| refusal(&error))
    }

    /// Refuses a server that does not let this user use these queues.
    pub(super) fn check(&self, queues: &[String]) -> Result<(), Refusal> {
        self.0.check(queues).map_err(|error| refusal(&error))
    }

    pub(super) fn hints(self) -> Arc<dyn Hints> {
        self.0
    }

    /// The chunks of steps with `remote`, over this server.
    #[cfg(feature = "remote-chunks")]
    pub(super) fn chunks(&self) -> RemoteChunks {
        RemoteChunks::over(Arc::clone(&self.0) as _)
    }
}

#[cfg(feature = "amqp")]
fn refusal(error: &crate::workers::BrokerError) -> Refusal {
    Refusal::usage(error.to_string())
}

/// There is none in this program.
#[cfg(not(feature = "amqp"))]
pub(super) enum Broker {}

#[cfg(not(feature = "amqp"))]
impl Broker {
    fn check_url(_url: &str) -> Result<(), Refusal> {
        Err(Refusal::usage(
            "`--broker` and `BATCH_BROKER` need a program with RabbitMQ: build it with the feature `amqp`, or leave them out",
        ))
    }

    fn open(url: &str, _repository: &dyn Repository, _console: &Console) -> Result<Self, Refusal> {
        Self::check_url(url)?;
        unreachable!("every URL is refused")
    }

    pub(super) fn check(&self, _queues: &[String]) -> Result<(), Refusal> {
        match *self {}
    }

    pub(super) fn hints(self) -> Arc<dyn Hints> {
        match self {}
    }

    #[cfg(feature = "remote-chunks")]
    pub(super) fn chunks(&self) -> RemoteChunks {
        match *self {}
    }
}
