//! Receives: nothing. Gives: what happens in a step that is modelled, drawn by the model checker.

use shuttle::rand::{Rng, thread_rng};

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// The workers, in turns.
    SharedReader,
    /// A thread of its own.
    ReaderThread,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OfInput,
    AsDone,
}

/// How a worker ends at a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fall {
    /// Its chunk says that it failed.
    Fails,
    /// The chunk goes with it.
    IsLost,
}

/// What comes of a request to open the reader anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened,
    Refused,
    /// The taker goes on without one.
    None,
    /// The taker leaves.
    Leaves,
}

/// What happens. Chunks have numbers from 0.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) reads: Reads,
    pub(crate) order: Order,
    pub(crate) workers: usize,
    /// So many of them can be started.
    pub(crate) started: usize,
    /// Sets of buffers of each.
    pub(crate) each: usize,
    /// How many chunks may be done behind one that is not.
    pub(crate) far: u64,
    /// The chunk at which the reader is at its end.
    pub(crate) last: u64,
    /// It fails there instead.
    pub(crate) reader_fails: bool,
    /// The commit of which the reader cannot take note.
    pub(crate) unheard: Option<u64>,
    /// The chunk for which the reader is opened anew.
    pub(crate) anew: Option<(u64, Answer)>,
    /// The chunk at which a worker ends.
    pub(crate) worker: Option<(u64, Fall)>,
    /// After so many commits the taker leaves.
    pub(crate) leaves: Option<u64>,
}

pub(crate) fn below(limit: u64) -> u64 {
    thread_rng().gen_range(0..limit)
}

fn one_of<T: Copy>(all: &[T]) -> T {
    all[thread_rng().gen_range(0..all.len())]
}

impl Plan {
    /// Everything goes well.
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
            anew: None,
            worker: None,
            leaves: None,
        }
    }

    /// One of the chunks.
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

    pub(crate) fn that_opens_anew(self) -> Self {
        let answer = one_of(&[Answer::Opened, Answer::Refused, Answer::None, Answer::Leaves]);
        Self { anew: Some((self.chunk(), answer)), ..self }
    }

    pub(crate) fn whose_reader_does_not_hear(self) -> Self {
        Self { unheard: Some(self.chunk()), ..self }
    }

    pub(crate) fn of_which_some_do_not_start(self) -> Self {
        let workers = self.workers.max(2);
        // The checker wants a thread at least.
        let least = usize::from(self.reads == Reads::SharedReader);
        Self { workers, started: thread_rng().gen_range(least..workers), ..self }
    }

    /// Several of these at once.
    pub(crate) fn with_anything(mut self) -> Self {
        self.reader_fails = below(4) == 0;
        if below(4) == 0 {
            self = self.with_a_worker_that(one_of(&[Fall::Fails, Fall::IsLost]));
        }
        if below(4) == 0 {
            self = self.whose_taker_leaves();
        }
        if below(4) == 0 {
            self = self.that_opens_anew();
        }
        if below(4) == 0 {
            self = self.whose_reader_does_not_hear();
        }
        self
    }

    /// What a worker makes of a chunk.
    pub(crate) fn falls(&self, number: u64) -> Option<Fall> {
        self.worker.filter(|(at, _)| *at == number).map(|(_, fall)| fall)
    }

    /// Nobody but the workers asks the taker for a reader.
    pub(crate) fn asks(&self, number: u64) -> Option<Answer> {
        self.anew
            .filter(|(at, _)| *at == number && self.reads == Reads::SharedReader)
            .map(|(_, answer)| answer)
    }

    /// The first chunk that cannot be read or processed.
    pub(crate) fn fails_at(&self) -> Option<u64> {
        let read = self.reader_fails.then_some(self.last);
        let opened = self.anew.filter(|(at, answer)| self.asks(*at).is_some() && *answer != Answer::Opened);
        let processed = self.worker.filter(|(_, fall)| *fall == Fall::Fails);
        [read, opened.map(|(at, _)| at), processed.map(|(at, _)| at)].into_iter().flatten().min()
    }
}
