//! Checks the bytes of a buffer as UTF-8 all at once, which is faster than checking each record.

/// The bytes of a buffer that are known to be text.
#[derive(Debug, Default)]
pub(super) struct ValidText {
    text: String,
    /// The offset of `text` in the buffer.
    start: usize,
    is_checked: bool,
}

impl ValidText {
    /// Forgets the text, because the bytes have changed or moved.
    pub(super) fn forget(&mut self) {
        self.is_checked = false;
        self.text.clear();
    }

    /// Checks the bytes from `start` on, unless that was done before. If they are not text, nothing is known of them.
    #[inline]
    pub(super) fn know(&mut self, bytes: &[u8], start: usize) {
        if !self.is_checked {
            self.check(bytes, start);
        }
    }

    #[inline(never)]
    fn check(&mut self, bytes: &[u8], start: usize) {
        self.is_checked = true;
        self.start = start;
        let whole = without_open_character(&bytes[start..]);
        self.text.push_str(std::str::from_utf8(whole).unwrap_or_default());
    }

    /// Returns the text between two offsets in the buffer, if it is known.
    #[inline]
    pub(super) fn between(&self, start: usize, end: usize) -> Option<&str> {
        self.text.get(start.checked_sub(self.start)?..end.checked_sub(self.start)?)
    }

    /// Returns the text from an offset in the buffer on, if it is known.
    #[inline]
    pub(super) fn from(&self, start: usize) -> Option<&str> {
        self.text.get(start.checked_sub(self.start)?..)
    }
}

/// Leaves out the last character if it is not complete: its other bytes may follow in the input.
fn without_open_character(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().rev().take(4).position(|byte| byte & 0xC0 != 0x80);
    let Some(length) = first.map(|before| before + 1) else { return bytes };
    let begin = bytes.len() - length;
    let needed = match bytes[begin] {
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
        _ => 1,
    };
    if length < needed { &bytes[..begin] } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_text_is_known_up_to_its_last_whole_character() {
        let text = "a,ß€😀\nÄ,😀€ß";
        for end in 0..=text.len() {
            let mut known = ValidText::default();
            known.know(&text.as_bytes()[..end], 0);
            let whole = text[..text.floor_char_boundary(end)].len();
            assert_eq!(known.from(0), Some(&text[..whole]), "{end}");
            assert_eq!(known.between(0, whole + 1), None);
        }
    }

    #[test]
    fn nothing_is_known_of_bytes_that_are_not_text_or_lie_before_the_text() {
        let mut known = ValidText::default();
        known.know(b"ab\xFFcd", 0);
        assert_eq!(known.between(0, 1), None);
        known.forget();
        known.know(b"\xFFcd", 1);
        assert_eq!((known.between(1, 3), known.between(0, 2)), (Some("cd"), None));
    }
}
