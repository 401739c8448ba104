//! Processors with `concurrency` work on several items at once. Apart from the time, nothing differs from a processor
//! that takes one item at a time.

#[cfg(feature = "async")]
mod ends;
#[cfg(feature = "async")]
mod faults;
mod pool;
#[cfg(feature = "async")]
mod window;

use std::collections::BTreeMap;
use std::sync::Mutex;

use batch_runtime::prelude::*;

use crate::support::World;

#[reader]
fn numbers(count: u32) -> impl Iterator<Item = u32> {
    1..=count
}

#[writer]
fn keep(items: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS kept (number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO kept VALUES (?1)")?;
    items.iter().try_for_each(|item| insert.execute([item]).map(drop))
}

/// The items kept, in the order in which they were kept.
fn kept(world: &World) -> Vec<i64> {
    world.numbers("SELECT number FROM kept ORDER BY rowid")
}

/// How often something was done, by item.
#[derive(Debug, Default)]
struct Tries(Mutex<BTreeMap<u32, u32>>);

impl Tries {
    /// The number of this try, from 1.
    fn count(&self, item: u32) -> u32 {
        let mut tries = self.0.lock().unwrap();
        let count = tries.entry(item).or_default();
        *count += 1;
        *count
    }
}

#[resource]
fn tries() -> Tries {
    Tries::default()
}
