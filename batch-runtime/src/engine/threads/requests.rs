//! Receives: a thread that serves, and those that ask it. Gives: the ways there and back.
//!
//! It serves as long as somebody could ask. Whoever waits for an answer is woken by its leaving too.

use super::sync::{Receiver, SyncSender, sync_channel};

/// The end of the thread that serves.
pub(super) struct RequestServer<Q, A> {
    asked: Receiver<(usize, Q)>,
    /// By the number of who asks; gone for those for whom there is nothing more.
    answers: Vec<Option<SyncSender<A>>>,
}

/// The end of one that asks.
pub(super) struct RequestClient<Q, A> {
    number: usize,
    ask: SyncSender<(usize, Q)>,
    answer: Receiver<A>,
}

/// The thread that serves does not leave before this is gone.
pub(super) struct ServerPresence<Q> {
    _ask: SyncSender<(usize, Q)>,
}

type Ends<Q, A> = (RequestServer<Q, A>, Vec<RequestClient<Q, A>>, ServerPresence<Q>);

/// The ends for one that serves, so many that ask, and one that says when it is over.
pub(super) fn serving<Q, A>(askers: usize) -> Ends<Q, A> {
    // Room for a question of each, so that nobody waits to ask.
    let (ask, asked) = sync_channel(askers);
    let (answers, asks) = (0..askers)
        .map(|number| {
            let (reply, answer) = sync_channel(1);
            (Some(reply), RequestClient { number, ask: ask.clone(), answer })
        })
        .unzip();
    (RequestServer { asked, answers }, asks, ServerPresence { _ask: ask })
}

impl<Q, A> RequestServer<Q, A> {
    /// Answers until nobody can ask any more. Who gets `None` gets nothing from then on.
    pub(super) fn serve<E>(&mut self, mut answer: impl FnMut(Q) -> Result<Option<A>, E>) -> Result<(), E> {
        while let Ok((number, question)) = self.asked.recv() {
            match (answer(question)?, &self.answers[number]) {
                (Some(answer), Some(reply)) => {
                    // Who asked may have left since.
                    let _ = reply.send(answer);
                }
                (None, _) => self.answers[number] = None,
                (Some(_), None) => {}
            }
        }
        Ok(())
    }
}

impl<Q, A> RequestClient<Q, A> {
    /// `None` where there is nothing more, or nobody to answer.
    pub(super) fn ask(&self, question: Q) -> Option<A> {
        self.ask.send((self.number, question)).ok()?;
        self.answer.recv().ok()
    }
}
