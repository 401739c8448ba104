//! [`Scan`] finds the end of an element by its brackets and strings, without reading its values.

use super::MAX_DEPTH;

/// The meaning of a byte outside a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Quote,
    Open,
    Close,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    classes[b'"' as usize] = Class::Quote;
    classes[b'{' as usize] = Class::Open;
    classes[b'[' as usize] = Class::Open;
    classes[b'}' as usize] = Class::Close;
    classes[b']' as usize] = Class::Close;
    classes
};

/// The progress of a scan through an element.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    /// The number of bytes of the element that were examined.
    pub(super) done: usize,
    /// The open brackets, one bit each, with the innermost in the lowest bit: 1 for `[`.
    open: u128,
    depth: usize,
    within: Within,
}

/// The part of an element in which the examined bytes end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Within {
    /// Nothing: no byte was examined.
    #[default]
    Nothing,
    /// A number or a word, which has no brackets around it.
    Word,
    Brackets,
    Text,
    /// A string, after a backslash.
    Escape,
}

/// The result of scanning the next bytes of an element.
#[derive(Debug)]
pub(super) enum Scanned {
    /// The element ends at this offset.
    End(usize),
    /// The element continues after these bytes.
    More,
    /// The byte at this offset cannot be part of the element.
    Broken(usize, String),
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// True if the byte is part of a number, of `true`, `false` or `null`, or of something that was meant to be one.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_') || !byte.is_ascii()
}

impl Scan {
    /// Continues in the bytes of the element.
    pub(super) fn go_on(&mut self, bytes: &[u8]) -> Scanned {
        if self.within == Within::Nothing {
            self.within = match bytes.first() {
                None => return Scanned::More,
                Some(b'{' | b'[' | b'"') => Within::Brackets,
                Some(first) if is_word(*first) => Within::Word,
                Some(first) => {
                    return Scanned::Broken(0, format!("expected an element, found {}", shown(*first)));
                }
            };
        }
        if self.within == Within::Word {
            return self.word(bytes);
        }
        loop {
            if self.is_in_text() {
                if !self.pass_text(bytes) {
                    return Scanned::More;
                }
                if self.depth == 0 {
                    return Scanned::End(self.done);
                }
            }
            let found =
                bytes[self.done..].iter().position(|byte| CLASSES[usize::from(*byte)] != Class::Plain);
            let Some(found) = found else {
                self.done = bytes.len();
                return Scanned::More;
            };
            self.done += found;
            let byte = bytes[self.done];
            match CLASSES[usize::from(byte)] {
                Class::Quote => self.within = Within::Text,
                Class::Open if self.depth == MAX_DEPTH => {
                    let problem = format!("an element is nested more than {MAX_DEPTH} levels deep");
                    return Scanned::Broken(self.done, problem);
                }
                Class::Open => {
                    self.open = self.open << 1 | u128::from(byte == b'[');
                    self.depth += 1;
                }
                _ => {
                    let closes = if self.open & 1 == 1 { b']' } else { b'}' };
                    if closes != byte {
                        let problem = format!("expected {}, found {}", shown(closes), shown(byte));
                        return Scanned::Broken(self.done, problem);
                    }
                    self.open >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.done += 1;
                        return Scanned::End(self.done);
                    }
                }
            }
            self.done += 1;
        }
    }

    fn is_in_text(&self) -> bool {
        matches!(self.within, Within::Text | Within::Escape)
    }

    /// Passes over the rest of a string; false if it does not end in these bytes.
    fn pass_text(&mut self, bytes: &[u8]) -> bool {
        while self.done < bytes.len() {
            if self.within == Within::Escape {
                self.within = Within::Text;
                self.done += 1;
                continue;
            }
            let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[self.done..]) else {
                self.done = bytes.len();
                break;
            };
            self.done += found + 1;
            if bytes[self.done - 1] == b'"' {
                self.within = Within::Brackets;
                return true;
            }
            self.within = Within::Escape;
        }
        false
    }

    /// Passes over a number or a word, which ends before the next byte that is not part of it.
    fn word(&mut self, bytes: &[u8]) -> Scanned {
        if let Some(length) = bytes[self.done..].iter().position(|byte| !is_word(*byte)) {
            return Scanned::End(self.done + length);
        }
        self.done = bytes.len();
        Scanned::More
    }

    /// The missing end of an unfinished element.
    pub(super) fn missing(&self) -> &'static str {
        if self.is_in_text() { "closing quote" } else { "closing bracket" }
    }
}

/// A byte in a message.
pub(super) fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("byte 0x{byte:02X}") }
}

/// Finds the first string of an element that is in a place where no string can be: a quote before it is missing or
/// superfluous, so apparent brackets may be text. Without such a string, the end of the element is certain, whatever
/// else is wrong in it.
#[cold]
pub(super) fn stray_text(element: &[u8]) -> Option<usize> {
    let mut before = b',';
    let mut at = 0;
    while let Some(byte) = element.get(at) {
        if *byte != b'"' {
            if !is_blank(*byte) {
                before = *byte;
            }
            at += 1;
            continue;
        }
        let begin = at;
        let mut scan = Scan { within: Within::Text, done: at + 1, ..Scan::default() };
        if !scan.pass_text(element) {
            return Some(begin);
        }
        at = scan.done;
        let after = element[at..].iter().copied().find(|byte| !is_blank(*byte)).unwrap_or(b',');
        if !matches!(before, b',' | b':' | b'[' | b'{') || !matches!(after, b',' | b':' | b']' | b'}') {
            return Some(begin);
        }
        before = b'"';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str, step: usize) -> Option<usize> {
        let mut scan = Scan::default();
        for length in (0..=text.len()).step_by(step).chain([text.len()]) {
            match scan.go_on(&text.as_bytes()[..length]) {
                Scanned::End(end) => return Some(end),
                Scanned::More => {}
                Scanned::Broken(..) => return None,
            }
        }
        None
    }

    #[test]
    fn the_end_is_found_however_the_bytes_arrive() {
        let elements = [
            "{}",
            "[]",
            r#""a""#,
            r#""\"""#,
            r#""\\""#,
            r#"{"a":"}"}"#,
            r#"{"a\\":["\"]"]}"#,
            "12",
            "-1.5e+3",
            "null",
            r#"[[{"a":[1,"]"]}],2]"#,
            "nul",
        ];
        for element in elements {
            for step in 1..4 {
                let text = format!("{element},");
                assert_eq!(end(&text, step), Some(element.len()), "{element}, {step} at a time");
            }
        }
    }

    #[test]
    fn brackets_that_do_not_match_have_no_end() {
        for text in ["[}", "{]", "[1}]", ":", ",", "]", "[[", "\"", "{\"a\"", "\"\\\"", "'a'"] {
            assert_eq!(end(text, 1), None, "{text}");
        }
        assert_eq!(end(&"[".repeat(MAX_DEPTH + 1), 1), None);
        let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert_eq!(end(&deep, 7), Some(2 * MAX_DEPTH));
    }

    #[test]
    fn a_string_where_none_can_be_is_found() {
        for (element, place) in [
            (r#"{"a":"x},{"a":"y"}"#, Some(5)),
            (r#"{"a": 1,}"#, None),
            (r#"{'a': "x"}"#, None),
            (r#"["a" "b"]"#, Some(1)),
            (r#"{"a":tru"e"}"#, Some(8)),
            (r#"{"a":NaN,"b":"x,y"}"#, None),
        ] {
            assert_eq!(stray_text(element.as_bytes()), place, "{element}");
        }
    }
}
