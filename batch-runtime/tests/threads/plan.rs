//! Random plans of what happens in a modelled step, drawn from the model checker's generator.

use shuttle::rand::{Rng, thread_rng};

/// The threads that read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// The workers, which share the reader.
    SharedReader,
    /// A dedicated thread.
    ReaderThread,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OfInput,
    AsDone,
}

/// How a worker ends at a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerEnd {
    /// Its chunk is marked as failed.
    Fails,
    /// The chunk is lost with it.
    IsLost,
}

/// The answer to a request to reopen the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened,
    Refused,
    /// The step's thread drops the request and goes on.
    None,
    /// The step's thread leaves.
    Leaves,
}

/// The events of a step. Chunks are numbered from 0.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) reads: Reads,
    pub(crate) order: Order,
    pub(crate) workers: usize,
    /// The number of them that can be started.
    pub(crate) started: usize,
    /// The number of buffer sets of each.
    pub(crate) each: usize,
    /// Whether the step's thread takes the next chunk, if it is there, before it commits one.
    pub(crate) pipelines: bool,
    /// How many chunks may be committed ahead of one that is not.
    pub(crate) max_ahead: u64,
    /// The last chunk, after which the input ends.
    pub(crate) last: u64,
    /// True if the reader fails at the last chunk instead.
    pub(crate) reader_fails: bool,
    /// The commit at whose notification the reader fails.
    pub(crate) notify_fails: Option<u64>,
    /// The chunk for which the reader is reopened.
    pub(crate) reopens: Option<(u64, Answer)>,
    /// The chunk at which a worker ends.
    pub(crate) worker: Option<(u64, WorkerEnd)>,
    /// The number of commits after which the step's thread leaves.
    pub(crate) leaves: Option<u64>,
}

pub(crate) fn below(limit: u64) -> u64 {
    thread_rng().gen_range(0..limit)
}

fn one_of<T: Copy>(all: &[T]) -> T {
    all[thread_rng().gen_range(0..all.len())]
}

impl Plan {
    /// A plan without faults.
    pub(crate) fn quiet(reads: Reads, order: Order) -> Self {
        let workers = thread_rng().gen_range(1..=3);
        Self {
            reads,
            order,
            workers,
            started: workers,
            each: thread_rng().gen_range(1..=3),
            pipelines: one_of(&[false, true]),
            max_ahead: one_of(&[0, 1, 1024]),
            last: below(7),
            reader_fails: false,
            notify_fails: None,
            reopens: None,
            worker: None,
            leaves: None,
        }
    }

    /// Draws one of the chunks.
    fn chunk(&self) -> u64 {
        below(self.last + 1)
    }

    pub(crate) fn whose_reader_fails(self) -> Self {
        Self { reader_fails: true, ..self }
    }

    pub(crate) fn with_a_worker_that(self, end: WorkerEnd) -> Self {
        Self { worker: Some((self.chunk(), end)), ..self }
    }

    pub(crate) fn whose_step_thread_leaves(self) -> Self {
        Self { leaves: Some(self.chunk()), ..self }
    }

    pub(crate) fn that_reopens(self) -> Self {
        let answer = one_of(&[Answer::Opened, Answer::Refused, Answer::None, Answer::Leaves]);
        Self { reopens: Some((self.chunk(), answer)), ..self }
    }

    pub(crate) fn whose_notification_fails(self) -> Self {
        Self { notify_fails: Some(self.chunk()), ..self }
    }

    pub(crate) fn of_which_some_do_not_start(self) -> Self {
        let workers = self.workers.max(2);
        // The checker needs at least one thread.
        let least = usize::from(self.reads == Reads::SharedReader);
        Self { workers, started: thread_rng().gen_range(least..workers), ..self }
    }

    /// Combines several faults.
    pub(crate) fn with_anything(mut self) -> Self {
        self.reader_fails = below(4) == 0;
        if below(4) == 0 {
            self = self.with_a_worker_that(one_of(&[WorkerEnd::Fails, WorkerEnd::IsLost]));
        }
        if below(4) == 0 {
            self = self.whose_step_thread_leaves();
        }
        if below(4) == 0 {
            self = self.that_reopens();
        }
        if below(4) == 0 {
            self = self.whose_notification_fails();
        }
        self
    }

    /// Returns how the worker ends at that chunk, if it does.
    pub(crate) fn worker_end(&self, number: u64) -> Option<WorkerEnd> {
        self.worker.filter(|(at, _)| *at == number).map(|(_, end)| end)
    }

    /// Returns the answer to the request made at that chunk, if any. Only workers that share the reader make
    /// one.
    pub(crate) fn request_at(&self, number: u64) -> Option<Answer> {
        self.reopens
            .filter(|(at, _)| *at == number && self.reads == Reads::SharedReader)
            .map(|(_, answer)| answer)
    }

    /// Returns the first chunk that cannot be read or processed.
    pub(crate) fn fails_at(&self) -> Option<u64> {
        let read = self.reader_fails.then_some(self.last);
        let opened =
            self.reopens.filter(|(at, answer)| self.request_at(*at).is_some() && *answer != Answer::Opened);
        let processed = self.worker.filter(|(_, end)| *end == WorkerEnd::Fails);
        [read, opened.map(|(at, _)| at), processed.map(|(at, _)| at)].into_iter().flatten().min()
    }
}
