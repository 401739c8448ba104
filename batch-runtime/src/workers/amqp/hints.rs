//! Carries hints as RabbitMQ messages.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::consumer::{Received, Subscription};
use super::publisher::Message;
use super::{Broker, Command, Kind, SubscriptionGuard};
use crate::repository::Ownership;
use crate::workers::hints::{Hints, Listening, Offer};

/// The version of the message format.
const VERSION: u32 = 1;
/// The maximum number of offers that one call sends. Offers only wake idle workers, so more of them would not help.
const MOST_OFFERS: u64 = 256;

/// A message. It only says where to look: the work itself is in the rows of the repository.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Hint {
    v: u32,
    /// The queue of an offer, by its name in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// The execution of a partition that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution: Option<i64>,
}

impl Hint {
    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a hint is plain JSON")
    }

    /// The hint in a message, if this version of the program understands it.
    fn of(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|hint: &Self| hint.v == VERSION)
    }
}

impl Broker {
    /// The queue for the replies to one owner of an execution. A later owner has another queue.
    fn replies_to(&self, owner: Ownership) -> String {
        self.name(&format!("replies.{}.{}", owner.execution, owner.epoch))
    }
}

impl Hints for Broker {
    fn offer(&self, queue: &str, partitions: u64) {
        let hint = Hint { v: VERSION, queue: Some(queue.to_owned()), execution: None };
        let times = partitions.min(MOST_OFFERS);
        let queue = self.name(queue);
        self.command(Command::Publish(Message::Hint { queue, kind: Kind::Offers, body: hint.body(), times }));
    }

    fn ended(&self, owner: Ownership) {
        let hint = Hint { v: VERSION, queue: None, execution: Some(owner.execution.0) };
        let queue = self.replies_to(owner);
        self.command(Command::Publish(Message::Hint {
            queue,
            kind: Kind::Replies,
            body: hint.body(),
            times: 1,
        }));
    }

    fn on_ended(&self, owner: Ownership, wake: Box<dyn Fn() + Send + Sync>) -> Box<dyn Send + Sync> {
        let receive = move |received: Received| {
            if Hint::of(&received.body).is_some_and(|hint| hint.execution == Some(owner.execution.0)) {
                wake();
            }
        };
        Box::new(self.consume_replies(self.replies_to(owner), receive))
    }

    fn on_offer(
        &self,
        queues: &[String],
        slots: u32,
        wake: Box<dyn Fn(Offer) + Send + Sync>,
    ) -> Box<dyn Listening> {
        let (idle, wanted) = watch::channel(false);
        let known: BTreeSet<String> = queues.iter().cloned().collect();
        let receive = move |received: Received| {
            let hint = Hint::of(&received.body);
            if !hint.is_some_and(|hint| hint.queue.is_some_and(|queue| known.contains(&queue))) {
                // No consumer of this queue could use the message, so remove it.
                tracing::debug!("dropped a message that is not an offer");
                return received.accept();
            }
            wake(Offer::new(move |accepted| if accepted { received.accept() } else { drop(received) }));
        };
        let subscription = self.consume(Subscription {
            queues: queues.iter().map(|queue| self.name(queue)).collect(),
            kind: Kind::Offers,
            prefetch: u16::try_from(slots).unwrap_or(u16::MAX),
            wanted,
            receive: Box::new(receive),
        });
        Box::new(Listener { idle, _subscription: subscription })
    }

    fn arrive(&self) -> bool {
        self.state.passes()
    }
}

/// A worker that consumes offers while it is idle.
struct Listener {
    idle: watch::Sender<bool>,
    _subscription: SubscriptionGuard,
}

impl Listening for Listener {
    fn set_idle(&self, idle: bool) {
        self.idle.send_if_modified(|now| std::mem::replace(now, idle) != idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_of_another_version_or_kind_is_none() {
        let hint = Hint { v: VERSION, queue: Some("q".to_owned()), execution: None };
        assert_eq!(Hint::of(&hint.body()), Some(hint));
        for body in ["", "{}", r#"{"v":2,"queue":"q"}"#, "\u{0}", r#"{"v":1,"queue":5}"#] {
            assert_eq!(Hint::of(body.as_bytes()), None, "{body}");
        }
    }
}
