//! Where items come from: one file a format or source. Each gives items, a position that a restart goes on
//! from, and errors that name the place.

mod chain;
mod error;
mod iterator;
mod source;
mod vec;

pub use chain::{Chain, ChainPosition};
pub use error::{ReadError, SHOWN_CHARACTERS};
pub use iterator::{EndedEarly, FallibleIteratorReader, IteratorReader};
pub use source::Identity;
pub use vec::VecReader;

pub(crate) use error::shown;

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "csv")]
pub use csv::{CsvOptions, CsvPosition, CsvReader};
