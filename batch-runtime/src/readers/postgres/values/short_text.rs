//! [`Written`]: a short text on the stack.

use std::fmt::{self, Write};

/// The longest text: a date-time with a time zone, an interval, or an address, with room to spare.
const ROOM: usize = 80;

/// A short ASCII text on the stack, so that no value of a row needs an allocation.
#[derive(Clone, Copy)]
pub(in crate::readers::postgres) struct Written {
    bytes: [u8; ROOM],
    length: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
    }
}

impl Written {
    pub(super) const ROOM: usize = ROOM;

    /// Appends a character of ASCII.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    /// Appends a number with at least that many digits.
    #[inline]
    pub(super) fn number(&mut self, number: u32, digits: usize) {
        let mut reversed = [b'0'; 10];
        let (mut left, mut used) = (number, 0);
        while left > 0 {
            // A digit is below ten.
            reversed[used] = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
            used += 1;
        }
        for digit in reversed[..used.max(digits)].iter().rev() {
            self.push(*digit);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push(byte));
    }

    pub(super) fn format(&mut self, arguments: fmt::Arguments<'_>) {
        // Pushing does not fail.
        let _ = self.write_fmt(arguments);
    }

    pub(in crate::readers::postgres) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Write for Written {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}
