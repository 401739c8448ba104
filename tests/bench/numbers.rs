//! Measures the cost of the chunk loop itself, without files and without a repository.

use std::cell::Cell;
use std::time::Duration;

use batch_runtime::testing::StepTest;

use crate::jobs::scramble_numbers;
use crate::measure::{self, Pair, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, hand_written, memory};

fn ours(items: u64) -> Outcome<Duration> {
    measure::time(|| {
        StepTest::<scramble_numbers>::new().parameter("items", &items).run()?;
        Ok(())
    })
}

/// One reader over an iterator, one processor, one writer: the extra time per item over a hand-written loop.
pub(crate) fn in_memory(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let turns = 20;
    let items = plan.size(500_000_000) / turns as u64;
    // Both sides produce the same count and sum, in either order.
    let expected = Cell::new(None);
    let checked = |took: Duration| {
        let added_up = memory::added_up();
        if added_up.0 != items || expected.replace(Some(added_up)).is_some_and(|other| other != added_up) {
            return Err("the two loops do not add up to the same".into());
        }
        Ok(took)
    };
    let by_hand = || {
        measure::time(|| {
            hand_written::in_memory(items);
            Ok(())
        })
    };
    let pairs = interleaved(turns, || checked(ours(items)?), || checked(by_hand()?))?;
    let an_item = |side: fn(&Pair) -> Duration| measure::median_seconds(&pairs, side) * 1e9 / items as f64;
    Ok(Row {
        name,
        unit: "ns an item more",
        value: Spread::of(pairs.iter().map(|pair| pair.nanoseconds_more(items))),
        target: Target::must_and_aim(1.0, 0.3),
        detail: format!(
            "{:.3} ns, by hand {:.3} ns",
            an_item(|pair| pair.ours),
            an_item(|pair| pair.by_hand)
        ),
    })
}
