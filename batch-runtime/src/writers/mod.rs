//! Where items go: one file a format or target.

mod collector;
mod function;
mod pair;
mod route;
#[cfg(test)]
mod test_writer;

pub use collector::Collector;
pub use function::FunctionWriter;
pub use pair::Both;
pub use route::{Arms, Route};
