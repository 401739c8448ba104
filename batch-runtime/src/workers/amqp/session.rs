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
use super::{BrokerError, Order, State};

/// The first pause after a failed attempt to connect; it doubles each time.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// How long an attempt to connect may take in all.
const CONNECT: Duration = Duration::from_secs(15);
/// How long to wait for the server's first answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the server may take to close the connection.
const CLOSE: Duration = Duration::from_secs(1);
/// The time between two checks of the connection's state.
const LOOK: Duration = Duration::from_secs(1);

/// The thread of the connection.
pub(super) struct Session {
    address: Address,
    orders: UnboundedReceiver<Order>,
    state: Arc<State>,
    tell: Box<dyn Fn(&str) + Send>,
    /// The subscriptions, which each new connection starts again.
    subscriptions: BTreeMap<u64, Arc<Subscription>>,
    ends: bool,
}

/// The reason why there is no connection.
enum NoConnection {
    /// Trying again may help.
    Yet(String),
    /// Trying again will not help.
    Ever(BrokerError),
}

impl Session {
    pub(super) fn new(
        address: Address,
        orders: UnboundedReceiver<Order>,
        state: Arc<State>,
        tell: Box<dyn Fn(&str) + Send>,
    ) -> Self {
        Self { address, orders, state, tell, subscriptions: BTreeMap::new(), ends: false }
    }

    /// Keeps a connection open until the order to end. Sends the outcome of the first attempt to `first`, and gives
    /// up if no attempt can ever succeed.
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
        let mut pause = SHORTEST;
        // Whether the user was told that the connection is lost.
        let mut told = false;
        while !self.ends {
            let why = match self.connect().await {
                Ok(connection) => {
                    if told {
                        (self.tell)(&format!("reconnected to RabbitMQ at {}", self.address));
                    }
                    (pause, told) = (SHORTEST, false);
                    self.state.connected.store(true, Ordering::Relaxed);
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(()));
                    }
                    let lost = self.serve(connection).await;
                    self.state.connected.store(false, Ordering::Relaxed);
                    self.state.blocked.store(false, Ordering::Relaxed);
                    lost
                }
                Err(NoConnection::Ever(error)) => match first.take() {
                    Some(first) => {
                        let _ = first.send(Err(error));
                        return;
                    }
                    None => error.to_string(),
                },
                Err(NoConnection::Yet(why)) => why,
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
            pause = (pause * 2).min(LONGEST);
        }
    }

    async fn connect(&self) -> Result<Connection, NoConnection> {
        let Address { uri, authorities } = &self.address;
        let (host, port) = (uri.authority.host.clone(), uri.authority.port);
        let place = || self.address.to_string();
        let connect = async {
            let _known = tokio::net::lookup_host((host, port)).await.map_err(|error| {
                NoConnection::Ever(BrokerError::Host { place: place(), why: error.to_string() })
            })?;
            // The client would wait forever for a server that accepts a connection and then sends nothing, so check
            // that it answers.
            if uri.scheme == AMQPScheme::AMQP {
                let spoken = speaks(&uri.authority.host, uri.authority.port).await;
                spoken.map_err(|error| match error.kind() {
                    ErrorKind::InvalidData => NoConnection::Ever(BrokerError::Protocol {
                        place: place(),
                        why: "its first byte is of another protocol".to_owned(),
                    }),
                    _ => NoConnection::Yet(error.to_string()),
                })?;
            }
            let name = format!("batch {}", std::process::id());
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            let runtime = default_runtime().map_err(|error| NoConnection::Yet(error.to_string()))?;
            let trust = OwnedTLSConfig { identity: None, cert_chain: authorities.clone() };
            Connect::connect_with_config(uri.clone(), properties, trust, runtime).await.map_err(|error| {
                match BrokerError::of_connection(&self.address, &error) {
                    Some(refused) => NoConnection::Ever(refused),
                    None => NoConnection::Yet(error.to_string()),
                }
            })
        };
        timeout(CONNECT, connect)
            .await
            .unwrap_or_else(|_| Err(NoConnection::Yet("it does not answer".to_owned())))
    }

    /// Takes orders while there is no connection, and drops messages.
    async fn idle(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while let Ok(order) = timeout_at(until, self.orders.recv()).await {
            match order {
                Some(Order::Publish(message)) => message.lose(),
                Some(Order::Consume(number, subscription)) => {
                    self.subscriptions.insert(number, subscription);
                }
                Some(Order::Cancel(number)) => {
                    self.subscriptions.remove(&number);
                }
                Some(Order::End) | None => {
                    self.ends = true;
                    return;
                }
            }
        }
    }

    /// Uses a connection until it is lost or the order to end arrives. Returns why it was lost.
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
        let mut looks = tokio::time::interval(LOOK);
        let why = loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Publish(message)) => send(&messages, message),
                    Some(Order::Consume(number, subscription)) => {
                        consumers.insert(number, start(&subscription));
                        self.subscriptions.insert(number, subscription);
                    }
                    Some(Order::Cancel(number)) => {
                        self.subscriptions.remove(&number);
                        if let Some(consumer) = consumers.remove(&number) {
                            consumer.abort();
                        }
                    }
                    Some(Order::End) | None => {
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
                _ = looks.tick() => if !connection.status().connected() {
                    break "it was closed".to_owned();
                },
            }
        };
        if self.ends {
            // Messages that were ordered before the end must still be sent.
            drop(messages);
            let _ = timeout(CLOSE, &mut publisher).await;
            let _ = timeout(CLOSE, connection.close(200, "the process ends".into())).await;
        }
        publisher.abort();
        consumers.values().for_each(AbortHandle::abort);
        why
    }
}

/// Fails if the server does not answer the first bytes of the protocol as AMQP requires.
async fn speaks(host: &str, port: u16) -> std::io::Result<()> {
    let asked = async {
        let mut stream = TcpStream::connect((host, port)).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        // The server answers with a frame, or with the version of the protocol that it speaks instead.
        match stream.read_u8().await? {
            1 | b'A' => Ok(()),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    };
    timeout(ANSWER, asked).await.unwrap_or_else(|late| Err(late.into()))
}

/// Drops the message if too many wait.
fn send(messages: &Sender<Message>, message: Message) {
    if let Err(error) = messages.try_send(message) {
        error.into_inner().lose();
    }
}
