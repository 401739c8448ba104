//! Receives: a call of user code that may panic. Gives: the panic as a failure with its message and its place in the
//! source.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::definition::{Failure, take_passed};

thread_local! {
    /// True while user code runs on this thread under [`catch`].
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// What the hook saw of the panic that is being caught.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The payload of a panic holds no location; only the hook is told. Ours steps in for threads that catch, and leaves all
/// others to the hook that was there before.
fn install_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                return before(info);
            }
            SEEN.set(Some(describe(info)));
            // Whoever asks for a backtrace gets it from the hook that knows how.
            if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
                before(info);
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = text(info.payload());
    match info.location() {
        Some(place) => format!("panicked at {}:{}: {message}", place.file(), place.line()),
        None => format!("panicked: {message}"),
    }
}

fn text(payload: &dyn Any) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

/// Runs user code; a panic in it becomes a failure.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    install_hook();
    let outer = CATCHING.replace(true);
    // One that somebody else has caught.
    take_passed();
    // The caller gives up everything that `work` could have left half done.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|payload| {
        let seen = SEEN.take().unwrap_or_else(|| format!("panicked: {}", text(&*payload)));
        let failure = Failure::panic(seen);
        match take_passed() {
            Some(component) => failure.in_component(component),
            None => failure,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure_with_its_message_and_place() {
        let failure = catch(|| panic!("no {}", "wings")).unwrap_err();
        assert!(failure.is_panic());
        let text = failure.to_string();
        assert!(text.contains("no wings") && text.contains("panic.rs:"), "{text}");
    }

    #[test]
    fn what_does_not_panic_is_returned() {
        assert_eq!(catch(|| 3).unwrap(), 3);
    }
}
