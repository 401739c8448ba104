//! Parses tokens into spanned trees without judging their meaning.

pub(crate) mod binding;
pub(crate) mod component;
pub(crate) mod duration;
pub(crate) mod fault;
pub(crate) mod name;
pub(crate) mod nearest;
pub(crate) mod options;
pub(crate) mod split;
pub(crate) mod step;
