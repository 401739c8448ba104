//! Receives: words. Gives: a message, put together while the program compiles, where `format!` cannot run.

use crate::definition::TypeName;

const LONGEST: usize = 1024;

/// A message of the compiler, in the user's words.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Message {
    /// An empty message.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }

    /// A message of that text.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        Self::new().text(text)
    }

    /// Adds a text; what does not fit is cut.
    #[must_use]
    pub const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.len < LONGEST {
            self.bytes[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
        self
    }

    /// Adds a word of the user's, in backticks.
    #[must_use]
    pub const fn code(self, word: &str) -> Self {
        self.text("`").text(word).text("`")
    }

    /// Adds a type as the user writes it; with its module where only that tells it from another.
    #[must_use]
    pub const fn ty(mut self, ty: &TypeName, with_module: bool) -> Self {
        if with_module && !ty.module.is_empty() {
            self = self.text(ty.module).text("::");
        }
        self = self.text(ty.name);
        match ty.of {
            Some(of) => self.text("<").ty(of, with_module).text(">"),
            None => self,
        }
    }

    /// The message.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "the names in this message are too long to be shown",
        }
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

/// Are the two one text? `==` of `str` cannot run while the program compiles.
#[must_use]
pub const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    // From the end, where names of one program differ most.
    let mut at = a.len();
    while at > 0 {
        at -= 1;
        if a[at] != b[at] {
            return false;
        }
    }
    true
}

/// Are the two one type?
#[must_use]
pub const fn same_type(a: &TypeName, b: &TypeName) -> bool {
    same(a.name, b.name)
        && same(a.module, b.module)
        && match (a.of, b.of) {
            (None, None) => true,
            (Some(a), Some(b)) => same_type(a, b),
            _ => false,
        }
}

/// How far a slip of the finger is from the word that was meant; words longer than 32 bytes are far from all.
#[must_use]
pub const fn distance(a: &str, b: &str) -> usize {
    const LONGEST_WORD: usize = 32;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST_WORD || b.len() > LONGEST_WORD {
        return usize::MAX;
    }
    let mut row = [0; LONGEST_WORD + 1];
    let mut j = 0;
    while j <= b.len() {
        row[j] = j;
        j += 1;
    }
    let mut i = 1;
    while i <= a.len() {
        let mut diagonal = row[0];
        row[0] = i;
        let mut j = 1;
        while j <= b.len() {
            let replaced = if a[i - 1] == b[j - 1] { diagonal } else { diagonal + 1 };
            let added = if row[j] < row[j - 1] { row[j] + 1 } else { row[j - 1] + 1 };
            diagonal = row[j];
            row[j] = if replaced < added { replaced } else { added };
            j += 1;
        }
        i += 1;
    }
    row[b.len()]
}

/// Is `known` near enough to have been meant by `word`?
#[must_use]
pub const fn is_near(word: &str, known: &str) -> bool {
    let longer = if word.len() > known.len() { word.len() } else { known.len() };
    distance(word, known) <= longer / 3 + 1
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

    #[test]
    fn a_message_that_does_not_fit_is_cut() {
        let long = "a".repeat(LONGEST);
        assert_eq!(Message::of("b").text(&long).as_str().len(), LONGEST);
    }

    #[test]
    fn types_are_told_apart_by_what_they_are_optional_of() {
        assert!(same_type(&<Option<u32>>::TYPE, &<Option<u32>>::TYPE));
        assert!(!same_type(&<Option<u32>>::TYPE, &<Option<u64>>::TYPE));
        assert!(!same_type(&<Option<u32>>::TYPE, &u32::TYPE));
    }

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        assert!(is_near("inptu", "input"));
        assert!(is_near("yesterdy", "yesterday"));
        assert!(!is_near("region", "input"));
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
