//! Writes values as `MessagePack` with named fields, one after the other, and reads them back. The format keeps what
//! JSON loses (NaN, bytes, keys that are not strings), and is self-describing, as `untagged` and `flatten` need.

use rmp_serde::Serializer;
pub(super) use rmp_serde::decode::Error as ReadError;
pub(super) use rmp_serde::encode::Error as WriteError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends a value.
pub(super) fn write<T: Serialize + ?Sized>(into: &mut Vec<u8>, value: &T) -> Result<(), WriteError> {
    value.serialize(&mut Serializer::new(into).with_struct_map())
}

/// Reads the next value, and moves `from` past it.
pub(super) fn read<T: DeserializeOwned>(from: &mut &[u8]) -> Result<T, ReadError> {
    rmp_serde::from_read(from)
}
