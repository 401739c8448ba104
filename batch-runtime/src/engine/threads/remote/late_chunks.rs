//! Handles chunks whose results are late, and missing workers.

use std::collections::BTreeSet;
use std::mem;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::messages::FromWorker;
use super::item_codec::RemoteItemBounds;
use super::lane::{Awaited, Lanes, lock};
use super::losses::lost_message;
use super::messages::Ask;
use crate::definition::Failure;
use crate::repository::work_queue::{Fate, WorkerId};

/// How often the first lane checks whether workers must be started.
const TEND_INTERVAL: Duration = Duration::from_millis(500);
/// The minimum time between two queries for the fates of workers.
const FATE_INTERVAL: Duration = Duration::from_secs(1);

/// Handles late results and missing workers.
pub(super) struct LateChunkHandler {
    last_heard: Instant,
    last_asked: Option<Instant>,
    alone_since: Instant,
    /// Whether the user was told that no worker processes chunks.
    told: bool,
    /// Whether the user was told that a chunk is waiting for a worker.
    told_waiting: bool,
    /// Why no more workers are started.
    cannot_start: Option<String>,
    patience: Duration,
    /// The next check whether workers must be started; `None` once starting them has failed for good.
    next_tend: Option<Instant>,
}

impl LateChunkHandler {
    pub(super) fn new(patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            last_heard: now,
            last_asked: None,
            alone_since: now,
            told: false,
            told_waiting: false,
            cannot_start: None,
            patience,
            next_tend: Some(now),
        }
    }

    /// Handles what is late or missing now. The first lane calls it again and again.
    pub(super) fn handle<In: RemoteItemBounds, Out: RemoteItemBounds, X>(
        &mut self,
        lanes: &Lanes<'_, In, Out, X>,
    ) {
        let now = Instant::now();
        if lanes.is_heard.swap(false, Ordering::Relaxed) {
            self.last_heard = now;
        }
        if lanes.state.give_up.is_raised() {
            let awaited = mem::take(&mut *lock(&lanes.awaited));
            if !awaited.is_empty() {
                let stopped = Failure::new("the job was asked to stop").interrupted();
                lanes.sender.send(FromWorker::Lost(stopped));
            }
            return;
        }
        if self.next_tend.is_some_and(|next| now >= next) {
            self.next_tend = Some(now + TEND_INTERVAL);
            if let Err(failure) = lanes.exchange.ensure_workers() {
                self.next_tend = None;
                lanes.exchange.tell(&format!("the step's threads go on without workers: {failure}"));
                self.cannot_start = Some(failure.to_string());
            }
        }
        let is_connected = lanes.exchange.is_connected();
        self.look_for_losses(lanes, !is_connected);
        if !is_connected {
            // No answer will arrive, so the step's threads take the chunks now. If an answer arrives anyway, the
            // chunk still counts only once.
            lanes.exchange.set_served(false);
            let mut awaited = lock(&lanes.awaited);
            lock(&lanes.returned)
                .extend(awaited.extract_if(.., |_, it| !it.holders.has_lost()).map(|(_, it)| it));
        }
        let is_served = lanes.exchange.is_served();
        if is_served {
            (self.alone_since, self.told_waiting) = (now, false);
        } else {
            self.abandon(lanes, now);
            if !is_connected {
                return;
            }
            self.ask(lanes, now);
        }
        self.handle_late_results(lanes, now, is_served);
    }

    /// Sends late chunks again, or leaves them to the threads.
    fn handle_late_results<In: RemoteItemBounds, Out: RemoteItemBounds, X>(
        &self,
        lanes: &Lanes<'_, In, Out, X>,
        now: Instant,
        is_served: bool,
    ) {
        let begun = lanes.begun.load(Ordering::Relaxed);
        let is_silent = now - self.last_heard >= self.patience;
        let is_late = |it: &Awaited<In, Out>| {
            let is_behind = it.turn < begun || it.holders.has_lost();
            now.saturating_duration_since(it.heard) >= self.patience && (is_behind || is_silent || !is_served)
        };
        let mut awaited = lock(&lanes.awaited);
        let late: Vec<u64> =
            awaited.iter().filter(|(_, it)| is_late(it)).map(|(number, _)| *number).collect();
        let mut gone = false;
        for number in late {
            let Some(chunk) = awaited.get_mut(&number) else { continue };
            if !is_served || is_silent && chunk.sent > 1 {
                // No worker is left.
                gone |= is_served;
                if !chunk.holders.has_lost() {
                    lock(&lanes.returned).extend(awaited.remove(&number));
                }
                continue;
            }
            chunk.heard = now;
            chunk.sent += 1;
            chunk.turn = lanes.turns.fetch_add(1, Ordering::Relaxed);
            match lanes.message(&chunk.read_chunk, chunk.turn) {
                Ok(message) => lanes.exchange.send(message),
                // The chunk was serialized once before, so its items are not at fault: process it here.
                Err(failure) => {
                    let Some(chunk) = awaited.remove(&number) else { continue };
                    if chunk.holders.has_lost() {
                        lanes.fail(chunk.read_chunk, chunk.lane, failure);
                    } else {
                        lock(&lanes.returned).push(chunk);
                    }
                }
            }
        }
        drop(awaited);
        if gone {
            lanes.exchange.set_served(false);
            lanes.exchange.tell("no worker answers any more; the step's threads go on alone until one does");
        }
    }

    /// Finds the workers that were lost while they processed a chunk. If `all` is true, it asks about the workers of
    /// every chunk.
    fn look_for_losses<In: RemoteItemBounds, Out: RemoteItemBounds, X>(
        &self,
        lanes: &Lanes<'_, In, Out, X>,
        all: bool,
    ) {
        let every = (self.patience / 6).min(FATE_INTERVAL);
        let suspects: BTreeSet<WorkerId> = lock(&lanes.awaited)
            .values_mut()
            .flat_map(|it| {
                let is_new = all && !it.holders.has_lost();
                let is_silent = it.heard.elapsed() >= self.patience / 2;
                it.holders.suspects(is_new || is_silent, if is_new { Duration::ZERO } else { every })
            })
            .collect();
        for worker in suspects {
            // The repository may be slow, so no lock is held during the query.
            let fate = lanes.fate(worker);
            let mut awaited = lock(&lanes.awaited);
            let mut failed = Vec::new();
            for (number, chunk) in awaited.iter_mut() {
                if !chunk.holders.note(worker, &fate) {
                    continue;
                }
                chunk.heard = Instant::now();
                match (chunk.holders.failure(&chunk.read_chunk), &fate) {
                    (Some(failure), _) => failed.push((*number, failure)),
                    (None, Fate::Lost(name)) => lanes.exchange.tell(&lost_message(name, &chunk.read_chunk)),
                    (None, _) => {}
                }
            }
            for (number, failure) in failed {
                if let Some(Awaited { read_chunk, lane, .. }) = awaited.remove(&number) {
                    lanes.fail(read_chunk, lane, failure);
                }
            }
        }
    }

    /// Called while no worker serves the step. Fails the chunks that must not be processed here if no worker can be
    /// expected; otherwise tells the user that they wait.
    fn abandon<In: RemoteItemBounds, Out: RemoteItemBounds, X>(
        &mut self,
        lanes: &Lanes<'_, In, Out, X>,
        now: Instant,
    ) {
        let most = lanes.exchange.most_wait.filter(|most| now - self.alone_since >= *most);
        let why = match (&self.cannot_start, most) {
            (Some(why), _) => Some(why.clone()),
            (None, Some(most)) => Some(format!("none has appeared within {most:?}")),
            (None, None) => None,
        };
        let mut awaited = lock(&lanes.awaited);
        if let Some(why) = why {
            let stuck: Vec<_> = awaited.extract_if(.., |_, it| it.holders.has_lost()).collect();
            for (_, Awaited { read_chunk, lane, holders, .. }) in stuck {
                let failure = holders.abandoned(&read_chunk, &why);
                lanes.fail(read_chunk, lane, failure);
            }
        } else if !self.told_waiting
            && let Some(stuck) = awaited.values().find(|it| it.holders.has_lost())
        {
            self.told_waiting = true;
            lanes.exchange.tell(&stuck.holders.waiting_message(&stuck.read_chunk));
        }
    }

    /// Asks whether a worker is available, and tells the user if none answers.
    fn ask<In: RemoteItemBounds, Out: RemoteItemBounds, X>(
        &mut self,
        lanes: &Lanes<'_, In, Out, X>,
        now: Instant,
    ) {
        if self.last_asked.is_none_or(|last| now - last >= self.patience / 6) {
            self.last_asked = Some(now);
            match lanes.exchange.request(&Ask::Ready) {
                Ok(message) => lanes.exchange.send(message),
                Err(error) => tracing::warn!(%error, "cannot send a request to workers"),
            }
        }
        if !self.told && now - self.alone_since >= self.patience / 3 {
            self.told = true;
            let why = lock(&lanes.refusals).first().cloned();
            lanes.exchange.tell(&match why {
                Some(why) => format!("no worker processes the step's chunks, so the step's threads process them alone: {why}"),
                None => "no worker of exactly this build processes the step's chunks, so the step's threads process them alone: start one with the command `worker`".to_owned(),
            });
        }
    }
}
