//! The state of one processor, with the copies that undo a failed item, and its conversion to and from the
//! checkpoint.

use super::{Failure, Slot, State, States};

/// The state of the processor `name`, and its kept copies.
#[derive(Debug)]
pub(super) struct StateCell<S> {
    pub(super) name: &'static str,
    pub(super) state: S,
    /// `None` if the state is not `Clone`: a step that would need the copy does not compile.
    copy: Option<fn(&S) -> S>,
    of_item: Option<S>,
    of_call: Option<S>,
}

impl<S: Default> StateCell<S> {
    pub(super) fn of(name: &'static str) -> Self {
        Self { name, state: S::default(), copy: None, of_item: None, of_call: None }
    }
}

impl<S> StateCell<S> {
    /// False for a state without content (`()`, a unit struct), which is neither stored nor copied: its
    /// default is its only value.
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
    pub(super) fn save(&self, states: &mut States) -> Result<(), Failure> {
        if Self::HAS_CONTENT { states.save(self.name, &self.state) } else { Ok(()) }
    }

    pub(super) fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        if Self::HAS_CONTENT {
            self.state = states.restore(self.name)?;
        }
        Ok(())
    }
}
