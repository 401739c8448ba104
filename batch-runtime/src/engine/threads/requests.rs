//! A request channel with replies: one thread answers the requests of several others.
//!
//! The server runs as long as a client or its [`ServerPresence`] exists. A client that waits for a reply is
//! also woken when the server leaves.

use super::sync::{Receiver, SyncSender, sync_channel};

/// The server's end.
pub(super) struct RequestServer<Q, A> {
    requests: Receiver<(usize, Q)>,
    /// The reply channels by client; `None` for a client that was told that there is nothing more.
    replies: Vec<Option<SyncSender<A>>>,
}

/// A client's end.
pub(super) struct RequestClient<Q, A> {
    number: usize,
    requests: SyncSender<(usize, Q)>,
    replies: Receiver<A>,
}

/// Keeps the server running until it is dropped.
pub(super) struct ServerPresence<Q> {
    _requests: SyncSender<(usize, Q)>,
}

type Ends<Q, A> = (RequestServer<Q, A>, Vec<RequestClient<Q, A>>, ServerPresence<Q>);

/// Makes the ends of the server and of `clients` clients, and the presence that keeps the server running.
pub(super) fn request_channel<Q, A>(clients: usize) -> Ends<Q, A> {
    // There is room for a request of each client, so that sending never blocks.
    let (sender, requests) = sync_channel(clients);
    let (replies, clients) = (0..clients)
        .map(|number| {
            let (reply, replies) = sync_channel(1);
            (Some(reply), RequestClient { number, requests: sender.clone(), replies })
        })
        .unzip();
    (RequestServer { requests, replies }, clients, ServerPresence { _requests: sender })
}

impl<Q, A> RequestServer<Q, A> {
    /// Answers requests until all clients and the presence are dropped. If `answer` returns `None` for a client, that
    /// client gets no more replies.
    pub(super) fn serve<E>(&mut self, mut answer: impl FnMut(Q) -> Result<Option<A>, E>) -> Result<(), E> {
        while let Ok((number, request)) = self.requests.recv() {
            match (answer(request)?, &self.replies[number]) {
                (Some(answer), Some(reply)) => {
                    // The client may have left since it sent the request.
                    let _ = reply.send(answer);
                }
                (None, _) => self.replies[number] = None,
                (Some(_), None) => {}
            }
        }
        Ok(())
    }
}

impl<Q, A> RequestClient<Q, A> {
    /// Sends a request and waits for the reply; `None` if there is nothing more, or the server has left.
    pub(super) fn request(&self, request: Q) -> Option<A> {
        self.requests.send((self.number, request)).ok()?;
        self.replies.recv().ok()
    }
}
