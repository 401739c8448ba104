//! The interface of a message broker that carries the chunks of steps with `remote` to workers, and their results back.
//!
//! Everything here may go wrong without harm to the result. A message may be lost, duplicated, late, out of order or
//! forged. The manager sends unanswered chunks again, uses the first answer to a chunk, and drops all others. Neither
//! side accepts a message that is not signed with a secret from the repository.

use std::fmt;
use std::time::Duration;

use crate::definition::Failure;

/// A callback for each reply, on a thread of the carrier. It only stores the reply, and never blocks.
pub type OnReply = Box<dyn Fn(Vec<u8>) + Send + Sync>;

/// Carries the chunks of steps with `remote` to workers, and their results back.
///
/// A carrier that loses its broker reconnects by itself, and drops all messages until then.
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
    /// For a manager: sends requests to the workers that serve a queue, which is created if it is missing. `on_reply`
    /// is called with each reply for as long as the returned value exists.
    ///
    /// # Errors
    /// If the carrier can never work with its settings. An unreachable broker is not an error.
    fn requests(&self, queue: &str, on_reply: OnReply) -> Result<Box<dyn ChunkRequests>, Failure>;

    /// For a worker: receives requests from queues. Each slot of a worker calls this once.
    ///
    /// # Errors
    /// As [`requests`](Self::requests).
    fn offers(&self, queues: &[String]) -> Result<Box<dyn ChunkOffers>, Failure>;

    /// The maximum size of a message, in bytes.
    fn longest(&self) -> usize {
        16 * 1024 * 1024
    }
}

/// The manager's side of a [`ChunkCarrier`]. Dropping it drops the replies in flight.
pub trait ChunkRequests: Send + Sync {
    /// Sends a request to one of the workers. Returns at once; a request that cannot be sent is lost. A carrier may
    /// drop a request that no worker has taken for ten minutes.
    fn send(&self, request: Vec<u8>);

    /// Returns whether messages get through, as far as the carrier knows. While they do not, nobody waits for an
    /// answer.
    fn reaches(&self) -> bool {
        true
    }
}

/// A worker slot's side of a [`ChunkCarrier`].
pub trait ChunkOffers: Send {
    /// Waits for the next request, for at most `most`. The request belongs to this slot until its answer is settled
    /// or dropped. Until then the slot fetches no other request, because an idle worker could take it.
    fn next(&mut self, most: Duration) -> Option<ChunkOffer>;
}

/// A request that a worker has taken.
pub struct ChunkOffer {
    /// The request.
    pub request: Vec<u8>,
    /// Sends the replies to the request.
    pub answer: Box<dyn ChunkAnswer>,
}

impl fmt::Debug for ChunkOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkOffer").field("bytes", &self.request.len()).finish_non_exhaustive()
    }
}

/// Replies to the manager that sent a request. If this value is dropped without [`settle`](Self::settle), or if the
/// worker dies, the request is offered again to any worker.
pub trait ChunkAnswer: Send + Sync {
    /// Sends a reply. There may be several: a worker that works on a long chunk says so from time to time.
    fn send(&self, reply: Vec<u8>);

    /// Marks the request as done, so that it is not offered again.
    fn settle(self: Box<Self>);
}
