//! Puts the name of a step into the stacks of its threads, so that a profile finds it there.

use crate::definition::StepDefinition;

/// Does the work of a step.
#[cfg(not(feature = "profile"))]
#[expect(clippy::extra_unused_type_parameters, reason = "a profile names the step by it")]
pub(crate) fn in_step<P: StepDefinition, T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Does the work of a step with the step's name in the stack of this thread, and of the threads that run
/// [carried](super::spans::carried) work.
#[cfg(feature = "profile")]
pub(crate) fn in_step<P: StepDefinition, T>(work: impl FnOnce() -> T) -> T {
    within(Some(P::in_frame), work)
}

#[cfg(feature = "profile")]
pub(crate) use named::{current, within};

#[cfg(feature = "profile")]
mod named {
    use std::cell::Cell;

    /// Does the work in a function whose name contains the name of a step.
    pub(crate) type Frame = fn(&mut dyn FnMut()) -> bool;

    thread_local! {
        /// The step that this thread works for.
        static FRAME: Cell<Option<Frame>> = const { Cell::new(None) };
    }

    /// Restores the step that the thread worked for before, even if the work panics.
    struct Before(Option<Frame>);

    impl Drop for Before {
        fn drop(&mut self) {
            FRAME.set(self.0);
        }
    }

    /// The step that this thread works for.
    pub(crate) fn current() -> Option<Frame> {
        FRAME.get()
    }

    /// Does the work of a step.
    pub(crate) fn within<T>(frame: Option<Frame>, work: impl FnOnce() -> T) -> T {
        let Some(frame) = frame else { return work() };
        let _before = Before(FRAME.replace(Some(frame)));
        let (mut work, mut done) = (Some(work), None);
        frame(&mut || done = work.take().map(|work| work()));
        done.expect("a frame does its work")
    }
}
