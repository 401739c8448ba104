//! Opens the reader and writer of a step for one partition, and splits the input of the step.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::definition::{
    Failure, IsShared, Partitionable, PartitionerDefinition, Reader, Scope, Splits, Splittable, decoded,
    encoded,
};
use crate::repository::NewPartition;

/// Named by generated code to check that an opened reader can be split.
pub const fn splits<'s, R: Splits, F: Copy + FnOnce(&Scope<'s>) -> Result<R, Failure>>(_: F) {}

/// Named by generated code to check that partitions can share a bound writer.
pub const fn is_shared<'s, W: IsShared, F: Copy + FnOnce(&Scope<'s>) -> Result<W, Failure>>(_: F) {}

/// Gives the reader the signal that asks its step to stop.
#[inline]
pub fn with_stop_signal<R: Reader>(mut reader: R, scope: &Scope<'_>) -> R {
    reader.stops_with(scope.stop());
    reader
}

/// The reader, narrowed to the partition of the scope, if there is one.
///
/// # Errors
/// If the input no longer has that part, or differs from the one that was split.
pub fn narrowed<'s, R: Splittable + 's>(
    mut reader: R,
    scope: &Scope<'_>,
) -> Result<impl Splittable<Item = R::Item> + 's + use<'s, R>, Failure> {
    if let Some(assigned) = scope.assigned() {
        let part = decoded(&assigned.part)?;
        if assigned.is_from_elsewhere {
            reader.check(&part).map_err(Failure::new)?;
        }
        reader.narrow(part).map_err(Failure::new)?;
    }
    Ok(reader)
}

/// The writer, set to the partition of the scope, if there is one.
pub fn writing_to_part<'s, W: Partitionable + 's>(
    mut writer: W,
    scope: &Scope<'_>,
) -> impl Partitionable<Item = W::Item> + 's + use<'s, W> {
    if let Some(assigned) = scope.assigned() {
        writer.of_partition(assigned.number);
    }
    writer
}

/// The parts of a reader's input, in stored form.
///
/// # Errors
/// If the input cannot be examined.
pub fn split<R: Splittable>(mut reader: R, partitions: usize) -> Result<Vec<NewPartition>, Failure> {
    let parts = reader.split(partitions).map_err(Failure::new)?;
    parts
        .into_iter()
        .map(|part| Ok(NewPartition { name: R::part_name(&part), part: encoded(&part)? }))
        .collect()
}

/// The partitions of a partitioner, in stored form.
///
/// # Errors
/// If the partitioner fails, or two partitions have the same name.
pub fn partitions_of<P: PartitionerDefinition<Range: Serialize>>(
    scope: &Scope<'_>,
) -> Result<Vec<NewPartition>, Failure> {
    let made = P::partitions(scope).map_err(|failure| failure.in_component(P::NAME))?;
    let mut seen = BTreeSet::new();
    if let Some((name, _)) = made.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        let why = format!("two partitions are named `{name}`; give each its own name");
        return Err(Failure::new(why).in_component(P::NAME));
    }
    made.into_iter()
        .map(|(name, range)| Ok(NewPartition { name: Some(name), part: encoded(&range)? }))
        .collect()
}
