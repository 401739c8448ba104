//! Plans the events in a modelled step, drawn at random by the model checker.

use shuttle::rand::{Rng, thread_rng};

/// Which thread reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// The workers, taking turns.
    SharedReader,
    /// A dedicated thread.
    ReaderThread,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OfInput,
    AsDone,
}

/// How a worker fails at a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fall {
    /// It reports its chunk as failed.
    Fails,
    /// It disappears together with the chunk.
    IsLost,
}

/// The answer to a request to reopen the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened,
    Refused,
    /// The taker continues without a reader.
    None,
    /// The taker leaves.
    Leaves,
}

/// The planned events. Chunks are numbered from 0.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) reads: Reads,
    pub(crate) order: Order,
    pub(crate) workers: usize,
    /// The number of them that can be started.
    pub(crate) started: usize,
    /// The number of sets of buffers per worker.
    pub(crate) each: usize,
    /// How many chunks may be done ahead of one that is not.
    pub(crate) far: u64,
    /// The chunk at which the reader ends.
    pub(crate) last: u64,
    /// True if it fails there instead.
    pub(crate) reader_fails: bool,
    /// The commit at whose notification the reader fails.
    pub(crate) unheard: Option<u64>,
    /// The chunk for which the reader is reopened.
    pub(crate) reopen: Option<(u64, Answer)>,
    /// The chunk at which a worker fails.
    pub(crate) worker: Option<(u64, Fall)>,
    /// The number of commits after which the taker leaves.
    pub(crate) leaves: Option<u64>,
}

pub(crate) fn below(limit: u64) -> u64 {
    thread_rng().gen_range(0..limit)
}

fn one_of<T: Copy>(all: &[T]) -> T {
    all[thread_rng().gen_range(0..all.len())]
}

impl Plan {
    /// Plans a step without faults.
    pub(crate) fn quiet(reads: Reads, order: Order) -> Self {
        let workers = thread_rng().gen_range(1..=3);
        Self {
            reads,
            order,
            workers,
            started: workers,
            each: thread_rng().gen_range(1..=3),
            far: one_of(&[0, 1, 1024]),
            last: below(7),
            reader_fails: false,
            unheard: None,
            reopen: None,
            worker: None,
            leaves: None,
        }
    }

    /// Returns one of the chunks.
    fn chunk(&self) -> u64 {
        below(self.last + 1)
    }

    pub(crate) fn whose_reader_fails(self) -> Self {
        Self { reader_fails: true, ..self }
    }

    pub(crate) fn with_a_worker_that(self, fall: Fall) -> Self {
        Self { worker: Some((self.chunk(), fall)), ..self }
    }

    pub(crate) fn whose_taker_leaves(self) -> Self {
        Self { leaves: Some(self.chunk()), ..self }
    }

    pub(crate) fn that_reopens(self) -> Self {
        let answer = one_of(&[Answer::Opened, Answer::Refused, Answer::None, Answer::Leaves]);
        Self { reopen: Some((self.chunk(), answer)), ..self }
    }

    pub(crate) fn whose_reader_does_not_hear(self) -> Self {
        Self { unheard: Some(self.chunk()), ..self }
    }

    pub(crate) fn of_which_some_do_not_start(self) -> Self {
        let workers = self.workers.max(2);
        // The checker needs at least one thread.
        let least = usize::from(self.reads == Reads::SharedReader);
        Self { workers, started: thread_rng().gen_range(least..workers), ..self }
    }

    /// Adds several of these events at the same time.
    pub(crate) fn with_anything(mut self) -> Self {
        self.reader_fails = below(4) == 0;
        if below(4) == 0 {
            self = self.with_a_worker_that(one_of(&[Fall::Fails, Fall::IsLost]));
        }
        if below(4) == 0 {
            self = self.whose_taker_leaves();
        }
        if below(4) == 0 {
            self = self.that_reopens();
        }
        if below(4) == 0 {
            self = self.whose_reader_does_not_hear();
        }
        self
    }

    /// Returns how the worker of a chunk fails, if it does.
    pub(crate) fn falls(&self, number: u64) -> Option<Fall> {
        self.worker.filter(|(at, _)| *at == number).map(|(_, fall)| fall)
    }

    /// Only the workers ask the taker to reopen the reader.
    pub(crate) fn asks(&self, number: u64) -> Option<Answer> {
        self.reopen
            .filter(|(at, _)| *at == number && self.reads == Reads::SharedReader)
            .map(|(_, answer)| answer)
    }

    /// Returns the first chunk that cannot be read or processed.
    pub(crate) fn fails_at(&self) -> Option<u64> {
        let read = self.reader_fails.then_some(self.last);
        let opened = self.reopen.filter(|(at, answer)| self.asks(*at).is_some() && *answer != Answer::Opened);
        let processed = self.worker.filter(|(_, fall)| *fall == Fall::Fails);
        [read, opened.map(|(at, _)| at), processed.map(|(at, _)| at)].into_iter().flatten().min()
    }
}
