//! Receives messages from queues.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, Result};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Kind;
use super::publisher::declare;

/// The pause before a consumer that was refused or cancelled tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How long to wait for an answer from the server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A subscription to queues: which queues to consume, and the function that receives their messages.
pub(super) struct Subscription {
    pub(super) queues: Vec<String>,
    pub(super) kind: Kind,
    /// The maximum number of messages that are received and not yet settled.
    pub(super) prefetch: u16,
    /// False while no messages are wanted.
    pub(super) wanted: watch::Receiver<bool>,
    pub(super) receive: Box<dyn Fn(Received) + Send + Sync>,
}

/// A received message. If it is dropped without being accepted, it goes to another consumer.
pub(super) struct Received {
    pub(super) body: Vec<u8>,
    /// The queue for replies, if the message names one.
    pub(super) reply_to: Option<String>,
    /// `None` once the message is settled, or if it needs no settling.
    delivery: Option<(Delivery, Handle)>,
}

impl Received {
    fn of(mut delivery: Delivery, kind: Kind) -> Self {
        let body = std::mem::take(&mut delivery.data);
        let reply_to = delivery.properties.reply_to().as_ref().map(ToString::to_string);
        let delivery = (kind != Kind::Replies).then(|| (delivery, Handle::current()));
        Self { body, reply_to, delivery }
    }

    /// Removes the message from its queue.
    pub(super) fn accept(mut self) {
        if let Some((delivery, runtime)) = self.delivery.take() {
            runtime.spawn(async move { delivery.acker.ack(BasicAckOptions::default()).await });
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some((delivery, runtime)) = self.delivery.take() {
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            runtime.spawn(async move { delivery.acker.nack(options).await });
        }
    }
}

/// Consumes from all queues until the connection is lost. When nobody wants messages any more, the task that runs
/// this function is aborted.
///
/// Each queue has its own channel, because a queue that the server has lost would hold up the others.
pub(super) async fn run(connection: Arc<Connection>, subscription: Arc<Subscription>) {
    join_all(subscription.queues.iter().map(|queue| run_one(&connection, &subscription, queue))).await;
}

async fn run_one(connection: &Connection, subscription: &Subscription, queue: &str) {
    let mut is_first = true;
    while connection.status().connected() {
        if let Err(error) = consume(connection, subscription, queue).await
            && is_first
        {
            tracing::warn!(queue, %error, "messages cannot be received");
            is_first = false;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn consume(connection: &Connection, subscription: &Subscription, queue: &str) -> Result<()> {
    let Subscription { kind, prefetch, .. } = subscription;
    let channel = answered(async {
        let channel = connection.create_channel().await?;
        channel.basic_qos(*prefetch, BasicQosOptions::default()).await?;
        declare(&channel, queue, *kind).await?;
        Ok(channel)
    })
    .await?;
    let consumed = consume_on(&channel, subscription, queue).await;
    if consumed.is_err() {
        // The server may confirm the consumer late, and a confirmed consumer would keep its messages. So close the
        // channel: dropping it does not close it.
        tokio::spawn(async move { channel.close(200, "".into()).await });
    }
    consumed
}

async fn consume_on(channel: &Channel, subscription: &Subscription, queue: &str) -> Result<()> {
    let Subscription { kind, wanted, receive, .. } = subscription;
    let mut wanted = wanted.clone();
    let options = BasicConsumeOptions { no_ack: *kind == Kind::Replies, ..BasicConsumeOptions::default() };
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        let consumed = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let mut messages: Consumer = answered(consumed).await?;
        loop {
            tokio::select! {
                biased;
                _ = wanted.wait_for(|wanted| !wanted) => break,
                message = messages.next() => match message {
                    Some(delivery) => receive(Received::of(delivery?, *kind)),
                    // The server has cancelled the consumer, because the queue was deleted.
                    None => return Ok(()),
                },
            }
        }
        answered(channel.basic_cancel(messages.tag(), BasicCancelOptions::default())).await?;
        // Give back the messages that have arrived in the meantime, so that other consumers get them.
        while let Some(delivery) = messages.next().await {
            drop(Received::of(delivery?, *kind));
        }
    }
    Ok(())
}

/// Waits for an answer from the server, with a time limit, because the server may have lost the queue.
pub(super) async fn answered<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(|late| Err(std::io::Error::from(late).into()))
}
