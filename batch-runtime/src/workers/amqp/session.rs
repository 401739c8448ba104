//! The connection's thread, which reconnects whenever the connection is lost.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPScheme;
use lapin::{Connect, Connection, ConnectionProperties, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::consumer::{self, Subscription};
use super::publisher::{MOST_WAITING, Message, Publisher};
use super::{BrokerError, Command, State};

/// The first pause after a failed attempt to connect; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long an attempt to connect may take in all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long to wait for the server's first answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to close the connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The time between two checks of the connection's state.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The thread of the connection.
pub(super) struct Session {
    address: Address,
    commands: UnboundedReceiver<Command>,
    state: Arc<State>,
    tell: Box<dyn Fn(&str) + Send>,
    /// The subscriptions, which each new connection starts again.
    subscriptions: BTreeMap<u64, Arc<Subscription>>,
    ends: bool,
}

/// The reason why an attempt to connect failed.
enum ConnectFailure {
    /// Trying again may help.
    Retryable(String),
    /// Trying again will not help.
    Permanent(BrokerError),
}

impl Session {
    pub(super) fn new(
        address: Address,
        commands: UnboundedReceiver<Command>,
        state: Arc<State>,
        tell: Box<dyn Fn(&str) + Send>,
    ) -> Self {
        Self { address, commands, state, tell, subscriptions: BTreeMap::new(), ends: false }
    }

    /// Keeps a connection open until the command to end arrives. Sends the outcome of the first attempt to `first`, and
    /// gives up if no attempt can ever succeed.
    pub(super) fn run(mut self, first: mpsc::SyncSender<Result<(), BrokerError>>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let (place, why) = (self.address.to_string(), error.to_string());
                let _ = first.send(Err(BrokerError::NoThread { place, why }));
                return;
            }
        };
        runtime.block_on(self.hold(first));
        // Tasks that still settle messages or close channels must not delay the end of the process.
        runtime.shutdown_background();
    }

    async fn hold(&mut self, first: mpsc::SyncSender<Result<(), BrokerError>>) {
        let mut first = Some(first);
        let mut pause = FIRST_PAUSE;
        // Whether the user was told that the connection is lost.
        let mut told = false;
        while !self.ends {
            let why = match self.connect().await {
                Ok(connection) => {
                    if told {
                        (self.tell)(&format!("reconnected to RabbitMQ at {}", self.address));
                    }
                    (pause, told) = (FIRST_PAUSE, false);
                    self.state.connected.store(true, Ordering::Relaxed);
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(()));
                    }
                    let lost = self.serve(connection).await;
                    self.state.connected.store(false, Ordering::Relaxed);
                    self.state.blocked.store(false, Ordering::Relaxed);
                    lost
                }
                Err(ConnectFailure::Permanent(error)) => match first.take() {
                    Some(first) => {
                        let _ = first.send(Err(error));
                        return;
                    }
                    None => error.to_string(),
                },
                Err(ConnectFailure::Retryable(why)) => why,
            };
            if self.ends {
                return;
            }
            if !told {
                told = true;
                (self.tell)(&format!(
                    "no connection to RabbitMQ at {} ({why}): until it is back, managers and workers poll the repository every few seconds",
                    self.address
                ));
            }
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            self.idle(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> Result<Connection, ConnectFailure> {
        let Address { uri, authorities } = &self.address;
        let (host, port) = (uri.authority.host.clone(), uri.authority.port);
        let place = || self.address.to_string();
        let connect = async {
            let _known = tokio::net::lookup_host((host, port)).await.map_err(|error| {
                ConnectFailure::Permanent(BrokerError::Host { place: place(), why: error.to_string() })
            })?;
            // The client would wait forever for a server that accepts a connection and then sends nothing, so check
            // that it answers.
            if uri.scheme == AMQPScheme::AMQP {
                let checked = check_protocol(&uri.authority.host, uri.authority.port).await;
                checked.map_err(|error| match error.kind() {
                    ErrorKind::InvalidData => ConnectFailure::Permanent(BrokerError::Protocol {
                        place: place(),
                        why: "its answer begins like another protocol".to_owned(),
                    }),
                    _ => ConnectFailure::Retryable(error.to_string()),
                })?;
            }
            let name = format!("batch {}", std::process::id());
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            let runtime = default_runtime().map_err(|error| ConnectFailure::Retryable(error.to_string()))?;
            let trust = OwnedTLSConfig { identity: None, cert_chain: authorities.clone() };
            Connect::connect_with_config(uri.clone(), properties, trust, runtime).await.map_err(|error| {
                match BrokerError::of_connection(&self.address, &error) {
                    Some(refused) => ConnectFailure::Permanent(refused),
                    None => ConnectFailure::Retryable(error.to_string()),
                }
            })
        };
        timeout(CONNECT_TIMEOUT, connect)
            .await
            .unwrap_or_else(|_| Err(ConnectFailure::Retryable("it does not answer".to_owned())))
    }

    /// Takes commands while there is no connection, and drops messages.
    async fn idle(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Ok(command) = timeout_at(until, self.commands.recv()).await {
            match command {
                Some(Command::Publish(message)) => message.lose(),
                Some(Command::Consume(number, subscription)) => {
                    self.subscriptions.insert(number, subscription);
                }
                Some(Command::Cancel(number)) => {
                    self.subscriptions.remove(&number);
                }
                Some(Command::End) | None => {
                    self.ends = true;
                    return;
                }
            }
        }
    }

    /// Uses a connection until it is lost or the command to end arrives. Returns why it was lost.
    async fn serve(&mut self, connection: Connection) -> String {
        let mut events = pin!(connection.events_listener());
        let connection = Arc::new(connection);
        let (messages, waiting) = tokio::sync::mpsc::channel(MOST_WAITING);
        let publisher = Publisher::new(Arc::clone(&connection), Arc::clone(&self.state));
        let mut publisher = tokio::spawn(publisher.run(waiting));
        let start = |subscription: &Arc<Subscription>| {
            tokio::spawn(consumer::run(Arc::clone(&connection), Arc::clone(subscription))).abort_handle()
        };
        let mut consumers: BTreeMap<u64, AbortHandle> =
            self.subscriptions.iter().map(|(number, subscription)| (*number, start(subscription))).collect();
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        let why = loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Publish(message)) => send(&messages, message),
                    Some(Command::Consume(number, subscription)) => {
                        consumers.insert(number, start(&subscription));
                        self.subscriptions.insert(number, subscription);
                    }
                    Some(Command::Cancel(number)) => {
                        self.subscriptions.remove(&number);
                        if let Some(consumer) = consumers.remove(&number) {
                            consumer.abort();
                        }
                    }
                    Some(Command::End) | None => {
                        self.ends = true;
                        break String::new();
                    }
                },
                event = events.next() => match event {
                    // Errors of channels also arrive here, so check the connection.
                    Some(Event::Error(error)) if !connection.status().connected() => break error.to_string(),
                    Some(Event::ConnectionBlocked(why)) => {
                        self.state.blocked.store(true, Ordering::Relaxed);
                        (self.tell)(&format!("RabbitMQ at {} accepts no messages for now: {why}", self.address));
                    }
                    Some(Event::ConnectionUnblocked) => self.state.blocked.store(false, Ordering::Relaxed),
                    Some(_) => {}
                    None => break "it was closed".to_owned(),
                },
                _ = checks.tick() => if !connection.status().connected() {
                    break "it was closed".to_owned();
                },
            }
        };
        if self.ends {
            // Messages that were published before the command to end must still be sent.
            drop(messages);
            let _ = timeout(CLOSE_TIMEOUT, &mut publisher).await;
            let _ = timeout(CLOSE_TIMEOUT, connection.close(200, "the process ends".into())).await;
        }
        publisher.abort();
        consumers.values().for_each(AbortHandle::abort);
        why
    }
}

/// Fails if the server does not answer the first bytes of the protocol as AMQP requires.
async fn check_protocol(host: &str, port: u16) -> std::io::Result<()> {
    let asked = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        // The server answers with a frame, or with the version of the protocol that it speaks instead.
        match stream.read_u8().await? {
            1 | b'A' => Ok(()),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    };
    timeout(ANSWER_TIMEOUT, asked).await.unwrap_or_else(|late| Err(late.into()))
}

/// Hands the message to the publisher, or drops it if too many are waiting.
fn send(messages: &Sender<Message>, message: Message) {
    if let Err(error) = messages.try_send(message) {
        error.into_inner().lose();
    }
}
