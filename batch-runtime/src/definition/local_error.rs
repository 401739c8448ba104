//! Receives: an error that cannot be sent to another thread. Gives: its messages everywhere, and on its own thread the error
//! itself, so that rules about errors find it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static KEPT: RefCell<BTreeMap<u64, Rc<dyn Error>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Unique in the process: one thread never finds an error of another under its number.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Stands for an error that stays on its thread.
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
        // What the user's error does when it is dropped comes after the borrow has ended. A thread that ends has dropped all.
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

/// Looks at the error itself, where it is one of this thread; else at what stands for it.
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
    fn the_error_is_dropped_with_what_stands_for_it() {
        let (held, local) = local();
        drop(local);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
