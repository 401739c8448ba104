//! Keeps several calls of a processor in flight, and emits their results in the order of the items.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::thread;

use crate::definition::{Failure, Phase, Process, Sink, Yields};
use crate::engine::faults::retry::Noted;

/// The outcome of a call after all its attempts.
pub(crate) struct Outcome<In, R> {
    pub(crate) result: Result<R, Failure>,
    /// Present if an attempt failed.
    attempts: Option<Box<FailedAttempts<In>>>,
}

struct FailedAttempts<In> {
    /// The item, if the call still had it.
    item: Option<In>,
    retried: Noted,
}

impl<In, R> Outcome<In, R> {
    /// The outcome of a call that was retried after the failures in `retried`, with the item if the call still has it.
    pub(crate) fn new(result: Result<R, Failure>, retried: Noted, item: Option<In>) -> Self {
        let has_failed = result.is_err() || !retried.is_empty();
        Self { result, attempts: has_failed.then(|| Box::new(FailedAttempts { item, retried })) }
    }
}

/// Calls in flight.
pub(crate) trait Calls<In, R> {
    /// Starts the call with this number.
    fn start(&mut self, number: u64, item: In);

    /// Returns any call that is done, with its number.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(u64, Outcome<In, R>)>;

    /// Starts `count` threads, if the calls need them.
    fn spawn<'t>(&mut self, _count: usize, _threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        Ok(())
    }
}

/// A processor with at most `concurrency` calls in flight.
///
/// A result waits until all calls for earlier items are done. Calls in flight and waiting results together number at
/// most twice `concurrency`, so one slow call does not immediately block the others, and they do not run far ahead of
/// it. Only the oldest record may have more, if an earlier processor made many items out of it.
pub(crate) struct Window<In, R, K, C> {
    name: &'static str,
    concurrency: usize,
    calls: C,
    /// The number of the first of `slots`.
    first: u64,
    /// The calls started, in the order of the items.
    slots: VecDeque<Slot<In, R>>,
    running: usize,
    /// The items whose calls are not started yet, because the previous processor made several items out of one
    /// record, or because there was no room.
    waiting: VecDeque<(u32, In)>,
    /// The items of calls that failed at least once, with the numbers of their records.
    returned: Vec<(u32, In)>,
    /// The failures of retried calls that the caller has not taken, with the numbers of their records.
    retried: Vec<(u32, Noted)>,
    kind: PhantomData<K>,
}

struct Slot<In, R> {
    source: u32,
    state: SlotState<In, R>,
}

enum SlotState<In, R> {
    Running,
    Done(Outcome<In, R>),
    /// The record failed in an earlier processor before the result of this call was emitted.
    Discarded {
        running: bool,
    },
}

impl<In, R> Slot<In, R> {
    fn is_running(&self) -> bool {
        matches!(self.state, SlotState::Running | SlotState::Discarded { running: true })
    }
}

impl<In, R, K, C: Calls<In, R>> Window<In, R, K, C> {
    pub(crate) fn new(name: &'static str, concurrency: usize, calls: C) -> Self {
        Self {
            name,
            concurrency: concurrency.max(1),
            calls,
            first: 0,
            slots: VecDeque::new(),
            running: 0,
            waiting: VecDeque::new(),
            returned: Vec::new(),
            retried: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Returns whether a call for a record may start. The results of one record are emitted only when all its calls are
    /// done, so the oldest record may start more calls even if the window is full; otherwise it would wait for itself.
    fn may_start(&self, source: u32) -> bool {
        self.running < self.concurrency
            && (self.slots.len() < self.concurrency * 2
                || self.slots.front().is_some_and(|oldest| oldest.source == source))
    }

    fn start_call(&mut self, source: u32, item: In) {
        self.calls.start(self.first + self.slots.len() as u64, item);
        self.slots.push_back(Slot { source, state: SlotState::Running });
        self.running += 1;
    }

    fn start_waiting(&mut self) -> bool {
        let before = self.waiting.len();
        while let Some((source, _)) = self.waiting.front()
            && self.may_start(*source)
            && let Some((source, item)) = self.waiting.pop_front()
        {
            self.start_call(source, item);
        }
        self.waiting.len() < before
    }

    /// Stores the results of the calls that are done.
    fn collect_results(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.running;
        while self.running > 0
            && let Poll::Ready((number, outcome)) = self.calls.poll(context)
        {
            self.running -= 1;
            let place = usize::try_from(number - self.first).expect("the slots fit in memory");
            let slot = &mut self.slots[place];
            slot.state = match slot.state {
                SlotState::Running => SlotState::Done(outcome),
                _ => SlotState::Discarded { running: false },
            };
        }
        self.running < before
    }

    /// Returns the oldest record and the number of its slots, if all of its calls are done.
    fn oldest_group(&self) -> Option<(u32, usize)> {
        let source = self.slots.front()?.source;
        let length = self.slots.iter().take_while(|slot| slot.source == source).count();
        let is_whole =
            length < self.slots.len() || self.waiting.front().is_none_or(|(waiting, _)| *waiting != source);
        let is_done = !self.slots.iter().take(length).any(Slot::is_running);
        (is_whole && is_done).then_some((source, length))
    }

    /// Emits the results of the oldest records that are done.
    fn emit<Out>(&mut self, out: &mut impl Sink<Out>) -> Result<bool, Failure>
    where
        K: Yields<R, Out = Out>,
    {
        let name = self.name;
        let named = |failure: Failure| failure.in_component(name).during(Phase::Process);
        let mut any = false;
        while let Some((source, length)) = self.oldest_group()
            && out.takes(source)
        {
            any = true;
            self.first += length as u64;
            let mut begun = false;
            let mut failed = false;
            for slot in self.slots.drain(..length) {
                let SlotState::Done(Outcome { result, attempts }) = slot.state else { continue };
                if failed {
                    continue;
                }
                if !begun {
                    out.set_source(source);
                    begun = true;
                }
                if let Some(attempts) = attempts {
                    let FailedAttempts { item, retried } = *attempts;
                    self.returned.extend(item.map(|item| (source, item)));
                    if !retried.is_empty() {
                        let retried = retried.into_iter().map(|(failure, retry)| (named(failure), retry));
                        self.retried.push((source, retried.collect()));
                    }
                }
                let put = result.map_err(named).and_then(|returned| K::put(returned, out));
                if let Err(failure) = put {
                    failed = true;
                    out.reject(failure)?;
                }
            }
        }
        Ok(any)
    }
}

impl<In, R, K: Yields<R>, C: Calls<In, R>> Process<In> for Window<In, R, K, C> {
    type Out = K::Out;

    const CONCURRENT: bool = true;

    fn process(&mut self, item: In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        let source = out.source();
        if self.waiting.is_empty() && self.may_start(source) {
            self.start_call(source, item);
        } else {
            self.waiting.push_back((source, item));
        }
        Ok(())
    }

    fn start<'t>(&mut self, threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        self.calls.spawn(self.concurrency, threads).map_err(|failure| failure.in_component(self.name))
    }

    fn advance(&mut self, context: &mut Context<'_>, out: &mut impl Sink<K::Out>) -> Result<bool, Failure> {
        let mut any = false;
        loop {
            let mut more = self.start_waiting();
            more |= self.collect_results(context);
            more |= self.emit(out)?;
            if !more {
                return Ok(any);
            }
            any = true;
        }
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        std::mem::take(&mut self.returned)
    }

    fn take_retried(&mut self) -> Vec<(u32, Noted)> {
        std::mem::take(&mut self.retried)
    }

    fn oldest(&self) -> Option<u32> {
        let begun = self.slots.front().map(|slot| slot.source);
        begun.or_else(|| self.waiting.front().map(|(source, _)| *source))
    }

    fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.running < self.concurrency && self.slots.len() < self.concurrency * 2
    }

    fn window(&self) -> usize {
        self.concurrency
    }

    fn discard(&mut self, source: u32) {
        self.waiting.retain(|(waiting, _)| *waiting != source);
        for slot in self.slots.iter_mut().filter(|slot| slot.source == source) {
            slot.state = SlotState::Discarded { running: slot.is_running() };
        }
    }
}

impl<In, R, K, C> fmt::Debug for Window<In, R, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("name", &self.name)
            .field("concurrency", &self.concurrency)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}
