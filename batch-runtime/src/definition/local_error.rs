//! An error that cannot be sent to another thread: its messages are visible everywhere, the error itself only
//! on its own thread, so that rules about errors find it there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static KEPT: RefCell<BTreeMap<u64, Rc<dyn Error>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The number of the next error. It is unique in the process, so that a thread that looks up the error of another
/// thread finds none.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Represents an error that stays on its thread.
#[derive(Debug)]
pub(crate) struct LocalError {
    messages: Messages,
    number: u64,
}

impl LocalError {
    pub(crate) fn new(error: Box<dyn Error>) -> Self {
        let local = Self { messages: Messages::of(&*error), number: NEXT.fetch_add(1, Ordering::Relaxed) };
        KEPT.with_borrow_mut(|kept| kept.insert(local.number, Rc::from(error)));
        local
    }
}

impl Drop for LocalError {
    fn drop(&mut self) {
        // The user's error is dropped after the borrow has ended, since its `Drop` may do anything. If the thread
        // has ended, the error has been dropped with it.
        let kept = KEPT.try_with(|kept| kept.borrow_mut().remove(&self.number));
        drop(kept);
    }
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.messages.fmt(f)
    }
}

impl Error for LocalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.messages.source()
    }
}

/// The messages of an error and its sources.
#[derive(Debug)]
struct Messages {
    message: String,
    source: Option<Box<Messages>>,
}

impl Messages {
    fn of(error: &(dyn Error + 'static)) -> Self {
        Self { message: error.to_string(), source: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Messages {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Looks at the error itself on its own thread, and elsewhere at the error that represents it.
pub(crate) fn look<R>(error: &(dyn Error + 'static), look: impl FnOnce(&(dyn Error + 'static)) -> R) -> R {
    let kept = error
        .downcast_ref::<LocalError>()
        .and_then(|local| KEPT.with_borrow(|kept| kept.get(&local.number).cloned()));
    match kept {
        Some(kept) => look(&*kept),
        None => look(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Own(Rc<u32>);

    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "mine {}", self.0)
        }
    }

    impl Error for Own {}

    fn local() -> (Rc<u32>, LocalError) {
        let held = Rc::new(7);
        (Rc::clone(&held), LocalError::new(Box::new(Own(held))))
    }

    #[test]
    fn on_its_thread_the_error_itself_is_seen() {
        let (_, local) = local();
        assert!(look(&local, <dyn Error>::is::<Own>));
    }

    #[test]
    fn on_another_thread_its_messages_are_seen() {
        let (_, local) = local();
        let (own, text) =
            std::thread::spawn(move || look(&local, |error| (error.is::<Own>(), error.to_string())))
                .join()
                .unwrap();
        assert!(!own);
        assert_eq!(text, "mine 7");
    }

    #[test]
    fn the_error_is_dropped_with_its_representative() {
        let (held, local) = local();
        drop(local);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
