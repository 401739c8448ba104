//! Sends messages in order.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, Result};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::consumer::answered;
use super::{BrokerError, Kind, State};

/// The maximum number of messages that wait to be sent. Further ones are dropped.
pub(super) const MOST_WAITING: usize = 1_000;
/// The time between two checks whether the server accepts messages again.
const BLOCKED_PAUSE: Duration = Duration::from_millis(100);
/// How long RabbitMQ keeps a message that no worker takes, in milliseconds.
const KEEP_MESSAGE: u32 = 10 * 60 * 1_000;
/// How long RabbitMQ keeps replies, and their queue, while nobody reads them, in milliseconds.
const KEEP_REPLY: u32 = 60 * 1_000;
/// How long RabbitMQ keeps a queue that nobody uses, in milliseconds.
const KEEP_QUEUE: u32 = 60 * 60 * 1_000;

/// A command to the publisher.
pub(super) enum Message {
    /// A hint, sent `times` times.
    Hint { queue: String, kind: Kind, body: Vec<u8>, times: u64 },
    /// A chunk or its result. It waits while the server accepts no messages.
    Chunk(ChunkMessage),
    /// Declares queues, and reports whether they can be used.
    Check { queues: Vec<String>, answer: mpsc::SyncSender<std::result::Result<(), BrokerError>> },
}

/// A chunk, or its result.
pub(super) struct ChunkMessage {
    pub(super) queue: String,
    pub(super) kind: Kind,
    pub(super) body: Vec<u8>,
    /// The queue for the reply.
    pub(super) reply_to: Option<String>,
}

impl Message {
    /// Drops the message, because there is no connection or too many messages are waiting.
    pub(super) fn lose(self) {
        match self {
            Self::Hint { .. } | Self::Chunk(_) => {}
            Self::Check { answer, .. } => {
                let _ = answer.send(Ok(()));
            }
        }
    }
}

/// Sends messages over one connection.
pub(super) struct Publisher {
    connection: Arc<Connection>,
    state: Arc<State>,
    channel: Option<Channel>,
    /// The queues that were declared on the current channel, so they exist.
    declared: BTreeSet<String>,
}

impl Publisher {
    pub(super) fn new(connection: Arc<Connection>, state: Arc<State>) -> Self {
        Self { connection, state, channel: None, declared: BTreeSet::new() }
    }

    /// Sends until there is nothing more to send, or the connection is lost.
    pub(super) async fn run(mut self, mut messages: Receiver<Message>) {
        // Open the channel first: the number of channels is limited, and consumers could use them all.
        if let Err(error) = self.channel().await {
            tracing::warn!(%error, "cannot open a channel for messages");
        }
        while let Some(message) = messages.recv().await {
            match message {
                Message::Hint { queue, kind, body, times } => {
                    // While the server accepts no messages, drop hints: they are not worth waiting for.
                    if self.state.blocked.load(Ordering::Relaxed) {
                        continue;
                    }
                    let properties = BasicProperties::default();
                    for _ in 0..times {
                        if !self.send(&queue, kind, &body, properties.clone()).await {
                            break;
                        }
                    }
                }
                Message::Chunk(ChunkMessage { queue, kind, body, reply_to }) => {
                    while self.state.blocked.load(Ordering::Relaxed) {
                        sleep(BLOCKED_PAUSE).await;
                    }
                    let properties = BasicProperties::default();
                    let properties = match reply_to {
                        Some(queue) => properties.with_reply_to(queue.as_str().into()),
                        None => properties,
                    };
                    self.send(&queue, kind, &body, properties).await;
                }
                Message::Check { queues, answer } => {
                    let _ = answer.send(self.check(&queues).await);
                }
            }
            if !self.connection.status().connected() {
                return;
            }
        }
    }

    /// Returns whether the message was sent.
    async fn send(&mut self, queue: &str, kind: Kind, body: &[u8], properties: BasicProperties) -> bool {
        let sent = async {
            // A reply queue belongs to its process. While the queue does not exist, nobody waits for replies.
            if kind != Kind::Replies {
                self.declare(queue, kind).await?;
            }
            let channel = self.channel().await?;
            channel
                .basic_publish("".into(), queue.into(), BasicPublishOptions::default(), body, properties)
                .await
        };
        let sent = sent.await;
        if let Err(error) = &sent {
            tracing::warn!(queue, %error, "a message cannot be sent");
            self.channel = None;
        }
        sent.is_ok()
    }

    async fn check(&mut self, queues: &[String]) -> std::result::Result<(), BrokerError> {
        for queue in queues {
            if let Err(error) = self.declare(queue, Kind::Offers).await {
                self.channel = None;
                BrokerError::of_queue(queue, &error).map_or(Ok(()), Err)?;
            }
        }
        Ok(())
    }

    async fn declare(&mut self, queue: &str, kind: Kind) -> Result<()> {
        if !self.declared.contains(queue) {
            let channel = self.channel().await?;
            answered(declare(&channel, queue, kind)).await?;
            self.declared.insert(queue.to_owned());
        }
        Ok(())
    }

    /// Returns the open channel, or opens a new one, because an error closes the channel.
    async fn channel(&mut self) -> Result<Channel> {
        match &self.channel {
            Some(channel) if channel.status().connected() => Ok(channel.clone()),
            _ => {
                self.declared.clear();
                let channel = self.connection.create_channel().await?;
                Ok(self.channel.insert(channel).clone())
            }
        }
    }
}

/// Makes sure that a queue exists. All processes declare it with the same arguments.
pub(super) async fn declare(channel: &Channel, queue: &str, kind: Kind) -> Result<()> {
    let mut arguments = FieldTable::default();
    let options = match kind {
        Kind::Offers => {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            arguments.insert("x-message-ttl".into(), AMQPValue::LongUInt(KEEP_MESSAGE));
            arguments.insert("x-expires".into(), AMQPValue::LongUInt(KEEP_QUEUE));
            QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
        }
        // These messages need not survive a crash of the server: they are large, and the manager keeps a copy of each
        // chunk.
        Kind::Chunks => {
            arguments.insert("x-message-ttl".into(), AMQPValue::LongUInt(KEEP_MESSAGE));
            arguments.insert("x-expires".into(), AMQPValue::LongUInt(KEEP_QUEUE));
            QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
        }
        Kind::Replies => {
            arguments.insert("x-message-ttl".into(), AMQPValue::LongUInt(KEEP_REPLY));
            arguments.insert("x-expires".into(), AMQPValue::LongUInt(KEEP_REPLY));
            QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() }
        }
    };
    channel.queue_declare(queue.into(), options, arguments).await.map(drop)
}
