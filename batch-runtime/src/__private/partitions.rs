//! Receives: the components of a step with partitions. Gives: its reader and writer, kept to a partition, and what the input is
//! split into.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::definition::{
    Failure, IsShared, Partitionable, PartitionerDefinition, Scope, Splits, Splittable, decoded, encoded,
};
use crate::repository::NewPartition;

/// Named by generated code, to ask whether what opens a reader opens one that splits.
pub const fn splits<'s, R: Splits, F: Copy + FnOnce(&Scope<'s>) -> Result<R, Failure>>(_: F) {}

/// Named by generated code, to ask whether what binds a writer binds one that partitions share.
pub const fn is_shared<'s, W: IsShared, F: Copy + FnOnce(&Scope<'s>) -> Result<W, Failure>>(_: F) {}

/// The reader, kept to the partition of the scope where there is one.
///
/// # Errors
/// When the input no longer has that part.
pub fn narrowed<'s, R: Splittable + 's>(
    mut reader: R,
    scope: &Scope<'_>,
) -> Result<impl Splittable<Item = R::Item> + 's + use<'s, R>, Failure> {
    if let Some(assigned) = scope.assigned() {
        reader.narrow(decoded(&assigned.part)?).map_err(Failure::new)?;
    }
    Ok(reader)
}

/// The writer, as that of the partition of the scope where there is one.
pub fn apart<'s, W: Partitionable + 's>(
    mut writer: W,
    scope: &Scope<'_>,
) -> impl Partitionable<Item = W::Item> + 's + use<'s, W> {
    if let Some(assigned) = scope.assigned() {
        writer.of_partition(assigned.number);
    }
    writer
}

/// The parts of a reader's input, as they are stored.
///
/// # Errors
/// When the input cannot be looked through.
pub fn split<R: Splittable>(mut reader: R, partitions: usize) -> Result<Vec<NewPartition>, Failure> {
    let parts = reader.split(partitions).map_err(Failure::new)?;
    parts
        .into_iter()
        .map(|part| Ok(NewPartition { name: R::part_name(&part), part: encoded(&part)? }))
        .collect()
}

/// What a partitioner makes, as it is stored.
///
/// # Errors
/// When it fails, or two partitions have one name.
pub fn partitions_of<P: PartitionerDefinition<Range: Serialize>>(
    scope: &Scope<'_>,
) -> Result<Vec<NewPartition>, Failure> {
    let made = P::partitions(scope).map_err(|failure| failure.in_component(P::NAME))?;
    let mut seen = BTreeSet::new();
    if let Some((name, _)) = made.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        let why = format!("two partitions are called `{name}`, and nothing could tell them apart");
        return Err(Failure::new(why).in_component(P::NAME));
    }
    made.into_iter()
        .map(|(name, range)| Ok(NewPartition { name: Some(name), part: encoded(&range)? }))
        .collect()
}
