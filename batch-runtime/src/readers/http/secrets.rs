//! Keeps credentials out of every message.

use super::url::escaped;
use crate::readers::{SHOWN_CHARACTERS, shown};

/// Shorter values are not secrets, and hiding them would make messages unreadable.
const SHORTEST: usize = 4;

/// The values that no message may show.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    /// The names of the query parameters that hold one.
    pub(super) names: Vec<String>,
    values: Vec<String>,
}

impl Secrets {
    pub(super) fn add(&mut self, value: &str) {
        let in_json = serde_json::Value::from(value).to_string();
        let in_json = in_json.trim_matches('"').to_owned();
        // Some servers escape slashes as well, and write spaces in addresses in the other way.
        let slashes = in_json.replace('/', "\\/");
        let spaces = escaped(value).replace("%20", "+");
        for value in [value.to_owned(), escaped(value), spaces, in_json, slashes] {
            if value.len() >= SHORTEST && !self.values.contains(&value) {
                self.values.push(value);
            }
        }
        // A value that contains another is hidden first.
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The beginning of a long text, for a message.
    pub(super) fn excerpt(&self, text: &str) -> Box<str> {
        // A secret is hidden before the text is cut, or a part of it would be left.
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
