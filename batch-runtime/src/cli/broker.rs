//! Connects to the RabbitMQ server that `--broker` or the environment names.

#[cfg(feature = "amqp")]
use std::sync::Arc;

use super::console::Console;
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::operator::JobOperator;
use crate::repository::Repository;
#[cfg(feature = "amqp")]
use crate::workers::RemoteChunks;
use crate::workers::{Manager, Worker};

/// The URL from the flag or the environment.
fn url(flag: Option<&str>, console: &Console) -> Result<Option<String>, Refusal> {
    if let Some(url) = flag {
        return Ok(Some(url.to_owned()));
    }
    let url = (console.environment)("BATCH_BROKER").filter(|url| !url.is_empty());
    url.map(|url| url.into_string().map_err(|_| Refusal::usage("`BATCH_BROKER` is not valid UTF-8")))
        .transpose()
}

/// Refuses a URL that cannot be used, without connecting to it. Returns whether a URL was given.
pub(super) fn check(flag: Option<&str>, console: &Console) -> Result<bool, Refusal> {
    let Some(url) = url(flag, console)? else { return Ok(false) };
    Broker::check_url(&url).map(|()| true)
}

/// Returns whether workers may process the chunks of a step of the job or of a job nested in it.
pub(super) fn has_chunks(job: &'static JobInfo) -> bool {
    #[cfg(feature = "remote-chunks")]
    return crate::engine::may_be_remote(job);
    #[cfg(not(feature = "remote-chunks"))]
    {
        let _ = job;
        false
    }
}

/// Connects if there is a URL, for a run or a worker of these jobs.
pub(super) fn open(
    flag: Option<&str>,
    jobs: &[&'static JobInfo],
    repository: &dyn Repository,
    console: &Console,
) -> Result<Option<Broker>, Refusal> {
    url(flag, console)?.map(|url| Broker::open(&url, jobs, repository, console)).transpose()
}

/// The connection.
#[cfg(feature = "amqp")]
pub(super) struct Broker {
    broker: Arc<crate::workers::Broker>,
    url: String,
}

#[cfg(feature = "amqp")]
impl Broker {
    fn check_url(url: &str) -> Result<(), Refusal> {
        crate::workers::Broker::check_url(url).map_err(|error| refusal(&error))
    }

    fn open(
        url: &str,
        jobs: &[&'static JobInfo],
        repository: &dyn Repository,
        console: &Console,
    ) -> Result<Self, Refusal> {
        if jobs.iter().any(|job| has_chunks(job)) {
            crate::workers::prepare_build();
        }
        let errors = console.err.clone();
        let broker = crate::workers::Broker::open(url, &repository.identity(), move |line| errors.line(line));
        broker
            .map(|broker| Self { broker: Arc::new(broker), url: url.to_owned() })
            .map_err(|error| refusal(&error))
    }

    /// Fails if the server does not let this user use these queues.
    pub(super) fn check(&self, queues: &[String]) -> Result<(), Refusal> {
        self.broker.check(queues).map_err(|error| refusal(&error))
    }

    /// Lets a run send hints and chunks, and the workers that it starts take chunks.
    pub(super) fn connect_run(
        self,
        manager: Manager,
        operator: JobOperator,
        replies: bool,
    ) -> (Manager, JobOperator) {
        let manager = manager.broker(self.url).hints(self.broker.clone()).replies(replies);
        let chunks = RemoteChunks::over(self.broker).started_by(&manager);
        (manager, operator.chunks(chunks))
    }

    /// Lets a worker receive hints and take chunks.
    pub(super) fn connect_worker(self, worker: Worker) -> Worker {
        worker.hints(self.broker.clone()).chunks(RemoteChunks::over(self.broker))
    }

    /// Lets a worker that its manager started take chunks. Instead of hints, it receives orders on its standard input.
    pub(super) fn connect_attached(self, worker: Worker) -> Worker {
        worker.chunks(RemoteChunks::over(self.broker))
    }
}

#[cfg(feature = "amqp")]
fn refusal(error: &crate::workers::BrokerError) -> Refusal {
    Refusal::usage(error.to_string())
}

/// Never constructed: this program has no client for RabbitMQ.
#[cfg(not(feature = "amqp"))]
pub(super) enum Broker {}

#[cfg(not(feature = "amqp"))]
impl Broker {
    fn check_url(_url: &str) -> Result<(), Refusal> {
        Err(Refusal::usage(
            "`--broker` and `BATCH_BROKER` need a program with RabbitMQ: build it with the feature `amqp`, or leave them out",
        ))
    }

    fn open(
        url: &str,
        _jobs: &[&'static JobInfo],
        _repository: &dyn Repository,
        _console: &Console,
    ) -> Result<Self, Refusal> {
        Self::check_url(url)?;
        unreachable!("every URL is refused")
    }

    pub(super) fn check(&self, _queues: &[String]) -> Result<(), Refusal> {
        match *self {}
    }

    pub(super) fn connect_run(
        self,
        _manager: Manager,
        _operator: JobOperator,
        _replies: bool,
    ) -> (Manager, JobOperator) {
        match self {}
    }

    pub(super) fn connect_worker(self, _worker: Worker) -> Worker {
        match self {}
    }

    pub(super) fn connect_attached(self, _worker: Worker) -> Worker {
        match self {}
    }
}
