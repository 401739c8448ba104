//! Keeps credentials out of every message.

use super::url::escaped;
use crate::readers::{SHOWN_CHARACTERS, shown};

/// Shorter values are not treated as secrets: hiding them would make messages unreadable.
const SHORTEST: usize = 4;

/// The values that no message may show.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    /// The names of the query parameters that hold a secret.
    pub(super) names: Vec<String>,
    values: Vec<String>,
}

impl Secrets {
    pub(super) fn add(&mut self, value: &str) {
        let in_json = serde_json::Value::from(value).to_string();
        let in_json = in_json.trim_matches('"').to_owned();
        // Some servers also escape slashes in JSON, and write a space in an address as `+`.
        let slashes = in_json.replace('/', "\\/");
        let spaces = escaped(value).replace("%20", "+");
        for value in [value.to_owned(), escaped(value), spaces, in_json, slashes] {
            if value.len() >= SHORTEST && !self.values.contains(&value) {
                self.values.push(value);
            }
        }
        // Hide a value before any value that it contains.
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The beginning of a long text, for a message.
    pub(super) fn excerpt(&self, text: &str) -> Box<str> {
        // Hide secrets before the text is cut; otherwise, a part of a secret could remain.
        let longest = self.values.first().map_or(0, String::len);
        let enough = text.floor_char_boundary(4 * SHOWN_CHARACTERS + longest);
        shown(&self.mask(&text[..enough]))
    }

    /// The text with stars in place of each secret.
    pub(super) fn mask(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_as_it_is_and_as_it_is_sent() {
        let mut secrets = Secrets::default();
        secrets.add("a b/c");
        secrets.add("xa b/c");
        secrets.add("1");
        assert_eq!(
            secrets.mask("get ?key=a%20b%2Fc&x=1: refused `xa b/c`"),
            "get ?key=***&x=1: refused `***`"
        );
        secrets.add("k\"y");
        assert_eq!(
            secrets.mask(r#"{"k": "a b\/c", "l": "k\"y"} ?a+b%2Fc"#),
            r#"{"k": "***", "l": "***"} ?***"#
        );
    }
}
