//! Records of columns: decodes their fields into the fields of a serde type.

mod decode;
mod number;
mod refusal;
mod row;
mod value;

pub(crate) use decode::Decoder;
#[cfg(feature = "csv")]
pub(crate) use decode::Refusal;
pub(crate) use refusal::lacks;
pub(crate) use row::Fields;
