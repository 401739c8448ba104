//! Carries the chunks of steps with `remote` to workers, and their results back: what a message broker has to offer.
//!
//! Everything here may go wrong without harm to the result. A message may be lost, duplicated, late, out of order or
//! forged: the manager sends again what stays unanswered, counts the first answer to a chunk and drops all others, and
//! neither side believes a message that is not signed with a secret of the repository.

use std::fmt;
use std::time::Duration;

use crate::definition::Failure;

/// Is called with each reply that arrives, on a thread of the carrier. It only puts the reply aside, and never blocks.
pub type OnReply = Box<dyn Fn(Vec<u8>) + Send + Sync>;

/// Carries the chunks of steps with `remote` to workers, and their results back.
///
/// A carrier that loses its broker connects again by itself. Meanwhile it drops what is sent.
///
/// ```
/// use std::sync::mpsc::{Receiver, Sender, channel};
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
/// use batch_runtime::Failure;
/// use batch_runtime::workers::{
///     ChunkAnswer, ChunkCarrier, ChunkOffer, ChunkOffers, ChunkRequests, OnReply,
/// };
///
/// /// Carries chunks from one thread of a process to another.
/// #[derive(Debug)]
/// struct Pipe {
///     send: Sender<(Vec<u8>, Arc<Answers>)>,
///     receive: Arc<Mutex<Receiver<(Vec<u8>, Arc<Answers>)>>>,
/// }
///
/// struct Answers(OnReply);
/// # impl std::fmt::Debug for Answers {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("Answers") }
/// # }
///
/// impl ChunkCarrier for Pipe {
///     fn requests(&self, _queue: &str, on_reply: OnReply) -> Result<Box<dyn ChunkRequests>, Failure> {
///         Ok(Box::new(Requests(self.send.clone(), Arc::new(Answers(on_reply)))))
///     }
///
///     fn offers(&self, _queues: &[String]) -> Result<Box<dyn ChunkOffers>, Failure> {
///         Ok(Box::new(Offers(Arc::clone(&self.receive))))
///     }
/// }
///
/// struct Requests(Sender<(Vec<u8>, Arc<Answers>)>, Arc<Answers>);
///
/// impl ChunkRequests for Requests {
///     fn send(&self, request: Vec<u8>) {
///         let _ = self.0.send((request, Arc::clone(&self.1)));
///     }
/// }
///
/// struct Offers(Arc<Mutex<Receiver<(Vec<u8>, Arc<Answers>)>>>);
///
/// impl ChunkOffers for Offers {
///     fn next(&mut self, most: Duration) -> Option<ChunkOffer> {
///         let (request, answers) = self.0.lock().unwrap().recv_timeout(most).ok()?;
///         Some(ChunkOffer { request, answer: Box::new(Answer(answers)) })
///     }
/// }
///
/// /// A request that is dropped is lost here; a broker would offer it again.
/// struct Answer(Arc<Answers>);
///
/// impl ChunkAnswer for Answer {
///     fn send(&self, reply: Vec<u8>) {
///         (self.0.0)(reply);
///     }
///
///     fn settle(self: Box<Self>) {}
/// }
///
/// let (send, receive) = channel();
/// let pipe = Pipe { send, receive: Arc::new(Mutex::new(receive)) };
/// let (replied, replies) = channel();
/// let requests = pipe.requests("of a job", Box::new(move |reply| drop(replied.send(reply))))?;
/// requests.send(b"a chunk".to_vec());
///
/// let offer = pipe.offers(&["of a job".to_owned()])?.next(Duration::from_secs(1)).unwrap();
/// offer.answer.send(b"its result".to_vec());
/// offer.answer.settle();
/// assert_eq!(replies.recv()?, b"its result");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ChunkCarrier: Send + Sync + fmt::Debug {
    /// For a manager: the way to the workers that serve that queue. `on_reply` is told each reply to a request that is sent
    /// there, for as long as the returned value exists. The queue is made if it is missing.
    ///
    /// # Errors
    /// If the carrier can never work as it is set up. A broker that is unreachable for now is no error.
    fn requests(&self, queue: &str, on_reply: OnReply) -> Result<Box<dyn ChunkRequests>, Failure>;

    /// For a worker: the requests of these queues. Each slot of a worker calls it once.
    ///
    /// # Errors
    /// As [`requests`](Self::requests).
    fn offers(&self, queues: &[String]) -> Result<Box<dyn ChunkOffers>, Failure>;

    /// The longest message that it carries, in bytes.
    fn longest(&self) -> usize {
        16 * 1024 * 1024
    }
}

/// A manager's end of a [`ChunkCarrier`]. Dropping it ends the wait for replies: those in flight are dropped.
pub trait ChunkRequests: Send + Sync {
    /// Sends a request to one of the workers. Returns at once; what cannot be sent is lost. A request that nobody has taken
    /// for ten minutes may be dropped.
    fn send(&self, request: Vec<u8>);

    /// Returns whether messages get through, as far as the carrier knows. While they do not, nobody waits for an answer.
    fn reaches(&self) -> bool {
        true
    }
}

/// The end of a worker's slot of a [`ChunkCarrier`].
pub trait ChunkOffers: Send {
    /// Waits for the next request, at most that long. It is this slot's until its answer is settled or dropped, and no
    /// further one is fetched before that: another worker may have time for it.
    fn next(&mut self, most: Duration) -> Option<ChunkOffer>;
}

/// A request that a worker has taken.
pub struct ChunkOffer {
    /// The request.
    pub request: Vec<u8>,
    /// The way back.
    pub answer: Box<dyn ChunkAnswer>,
}

impl fmt::Debug for ChunkOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkOffer").field("bytes", &self.request.len()).finish_non_exhaustive()
    }
}

/// The way back to the manager that sent a request. If it is dropped without [`settle`](Self::settle), the request is
/// offered again, to any worker. So it is when the worker dies.
pub trait ChunkAnswer: Send + Sync {
    /// Sends a reply. There may be several: a worker that works on a long chunk says so from time to time.
    fn send(&self, reply: Vec<u8>);

    /// Says that the request is done, and not to be offered again.
    fn settle(self: Box<Self>);
}
