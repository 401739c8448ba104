//! Wakes processes that wait for each other's rows.

use std::fmt;

use crate::repository::Ownership;

/// Wakes idle workers when partitions wait for them, and managers when partitions have ended.
///
/// The rows of the repository decide everything. A hint only says "look now". An implementation may lose hints, or
/// deliver them twice, late or for no reason: the run may then take longer, but its rows are the same. No method waits
/// for another process.
pub trait Hints: Send + Sync + fmt::Debug {
    /// Tells idle workers that partitions wait in a queue.
    fn offer(&self, queue: &str, partitions: u64);

    /// Tells the manager of an execution that one of its partitions has ended.
    fn ended(&self, owner: Ownership);

    /// Calls `wake` whenever a partition of this execution has ended, until the returned value is dropped.
    fn on_ended(&self, owner: Ownership, wake: Box<dyn Fn() + Send + Sync>) -> Box<dyn Send + Sync>;

    /// Calls `wake` with each offer in these queues while the worker is [idle](Listening::set_idle), until the returned
    /// value is dropped.
    fn on_offer(
        &self,
        queues: &[String],
        slots: u32,
        wake: Box<dyn Fn(Offer) + Send + Sync>,
    ) -> Box<dyn Listening>;

    /// Returns whether hints arrive, as far as this process knows. While they do not, the process polls the rows more
    /// often.
    fn arrive(&self) -> bool;
}

/// A worker that listens for offers.
pub trait Listening: Send + Sync {
    /// Says whether the worker has a free slot. A busy worker receives no offers, because an offer would have to wait
    /// for a slot.
    fn set_idle(&self, idle: bool);
}

/// An offer that a worker has received. If it is dropped without being accepted, it goes to other workers.
pub struct Offer(Option<Box<dyn FnOnce(bool) + Send>>);

impl Offer {
    /// Makes an offer. `settle` is called once: with true if the offer is accepted, with false if it is dropped.
    #[must_use]
    pub fn new(settle: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// Settles the offer. Call this after the worker has looked for a partition and has committed its claim, if any.
    pub fn accept(mut self) {
        if let Some(settle) = self.0.take() {
            settle(true);
        }
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").finish_non_exhaustive()
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_offer_is_settled_once() {
        let (settled, all) = mpsc::channel();
        let offer = || {
            let settled = settled.clone();
            Offer::new(move |accepted| settled.send(accepted).unwrap())
        };
        offer().accept();
        drop(offer());
        assert_eq!(all.try_iter().collect::<Vec<_>>(), [true, false]);
    }
}
