//! Carries chunks as RabbitMQ messages.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use uuid::Uuid;

use super::consumer::{Received, Subscription};
use super::publisher::{ChunkMessage, Message};
use super::{Broker, Command, Kind, Replies, State, SubscriptionGuard};
use crate::definition::Failure;
use crate::workers::chunk_carrier::{
    ChunkAnswer, ChunkCarrier, ChunkOffer, ChunkOffers, ChunkRequests, OnReply,
};

impl ChunkCarrier for Broker {
    fn requests(&self, queue: &str, on_reply: OnReply) -> Result<Box<dyn ChunkRequests>, Failure> {
        let reply_to = self.name(&format!("replies.{}", Uuid::new_v4().simple()));
        let replies = self.consume_replies(reply_to.clone(), move |mut received| {
            on_reply(std::mem::take(&mut received.body));
        });
        let (queue, commands, state) = (queue.to_owned(), self.commands.clone(), Arc::clone(&self.state));
        Ok(Box::new(Requests { queue, reply_to, commands, state, _replies: replies }))
    }

    fn offers(&self, queues: &[String]) -> Result<Box<dyn ChunkOffers>, Failure> {
        let slot = Arc::<Slot>::default();
        let (open, wanted) = watch::channel(false);
        let receive = {
            let (slot, open) = (Arc::clone(&slot), open.clone());
            move |received| slot.receive(received, &open)
        };
        let subscription = self.consume(Subscription {
            queues: queues.to_vec(),
            kind: Kind::Chunks,
            prefetch: 1,
            wanted,
            receive: Box::new(receive),
        });
        Ok(Box::new(Offers { slot, open, commands: self.commands.clone(), _subscription: subscription }))
    }
}

/// The manager's side of the carrier.
struct Requests {
    queue: String,
    reply_to: String,
    commands: UnboundedSender<Command>,
    state: Arc<State>,
    _replies: Replies,
}

impl ChunkRequests for Requests {
    fn send(&self, request: Vec<u8>) {
        let message = ChunkMessage {
            queue: self.queue.clone(),
            kind: Kind::Chunks,
            body: request,
            reply_to: Some(self.reply_to.clone()),
        };
        let _ = self.commands.send(Command::Publish(Message::Chunk(message)));
    }

    fn reaches(&self) -> bool {
        self.state.passes()
    }
}

/// A worker's slot, with the request that it has received.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    given: Condvar,
}

#[derive(Default)]
struct SlotState {
    waits: bool,
    given: Option<Received>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request if the slot is waiting for one. While a request is in progress, RabbitMQ delivers nothing more
    /// from its queue, but another queue may still deliver a request. The slot then stops all its consumers, so that
    /// other workers get that request.
    fn receive(&self, received: Received, open: &watch::Sender<bool>) {
        let mut state = self.lock();
        if state.waits && state.given.is_none() {
            state.given = Some(received);
            self.given.notify_one();
        } else {
            open.send_replace(false);
        }
    }
}

/// A worker slot's side of the carrier.
struct Offers {
    slot: Arc<Slot>,
    open: watch::Sender<bool>,
    commands: UnboundedSender<Command>,
    _subscription: SubscriptionGuard,
}

impl ChunkOffers for Offers {
    fn next(&mut self, most: Duration) -> Option<ChunkOffer> {
        let mut state = self.slot.lock();
        state.waits = true;
        self.open.send_if_modified(|open| !std::mem::replace(open, true));
        let waited = self.slot.given.wait_timeout_while(state, most, |state| state.given.is_none());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waits = false;
        let mut received = state.given.take()?;
        drop(state);
        let request = std::mem::take(&mut received.body);
        let answer = Answer { received, commands: self.commands.clone() };
        Some(ChunkOffer { request, answer: Box::new(answer) })
    }
}

/// Answers one request.
struct Answer {
    received: Received,
    commands: UnboundedSender<Command>,
}

impl ChunkAnswer for Answer {
    fn send(&self, reply: Vec<u8>) {
        // A request that names no queue for replies does not come from a manager.
        if let Some(queue) = self.received.reply_to.clone() {
            let message = ChunkMessage { queue, kind: Kind::Replies, body: reply, reply_to: None };
            let _ = self.commands.send(Command::Publish(Message::Chunk(message)));
        }
    }

    fn settle(self: Box<Self>) {
        self.received.accept();
    }
}
