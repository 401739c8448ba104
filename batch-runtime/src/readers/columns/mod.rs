//! Records of columns: decodes their fields into the fields of a serde type.

mod decode;
mod number;
mod refusal;
mod row;
mod value;

pub(crate) use decode::Decoder;
pub(crate) use refusal::{lacks, misfit};
pub(crate) use row::Fields;
#[cfg(feature = "csv")]
pub(crate) use value::ValueError;
