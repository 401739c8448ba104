//! [`Pointer`], a JSON pointer (RFC 6901): the place of the array in its document.

use std::fmt;

/// A JSON pointer: `/data/trades`; empty for the whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pointer {
    text: Box<str>,
    keys: Box<[Box<str>]>,
}

impl Pointer {
    /// Parses a pointer such as `/data/trades`, in which `~1` is a slash within a key and `~0` a tilde.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let Some(keys) = text.strip_prefix('/') else {
            return if text.is_empty() {
                Ok(Self::default())
            } else {
                Err(format!(
                    "`{text}` is not a JSON pointer: a pointer begins with a slash, as `/{text}` does"
                ))
            };
        };
        let keys: Option<_> = keys.split('/').map(key).collect();
        let keys: Box<[_]> = keys.ok_or_else(|| {
            format!("`{text}` is not a JSON pointer: in a key, `~` is written `~0`, and a slash `~1`")
        })?;
        if keys.len() >= super::MAX_DEPTH {
            return Err(format!("the pointer must have fewer than {} keys", super::MAX_DEPTH));
        }
        Ok(Self { text: text.into(), keys })
    }

    /// The number of containers around the array.
    pub(super) fn depth(&self) -> usize {
        self.keys.len()
    }

    /// The key that the pointer names in the container at this depth, counted from 0.
    pub(super) fn key(&self, depth: usize) -> &str {
        &self.keys[depth]
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The container at this depth, for messages.
    pub(super) fn shown(&self, depth: usize) -> String {
        if depth == 0 {
            return "the document".to_owned();
        }
        let end = self.text.match_indices('/').nth(depth).map_or(self.text.len(), |(at, _)| at);
        format!("`{}`", &self.text[..end])
    }
}

/// The array, as the subject of a message.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { f.write_str("the array") } else { write!(f, "the array `{}`", self.text) }
    }
}

fn key(written: &str) -> Option<Box<str>> {
    let mut key = String::new();
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            character => character,
        });
    }
    Some(key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_slashes_and_tildes() {
        let pointer = Pointer::new("/a~1b/~0//m~01").unwrap();
        assert_eq!(&*pointer.keys, ["a/b", "~", "", "m~1"].map(Box::from));
        assert_eq!(pointer.shown(2), "`/a~1b/~0`");
    }

    #[test]
    fn a_text_that_is_not_a_pointer_is_refused() {
        for text in ["data", "/a~", "/a~2", &"/a".repeat(128)] {
            Pointer::new(text).unwrap_err();
        }
    }
}
