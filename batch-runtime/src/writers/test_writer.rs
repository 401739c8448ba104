//! A writer that records its calls, for the tests of writers that delegate.

use std::cell::RefCell;
use std::rc::Rc;

use crate::definition::{Arranged, ChunkTransaction, Durability, Mark, Writer};

/// The calls of all writers that share it, in order.
#[derive(Default, Clone)]
pub(crate) struct Calls(Rc<RefCell<Vec<String>>>);

impl Calls {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

/// Records each call under its name; its position is the number of items written to it.
pub(crate) struct Logged {
    name: &'static str,
    calls: Calls,
    written: u64,
}

impl Logged {
    pub(crate) fn new(name: &'static str, calls: &Calls) -> Self {
        Self { name, calls: calls.clone(), written: 0 }
    }

    fn note(&self, call: &str) {
        self.calls.0.borrow_mut().push(format!("{} {call}", self.name));
    }
}

impl Writer for Logged {
    type Item = u32;
    type Position = u64;
    type Error = String;

    fn mark(&mut self, mark: Mark) {
        self.note(&format!("mark {mark}"));
    }

    fn take_over(&mut self) {
        self.note("take over");
    }

    fn open(&mut self, from: Option<u64>) -> Result<(), String> {
        self.note(&format!("open {from:?}"));
        Ok(())
    }

    fn write(&mut self, items: &[u32], _tx: &ChunkTransaction<'_>) -> Result<(), String> {
        self.written += items.len() as u64;
        self.note(&format!("write {items:?}"));
        Ok(())
    }

    fn arrange(&mut self, items: &mut Arranged<'_, u32>) {
        self.note(&format!("arrange {:?}", items.items()));
    }

    fn prepare(&mut self, _durability: Durability) -> Result<(), String> {
        self.note("prepare");
        Ok(())
    }

    fn position(&self) -> u64 {
        self.written
    }

    fn committed(&mut self) -> Result<(), String> {
        self.note("committed");
        Ok(())
    }

    fn rollback(&mut self, to: &u64) -> Result<(), String> {
        self.note(&format!("rollback {to}"));
        Ok(())
    }

    fn seal(&mut self, _durability: Durability) -> Result<(), String> {
        self.note("seal");
        Ok(())
    }

    fn finish(&mut self, _durability: Durability) -> Result<(), String> {
        self.note("finish");
        Ok(())
    }
}
