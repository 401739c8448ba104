//! Turns a panic of user code into a failure with its message and its place in the source.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::definition::{Failure, take_passed};

thread_local! {
    /// True while user code runs on this thread under [`catch`].
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// The hook's description of the panic that is being caught.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook, because only the hook learns the location of a panic. Our hook handles threads that are
/// inside [`catch`], and leaves all others to the previous hook.
fn install_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                return before(info);
            }
            SEEN.set(Some(describe(info)));
            // The previous hook prints the backtrace if one was requested.
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
        .unwrap_or("a value that is not a string")
}

/// Runs user code. A panic in it becomes a failure.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    install_hook();
    let outer = CATCHING.replace(true);
    // Forget the component that an earlier panic passed through; that panic was caught elsewhere.
    take_passed();
    // Unwind safe: the caller discards everything that `work` may have left half done.
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
    fn the_value_of_a_call_that_does_not_panic_is_returned() {
        assert_eq!(catch(|| 3).unwrap(), 3);
    }
}
