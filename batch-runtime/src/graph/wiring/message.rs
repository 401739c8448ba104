//! Receives: words. Gives: the ways in which this module's messages are put together.

use crate::definition::TypeName;

pub(super) use crate::__private::is_near;
pub(super) use crate::__private::wiring::same_type;
pub use crate::__private::{Message, same_text as same};

impl Message {
    /// A message without a word.
    #[must_use]
    pub const fn new() -> Self {
        Self::of("")
    }

    /// Adds a word of the user's, in backticks.
    #[must_use]
    pub const fn code(self, word: &str) -> Self {
        self.and("`").and(word).and("`")
    }

    /// Adds a type as the user writes it; with its module where only that tells it from another.
    #[must_use]
    pub const fn ty(mut self, ty: &TypeName, with_module: bool) -> Self {
        if with_module && !ty.module.is_empty() {
            self = self.and(ty.module).and("::");
        }
        self = self.and(ty.name);
        match ty.of {
            Some(of) => self.and("<").ty(of, with_module).and(">"),
            None => self,
        }
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ParameterType;

    #[test]
    fn a_type_is_shown_as_it_is_written() {
        let ty = <Option<std::path::PathBuf>>::TYPE;
        assert_eq!(Message::of("needs ").ty(&ty, false).as_str(), "needs Option<PathBuf>");
    }
}
