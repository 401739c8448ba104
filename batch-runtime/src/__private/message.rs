//! Builds messages at compile time, where `format!` is unavailable.

const CAPACITY: usize = 1024;

/// Text of at most `CAPACITY` bytes.
#[derive(Debug)]
pub struct Message {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Message {
    /// Begins a message with `text`.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        Self { bytes: [0; CAPACITY], length: 0 }.and(text)
    }

    /// Appends text, cut at a character boundary if it is too long.
    #[must_use]
    pub const fn and(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] & 0b1100_0000 == 0b1000_0000 {
                end += 1;
            }
            if self.length + (end - at) > CAPACITY {
                break;
            }
            while at < end {
                self.bytes[self.length] = bytes[at];
                self.length += 1;
                at += 1;
            }
        }
        self
    }

    /// The message as text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// Returns whether the strings are equal.
#[must_use]
pub const fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Words of this many bytes or more are not compared.
const TOO_LONG: usize = 48;

/// The edit distance between two words; `usize::MAX` if one of them is too long to be compared.
#[must_use]
pub const fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() >= TOO_LONG || b.len() >= TOO_LONG {
        return usize::MAX;
    }
    let mut last = [0; TOO_LONG];
    let mut j = 0;
    while j <= b.len() {
        last[j] = j;
        j += 1;
    }
    let mut i = 0;
    while i < a.len() {
        let mut row = [0; TOO_LONG];
        row[0] = i + 1;
        let mut j = 0;
        while j < b.len() {
            let mut best = last[j] + (a[i] != b[j]) as usize;
            if last[j + 1] + 1 < best {
                best = last[j + 1] + 1;
            }
            if row[j] + 1 < best {
                best = row[j] + 1;
            }
            row[j + 1] = best;
            j += 1;
        }
        last = row;
        i += 1;
    }
    last[b.len()]
}

/// Returns whether the typed word is probably a typo of the known one.
#[must_use]
pub const fn is_near(typed: &str, known: &str) -> bool {
    let longer = if typed.len() > known.len() { typed.len() } else { known.len() };
    distance(typed, known) <= longer / 3 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_built_in_a_constant() {
        const MESSAGE: Message = Message::of("step `").and("load").and("`");
        assert_eq!(MESSAGE.as_str(), "step `load`");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let message = Message::of(&"é".repeat(600));
        assert_eq!(message.as_str(), "é".repeat(512));
    }

    #[test]
    fn near_words_are_recognised() {
        assert!(is_near("inptu", "input"));
        assert!(is_near("regoin", "region"));
        assert!(!is_near("colour", "input"));
    }
}
