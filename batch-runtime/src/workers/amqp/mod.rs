//! Uses RabbitMQ to wake managers and workers at once, and to carry chunks.
//!
//! One thread per process talks to the server, over one connection. It reconnects whenever the connection is lost;
//! messages that were in flight may be lost, too. A sender does not wait for its message to arrive.

mod address;
mod chunks;
mod consumer;
mod error;
mod hints;
mod publisher;
mod session;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

pub use error::BrokerError;

use address::Address;
use consumer::{Received, Subscription};
use publisher::Message;
use session::Session;

/// How long `open` waits for the first connection, and `check` for the server's answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long dropping a broker waits for the connection to end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A RabbitMQ server, and the connection of this process to it.
///
/// It implements [`Hints`](super::Hints): idle workers take a partition within milliseconds, and managers notice at
/// once that a partition has ended. A run never depends on the server: while it is unreachable, managers and workers
/// poll the rows of the repository instead, and reconnect when it is back. A broker is also a
/// [`ChunkCarrier`](super::ChunkCarrier).
///
/// ```no_run
/// use std::sync::Arc;
/// use batch_runtime::repository::{Repository, sqlite::SqliteRepository};
/// use batch_runtime::workers::{Broker, Manager};
///
/// let repository = SqliteRepository::open("batch.db")?;
/// let url = "amqp://etl:secret@mq.example.com/batch";
/// let broker = Broker::open(url, &repository.identity(), |line| eprintln!("{line}"))?;
/// let manager = Manager::remote().hints(Arc::new(broker));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broker {
    commands: UnboundedSender<Command>,
    state: Arc<State>,
    /// The first part of the names of all queues, which keeps repositories apart.
    prefix: String,
    next_number: AtomicU64,
    thread: Option<(JoinHandle<()>, crossbeam_channel::Receiver<()>)>,
}

/// The current state of the connection.
#[derive(Debug, Default)]
struct State {
    connected: AtomicBool,
    /// The server accepts no messages for now, because it is short of memory or disk.
    blocked: AtomicBool,
}

impl State {
    /// Whether messages get through.
    fn passes(&self) -> bool {
        self.connected.load(Ordering::Relaxed) && !self.blocked.load(Ordering::Relaxed)
    }
}

/// A command to the thread of the connection.
enum Command {
    Publish(Message),
    Consume(u64, Arc<Subscription>),
    Cancel(u64),
    End,
}

/// A kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Holds offers for all workers.
    Offers,
    /// Holds chunks for all workers.
    Chunks,
    /// Holds replies to one process, and ends with its connection.
    Replies,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Broker {
    /// Connects to the server with a URL of the form `amqp://user:password@host:5672/vhost`, on behalf of the
    /// repository with that [identity](crate::repository::Repository::identity). `tell` is called with a message when
    /// the connection is lost or back.
    ///
    /// An unreachable server is not an error: the broker tries to connect again, first after a second, later twice a
    /// minute.
    ///
    /// # Errors
    /// If waiting cannot help: the URL is malformed, the host has no address, or the server refuses the user, the
    /// virtual host or the protocol.
    pub fn open(
        url: &str,
        identity: &str,
        tell: impl Fn(&str) + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let address = Address::parse(url)?;
        let place = address.to_string();
        let (commands, received) = tokio::sync::mpsc::unbounded_channel();
        let (first, first_outcome) = mpsc::sync_channel(1);
        let (ended, has_ended) = crossbeam_channel::bounded(1);
        let state = Arc::<State>::default();
        let session = Session::new(address, received, Arc::clone(&state), Box::new(tell));
        let thread = thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || {
                session.run(first);
                let _ = ended.send(());
            })
            .map_err(|error| BrokerError::NoThread { place: place.clone(), why: error.to_string() })?;
        // A server that does not answer in time may still do so later.
        if let Ok(Err(refused)) = first_outcome.recv_timeout(ANSWER_TIMEOUT) {
            return Err(refused);
        }
        let prefix = format!("batch.{}", identity.get(..8).unwrap_or(identity));
        Ok(Self {
            commands,
            state,
            prefix,
            next_number: AtomicU64::new(0),
            thread: Some((thread, has_ended)),
        })
    }

    /// Checks a URL without a connection.
    ///
    /// ```
    /// use batch_runtime::workers::Broker;
    ///
    /// assert!(Broker::check_url("amqp://etl:secret@mq.example.com/batch").is_ok());
    /// assert!(Broker::check_url("http://mq.example.com").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is malformed, or asks for TLS in a program without the feature `amqp-tls`.
    pub fn check_url(url: &str) -> Result<(), BrokerError> {
        Address::parse(url).map(drop)
    }

    /// Creates the queues of a [manager](super::Manager::queues) or a [worker](super::Worker::queues), as a run would
    /// do later. If the server cannot be reached, returns without an error.
    ///
    /// # Errors
    /// If the user may not declare the queues, or if queues with these names exist with other arguments.
    pub fn check(&self, queues: &[String]) -> Result<(), BrokerError> {
        let (answer, answers) = mpsc::sync_channel(1);
        let queues: Vec<String> = queues.iter().map(|queue| self.name(queue)).collect();
        self.command(Command::Publish(Message::Check { queues, answer }));
        answers.recv_timeout(ANSWER_TIMEOUT).unwrap_or(Ok(()))
    }

    /// The name of a queue on the server.
    fn name(&self, queue: &str) -> String {
        format!("{}.{queue}", self.prefix)
    }

    /// Sends a command to the thread of the connection. If that thread has ended, the process is ending too, and the
    /// command is dropped.
    fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Receives messages until the returned value is dropped.
    fn consume(&self, subscription: Subscription) -> SubscriptionGuard {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        self.command(Command::Consume(number, Arc::new(subscription)));
        SubscriptionGuard { number, commands: self.commands.clone() }
    }

    /// Receives the messages in a queue that only this process uses, until the returned value is dropped.
    fn consume_replies(&self, queue: String, receive: impl Fn(Received) + Send + Sync + 'static) -> Replies {
        let (always, wanted) = watch::channel(true);
        let subscription = self.consume(Subscription {
            queues: vec![queue],
            kind: Kind::Replies,
            prefetch: 0,
            wanted,
            receive: Box::new(receive),
        });
        Replies { _subscription: subscription, _always: always }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.command(Command::End);
        if let Some((thread, has_ended)) = self.thread.take() {
            // A server that does not answer must not delay the end of the process.
            if has_ended.recv_timeout(END_TIMEOUT).is_ok() {
                let _ = thread.join();
            }
        }
    }
}

/// Receives replies until it is dropped.
struct Replies {
    _subscription: SubscriptionGuard,
    _always: watch::Sender<bool>,
}

/// Consumes from queues until it is dropped.
struct SubscriptionGuard {
    number: u64,
    commands: UnboundedSender<Command>,
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Cancel(self.number));
    }
}
