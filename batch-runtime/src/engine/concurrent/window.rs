//! Receives: items, and a way to call the user's function for several of them at once. Gives: what the calls return, in the order
//! of the items.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::thread;

use crate::definition::{Failure, Phase, Process, Sink, Yields};

/// What a call returned, or its failure with the item, where that is in hand still.
pub(crate) type Returned<In, R> = Result<R, (Failure, Option<In>)>;

/// Calls under way.
pub(crate) trait Calls<In, R> {
    /// Begins with the call that has this number.
    fn start(&mut self, number: u64, item: In);

    /// A call that is done, whichever it is.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(u64, Returned<In, R>)>;

    /// Starts so many threads, where the calls need them.
    fn spawn<'t>(&mut self, _count: usize, _threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        Ok(())
    }
}

/// A processor whose calls run side by side, `concurrency` of them at most. Calls that are done wait for those of items before
/// them: as many again at most, so that one slow call does not hold up the others at once, nor lets them run away.
pub(crate) struct Window<In, R, K, C> {
    name: &'static str,
    concurrency: usize,
    calls: C,
    /// The number of the first of `slots`.
    first: u64,
    /// Begun with, in the order of the items.
    slots: VecDeque<Slot<In, R>>,
    running: usize,
    /// Not begun with: what one item before this processor was made to, or what came in while there was no room.
    waiting: VecDeque<(u32, In)>,
    /// Items whose calls failed, with the numbers of what they stem from.
    returned: Vec<(u32, In)>,
    kind: PhantomData<K>,
}

struct Slot<In, R> {
    source: u32,
    state: SlotState<In, R>,
}

enum SlotState<In, R> {
    Running,
    Done(Returned<In, R>),
    /// The record has failed elsewhere while the call was under way.
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
            kind: PhantomData,
        }
    }

    /// May a call for a record begin? What one record was made to is put out as one, so it is never held up by itself.
    fn may_begin(&self, source: u32) -> bool {
        self.running < self.concurrency
            && (self.slots.len() < self.concurrency * 2
                || self.slots.front().is_some_and(|oldest| oldest.source == source))
    }

    fn begin(&mut self, source: u32, item: In) {
        self.calls.start(self.first + self.slots.len() as u64, item);
        self.slots.push_back(Slot { source, state: SlotState::Running });
        self.running += 1;
    }

    fn begin_waiting(&mut self) -> bool {
        let before = self.waiting.len();
        while let Some((source, _)) = self.waiting.front()
            && self.may_begin(*source)
            && let Some((source, item)) = self.waiting.pop_front()
        {
            self.begin(source, item);
        }
        self.waiting.len() < before
    }

    /// Takes in the calls that are done.
    fn take_in(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.running;
        while self.running > 0
            && let Poll::Ready((number, result)) = self.calls.poll(context)
        {
            self.running -= 1;
            let place = usize::try_from(number - self.first).expect("a slot lies in memory");
            let slot = &mut self.slots[place];
            slot.state = match slot.state {
                SlotState::Running => SlotState::Done(result.map_err(|(failure, item)| {
                    (failure.in_component(self.name).during(Phase::Process), item)
                })),
                _ => SlotState::Discarded { running: false },
            };
        }
        self.running < before
    }

    /// The slots of the oldest record, if all that it was made to is done.
    fn oldest_group(&self) -> Option<(u32, usize)> {
        let source = self.slots.front()?.source;
        let length = self.slots.iter().take_while(|slot| slot.source == source).count();
        let is_whole =
            length < self.slots.len() || self.waiting.front().is_none_or(|(waiting, _)| *waiting != source);
        let is_done = !self.slots.iter().take(length).any(Slot::is_running);
        (is_whole && is_done).then_some((source, length))
    }

    /// Puts out what is done and stands before all else.
    fn put_out<Out>(&mut self, out: &mut impl Sink<Out>) -> Result<bool, Failure>
    where
        K: Yields<R, Out = Out>,
    {
        let mut any = false;
        while let Some((source, length)) = self.oldest_group()
            && out.takes(source)
        {
            any = true;
            self.first += length as u64;
            let mut begun = false;
            let mut failed = false;
            for slot in self.slots.drain(..length) {
                let SlotState::Done(result) = slot.state else { continue };
                if failed {
                    continue;
                }
                if !begun {
                    out.set_source(source);
                    begun = true;
                }
                let put =
                    result.and_then(|returned| K::put(returned, out).map_err(|failure| (failure, None)));
                if let Err((failure, item)) = put {
                    failed = true;
                    self.returned.extend(item.map(|item| (source, item)));
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
        if self.waiting.is_empty() && self.may_begin(source) {
            self.begin(source, item);
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
            let mut more = self.begin_waiting();
            more |= self.take_in(context);
            more |= self.put_out(out)?;
            if !more {
                return Ok(any);
            }
            any = true;
        }
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        std::mem::take(&mut self.returned)
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
