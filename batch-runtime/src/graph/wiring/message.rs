//! The building blocks of this module's messages.

use crate::definition::TypeName;

pub(super) use crate::__private::is_near;
pub(super) use crate::__private::wiring::same_type;
pub use crate::__private::{Message, same_text as same};

impl Message {
    /// An empty message.
    #[must_use]
    pub const fn new() -> Self {
        Self::of("")
    }

    /// Appends a word of the user's source, in backticks.
    #[must_use]
    pub const fn code(self, word: &str) -> Self {
        self.and("`").and(word).and("`")
    }

    /// Appends a type as the user writes it, with its module if only that distinguishes it.
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
