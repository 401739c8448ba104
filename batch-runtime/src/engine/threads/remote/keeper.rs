//! Sees to the chunks of a step whose results are late, and to the workers that are missing.

use std::mem;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::messages::FromWorker;
use super::lane::{Lanes, lock};
use super::messages::Ask;
use super::travel::Travelling;
use crate::definition::Failure;

/// How often it looks whether workers are to be started.
const TEND: Duration = Duration::from_millis(500);

/// Sees to what is late.
pub(super) struct Keeper {
    last_heard: Instant,
    last_asked: Option<Instant>,
    alone_since: Instant,
    told: bool,
    patience: Duration,
    /// When workers are to be started next; `None` once that has failed for good.
    tends: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(patience: Duration) -> Self {
        let now = Instant::now();
        Self { last_heard: now, last_asked: None, alone_since: now, told: false, patience, tends: Some(now) }
    }

    pub(super) fn look<In: Travelling, Out: Travelling, X>(&mut self, lanes: &Lanes<'_, In, Out, X>) {
        let now = Instant::now();
        if lanes.is_heard.swap(false, Ordering::Relaxed) {
            self.last_heard = now;
        }
        if lanes.common.give_up.is_raised() {
            let awaited = mem::take(&mut *lock(&lanes.awaited));
            if !awaited.is_empty() {
                let stopped = Failure::new("the job is to stop").interrupted();
                lanes.sender.send(FromWorker::Lost(stopped));
            }
            return;
        }
        if self.tends.is_some_and(|next| now >= next) {
            self.tends = Some(now + TEND);
            if let Err(failure) = lanes.exchange.tend_workers() {
                self.tends = None;
                lanes.exchange.tell(&format!("its threads go on without workers: {failure}"));
            }
        }
        if !lanes.exchange.reaches() {
            // No answer comes, and the threads need not wait for one: a chunk that is answered all the same counts once.
            lanes.exchange.set_served(false);
            let awaited = mem::take(&mut *lock(&lanes.awaited));
            lock(&lanes.returned).extend(awaited.into_values());
            return;
        }
        let is_served = lanes.exchange.is_served();
        if is_served {
            self.alone_since = now;
        } else {
            self.ask(lanes, now);
        }
        let begun = lanes.begun.load(Ordering::Relaxed);
        let is_silent = now - self.last_heard >= self.patience;
        let mut awaited = lock(&lanes.awaited);
        let late: Vec<u64> = awaited
            .iter()
            .filter(|(_, it)| now - it.heard >= self.patience && (it.turn < begun || is_silent || !is_served))
            .map(|(number, _)| *number)
            .collect();
        let mut gone = false;
        for number in late {
            let Some(chunk) = awaited.get_mut(&number) else { continue };
            if !is_served || is_silent && chunk.sent > 1 {
                // Nobody is there any more.
                gone |= is_served;
                lock(&lanes.returned).extend(awaited.remove(&number));
                continue;
            }
            chunk.heard = now;
            chunk.sent += 1;
            chunk.turn = lanes.turns.fetch_add(1, Ordering::Relaxed);
            match lanes.message(&chunk.unit, chunk.turn) {
                Ok(message) => lanes.exchange.send(message),
                // It could be written before; it is processed here.
                Err(_) => lock(&lanes.returned).extend(awaited.remove(&number)),
            }
        }
        drop(awaited);
        if gone {
            lanes.exchange.set_served(false);
            lanes.exchange.tell("no worker answers any more; its threads go on alone until one does");
        }
    }

    /// Asks for a worker.
    fn ask<In: Travelling, Out: Travelling, X>(&mut self, lanes: &Lanes<'_, In, Out, X>, now: Instant) {
        if self.last_asked.is_none_or(|last| now - last >= self.patience / 6) {
            self.last_asked = Some(now);
            match lanes.exchange.request(&Ask::Ready) {
                Ok(message) => lanes.exchange.send(message),
                Err(error) => tracing::warn!(%error, "workers cannot be asked"),
            }
        }
        if !self.told && now - self.alone_since >= self.patience / 3 {
            self.told = true;
            let why = lock(&lanes.refusals).first().cloned();
            lanes.exchange.tell(&match why {
                Some(why) => format!("no worker processes its chunks, so its threads do it alone: {why}"),
                None => "no worker of this very build processes its chunks, so its threads do it alone: start one with the command `worker`".to_owned(),
            });
        }
    }
}
