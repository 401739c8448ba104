//! Receives: the state of one processor. Gives: it with the copies that undo what a failed item did to it, and its way into the
//! checkpoint and back.

use super::{Failure, Slot, State, States};

/// A state, and the copies of it that are kept.
#[derive(Debug)]
pub(super) struct StateCell<S> {
    pub(super) state: S,
    /// `None` where the state is no `Clone`: a step that would need it does not compile.
    copy: Option<fn(&S) -> S>,
    of_item: Option<S>,
    of_call: Option<S>,
}

impl<S: Default> Default for StateCell<S> {
    fn default() -> Self {
        Self { state: S::default(), copy: None, of_item: None, of_call: None }
    }
}

impl<S> StateCell<S> {
    /// A state without content (`()`, a unit struct) is neither stored nor kept: its default is all there is.
    const HAS_CONTENT: bool = size_of::<S>() != 0;

    pub(super) fn copied_by(&mut self, copy: Option<fn(&S) -> S>) {
        self.copy = copy;
    }

    fn slot(&mut self, slot: Slot) -> &mut Option<S> {
        match slot {
            Slot::Item => &mut self.of_item,
            Slot::Call => &mut self.of_call,
        }
    }

    #[inline]
    pub(super) fn hold(&mut self, slot: Slot) {
        if Self::HAS_CONTENT {
            *self.slot(slot) = self.copy.map(|copy| copy(&self.state));
        }
    }

    pub(super) fn hold_next(&mut self) {
        if self.of_item.is_some() {
            self.hold(Slot::Item);
        }
    }

    pub(super) fn put_back(&mut self, slot: Slot) {
        if Self::HAS_CONTENT
            && let Some(copy) = self.copy
            && let Some(kept) = self.slot(slot)
        {
            self.state = copy(kept);
        }
    }
}

impl<S: State> StateCell<S> {
    pub(super) fn save(&self, name: &'static str, states: &mut States) -> Result<(), Failure> {
        if Self::HAS_CONTENT { states.save(name, &self.state) } else { Ok(()) }
    }

    pub(super) fn restore(&mut self, name: &'static str, states: &mut States) -> Result<(), Failure> {
        if Self::HAS_CONTENT {
            self.state = states.restore(name)?;
        }
        Ok(())
    }
}
