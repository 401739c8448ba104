//! Where items come from: one file a format or source.

mod chain;
mod iterator;
mod vec;

pub use chain::{Chain, ChainPosition};
pub use iterator::{EndedEarly, FallibleIteratorReader, IteratorReader};
pub use vec::VecReader;
