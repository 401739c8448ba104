//! Encodes items for messages, decodes them, and checks that they stay the same.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec;
use super::shape::Shape;
use crate::definition::Failure;
use crate::engine::faults::panic;

/// Items that are sent to workers, or received from them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to workers and back, as `remote` requires",
    label = "yields `{Self}`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`, and let it own what it holds (`String` for `&str`); or drop `remote`"
)]
pub trait RemoteItem {
    /// Generated code names this constant to check that the trait is implemented.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send> RemoteItem for T {}

/// The same as [`RemoteItem`], with the bounds as supertraits.
pub trait RemoteItemBounds: Serialize + DeserializeOwned + Send {}

impl<T: Serialize + DeserializeOwned + Send> RemoteItemBounds for T {}

/// The maximum number of items of the first chunk that are compared with their copies after serialization.
const MAX_COMPARED: usize = 1_000;

/// Appends items to a message.
pub(super) fn pack<T: RemoteItemBounds>(message: &mut Vec<u8>, items: &[T]) -> Result<(), Failure> {
    panic::catch(|| codec::write(message, items))?.map_err(|error| {
        let number = items.iter().position(|item| codec::write(&mut Vec::new(), item).is_err());
        let which = number.map_or_else(String::new, |number| format!(" {} of the chunk", number + 1));
        Failure::new(error).fatal().with_note(format!(
            "item{which} cannot be sent between processes: change its type, or drop `remote`"
        ))
    })
}

/// Decodes the items of a message.
pub(super) fn unpack<T: RemoteItemBounds>(mut message: &[u8]) -> Result<Vec<T>, Failure> {
    panic::catch(|| codec::read(&mut message))?.map_err(|error| {
        Failure::new(error).fatal().with_note(
            "an item cannot be read again after it was sent between processes: its `Deserialize` does not accept \
             what its `Serialize` produces; change its type, or drop `remote`",
        )
    })
}

/// Fails if an item of the first chunk differs from its copy after serialization.
pub(super) fn compare<T: RemoteItemBounds>(items: &[T]) -> Result<(), Failure> {
    let items = &items[..items.len().min(MAX_COMPARED)];
    let mut message = Vec::new();
    pack(&mut message, items)?;
    let arrived: Vec<T> = unpack(&message)?;
    for (number, (before, after)) in items.iter().zip(&arrived).enumerate() {
        let shapes = panic::catch(|| Ok((Shape::of(before)?, Shape::of(after)?)))?;
        let (before, after) =
            shapes.map_err(|error: super::shape::ShapeError| Failure::new(error).fatal())?;
        if let Some(difference) = before.difference(&after) {
            return Err(Failure::new(format!(
                "item {} of the chunk changes on its way to another process: {difference}",
                number + 1
            ))
            .fatal()
            .with_note("make `Serialize` and `Deserialize` of its type agree, or drop `remote`"));
        }
    }
    Ok(())
}
