//! Carries chunks between threads, as badly as it is told to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};
use std::{mem, thread};

use batch_runtime::Failure;
use batch_runtime::workers::{ChunkAnswer, ChunkCarrier, ChunkOffer, ChunkOffers, ChunkRequests, OnReply};

/// How many of a hundred messages meet each mishap.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mishaps {
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    /// Comes after messages that are sent later.
    pub(super) late: u64,
    /// Somebody sends another message in its place, or one beside it.
    pub(super) forged: u64,
    /// The worker that takes a request vanishes with it.
    pub(super) dropped: u64,
    /// The first reply to a request takes this time, if the request is the second, fourth, sixth … that a worker takes.
    pub(super) delay_of_second: Duration,
    /// The same for the first, third, fifth … request.
    pub(super) delay_of_first: Duration,
}

type Reply = Weak<OnReply>;

#[derive(Debug, Clone)]
pub(super) struct Carrier(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    mishaps: Mishaps,
    longest: usize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

struct State {
    random: u64,
    queues: HashMap<String, VecDeque<(Vec<u8>, Reply)>>,
    /// Replies that come later.
    late: Vec<(Vec<u8>, Reply)>,
    /// Some of the requests that were sent: forgeries are made from them.
    seen: Vec<Vec<u8>>,
    /// How many requests workers have taken.
    taken: u64,
    /// Nothing arrives any more.
    is_cut: bool,
}

impl State {
    /// Returns true in this many of a hundred cases.
    fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit.max(1)
    }

    fn forge(&mut self, message: &[u8]) -> Vec<u8> {
        let mut forged = message.to_vec();
        match self.below(5) {
            0 => forged.truncate(usize::try_from(self.below(forged.len() as u64)).unwrap()),
            1 => forged = (0..self.below(200)).map(|_| u8::try_from(self.below(256)).unwrap()).collect(),
            2 if !self.seen.is_empty() => {
                let which = usize::try_from(self.below(self.seen.len() as u64)).unwrap();
                forged.clone_from(&self.seen[which]);
            }
            _ => {
                for _ in 0..=self.below(4) {
                    let at = usize::try_from(self.below(forged.len() as u64)).unwrap();
                    if let Some(byte) = forged.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        forged
    }
}

impl Carrier {
    pub(super) fn new(seed: u64, mishaps: Mishaps) -> Self {
        Self::carrying(seed, mishaps, 16 * 1024 * 1024)
    }

    pub(super) fn carrying(seed: u64, mishaps: Mishaps, longest: usize) -> Self {
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let state = State {
            random,
            queues: HashMap::new(),
            late: Vec::new(),
            seen: Vec::new(),
            taken: 0,
            is_cut: false,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), arrived: Condvar::new(), mishaps, longest }))
    }

    /// Loses all messages from now on.
    pub(super) fn cut(&self) {
        let mut state = self.lock();
        state.is_cut = true;
        state.queues.clear();
        state.late.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }
}

impl ChunkCarrier for Carrier {
    fn requests(&self, queue: &str, on_reply: OnReply) -> Result<Box<dyn ChunkRequests>, Failure> {
        Ok(Box::new(Requests {
            carrier: self.clone(),
            queue: queue.to_owned(),
            on_reply: Arc::new(on_reply),
        }))
    }

    fn offers(&self, queues: &[String]) -> Result<Box<dyn ChunkOffers>, Failure> {
        Ok(Box::new(Offers { carrier: self.clone(), queues: queues.to_vec() }))
    }

    fn longest(&self) -> usize {
        self.0.longest
    }
}

struct Requests {
    carrier: Carrier,
    queue: String,
    on_reply: Arc<OnReply>,
}

impl ChunkRequests for Requests {
    fn send(&self, request: Vec<u8>) {
        assert!(request.len() <= self.carrier.0.longest);
        let mishaps = self.carrier.0.mishaps;
        let mut state = self.carrier.lock();
        if state.is_cut {
            return;
        }
        if state.seen.len() < 20 {
            state.seen.push(request.clone());
        }
        let mut messages = vec![request];
        if state.happens(mishaps.duplicated) {
            messages.push(messages[0].clone());
        }
        if state.happens(mishaps.forged) {
            let forged = state.forge(&messages[0]);
            messages.insert(0, forged);
        }
        if state.happens(mishaps.lost) {
            messages.pop();
        }
        for message in messages {
            let late = state.happens(mishaps.late);
            let queue = state.queues.entry(self.queue.clone()).or_default();
            let message = (message, Arc::downgrade(&self.on_reply));
            if late {
                queue.push_front(message);
            } else {
                queue.push_back(message);
            }
        }
        drop(state);
        self.carrier.0.arrived.notify_all();
    }
}

struct Offers {
    carrier: Carrier,
    queues: Vec<String>,
}

impl ChunkOffers for Offers {
    fn next(&mut self, most: Duration) -> Option<ChunkOffer> {
        let until = Instant::now() + most;
        let mut state = self.carrier.lock();
        loop {
            for queue in &self.queues {
                let Some((request, reply)) = state.queues.get_mut(queue).and_then(VecDeque::pop_front) else {
                    continue;
                };
                let taken = Some((queue.clone(), request.clone(), Weak::clone(&reply)));
                let mishaps = self.carrier.0.mishaps;
                state.taken += 1;
                let delay = if state.taken.is_multiple_of(2) {
                    mishaps.delay_of_second
                } else {
                    mishaps.delay_of_first
                };
                let answer = Answer { carrier: self.carrier.clone(), reply, delay: Mutex::new(delay), taken };
                if state.happens(mishaps.dropped) {
                    // Dropping the answer offers the request again.
                    drop(state);
                    drop(answer);
                    return None;
                }
                return Some(ChunkOffer { request, answer: Box::new(answer) });
            }
            let left = until.checked_duration_since(Instant::now())?;
            state = self.carrier.0.arrived.wait_timeout(state, left).unwrap().0;
        }
    }
}

struct Answer {
    carrier: Carrier,
    reply: Reply,
    /// How long the next reply takes.
    delay: Mutex<Duration>,
    taken: Option<(String, Vec<u8>, Reply)>,
}

impl ChunkAnswer for Answer {
    fn send(&self, reply: Vec<u8>) {
        thread::sleep(mem::take(&mut *self.delay.lock().unwrap()));
        let mishaps = self.carrier.0.mishaps;
        let mut state = self.carrier.lock();
        if state.is_cut {
            return;
        }
        let mut replies: Vec<(Vec<u8>, Reply)> = Vec::new();
        if state.happens(mishaps.forged) {
            replies.push((state.forge(&reply), Weak::clone(&self.reply)));
        }
        if state.happens(mishaps.duplicated) {
            replies.push((reply.clone(), Weak::clone(&self.reply)));
        }
        if state.happens(mishaps.late) {
            state.late.push((reply, Weak::clone(&self.reply)));
        } else {
            if !state.happens(mishaps.lost) {
                replies.push((reply, Weak::clone(&self.reply)));
            }
            if state.happens(50) {
                replies.append(&mut state.late);
            }
        }
        drop(state);
        for (reply, to) in replies {
            if let Some(on_reply) = to.upgrade() {
                on_reply(reply);
            }
        }
    }

    fn settle(mut self: Box<Self>) {
        self.taken = None;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some((queue, request, reply)) = self.taken.take() {
            self.carrier.lock().queues.entry(queue).or_default().push_front((request, reply));
            self.carrier.0.arrived.notify_all();
        }
    }
}
