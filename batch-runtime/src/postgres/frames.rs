//! Splits a byte stream into the protocol's frames, wherever reads and writes cut it.

/// The current frame.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    /// The first bytes of the frame: its type, its length, and the inspected part of its body.
    head: [u8; HEAD],
    filled: usize,
    /// The bytes of the frame after its head that have not arrived yet.
    skip: usize,
    /// The first frame of a client has no type.
    untyped: bool,
}

/// One byte of type, four of length, and enough for `START TRANSACTION`, the longest text that is inspected.
const HEAD: usize = 5 + 24;

/// The position in the stream after [`take`](Frames::take) has taken some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'h> {
    /// The bytes end within a frame of this type.
    Within(u8),
    /// A frame of this type ends; its body begins with these bytes.
    End(u8, &'h [u8]),
}

impl Frames {
    /// The frames of a server's answers.
    pub(super) fn of_server() -> Self {
        Self { head: [0; HEAD], filled: 0, skip: 0, untyped: false }
    }

    /// The frames of a client's requests, beginning with its first one.
    pub(super) fn of_client() -> Self {
        let mut frames = Self::of_server();
        frames.expect_untyped();
        frames
    }

    fn expect_untyped(&mut self) {
        self.untyped = true;
        self.filled = 1;
    }

    /// Takes bytes up to the end of the current frame, and returns their number.
    #[inline]
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Event<'_>) {
        // Most frames are rows, and lie entirely within `bytes`.
        if self.filled == 0
            && let [kind, a, b, c, d, ..] = *bytes
            && !is_inspected(kind)
            && let Some(length) = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()
            && (4..bytes.len()).contains(&length)
        {
            return (1 + length, Event::End(kind, &[]));
        }
        self.take_part(bytes)
    }

    fn take_part(&mut self, bytes: &[u8]) -> (usize, Event<'_>) {
        let mut taken = 0;
        loop {
            let whole = self.is_headed();
            if whole && self.skip <= bytes.len() - taken {
                taken += self.skip;
                let kind = self.head[0];
                let body = 5..self.filled;
                (self.filled, self.skip, self.untyped) = (0, 0, false);
                return (taken, Event::End(kind, &self.head[body]));
            }
            if whole {
                self.skip -= bytes.len() - taken;
                return (bytes.len(), Event::Within(self.head[0]));
            }
            let Some(byte) = bytes.get(taken) else { return (taken, Event::Within(self.head[0])) };
            self.head[self.filled] = *byte;
            self.filled += 1;
            taken += 1;
            if self.is_headed() {
                self.skip = self.length() - (self.filled - 5);
            }
        }
    }

    /// The length of the body.
    fn length(&self) -> usize {
        let length = u32::from_be_bytes([self.head[1], self.head[2], self.head[3], self.head[4]]);
        usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4)
    }

    /// Whether the inspected part of the frame has arrived.
    fn is_headed(&self) -> bool {
        if self.filled < 5 {
            return false;
        }
        let looked_at = is_inspected(self.head[0]) && !self.untyped;
        self.filled == HEAD || !looked_at || self.filled - 5 == self.length()
    }
}

/// Whether the body of frames of this type is inspected.
fn is_inspected(kind: u8) -> bool {
    matches!(kind, b'Z' | b'C' | b'Q')
}

#[cfg(test)]
pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let startup = [&20_u32.to_be_bytes()[..], &[0; 16]].concat();
        let long = [b"SELECT ".as_slice(), &[b'1'; 100]].concat();
        let parts = [startup, frame(b'p', b"secret"), frame(b'Q', &long), frame(b'S', b""), frame(b'Q', b"")];
        let bytes = parts.concat();
        for piece in 1..60 {
            let mut frames = Frames::of_client();
            let mut ends = Vec::new();
            let mut at = 0;
            for piece in bytes.chunks(piece) {
                let mut rest = piece;
                while !rest.is_empty() {
                    let (taken, event) = frames.take(rest);
                    at += taken;
                    rest = &rest[taken..];
                    if let Event::End(kind, head) = event {
                        ends.push((at, kind, head.to_vec()));
                    }
                }
            }
            let heads = [b"".as_slice(), b"", &long[..HEAD - 5], b"", b""];
            let mut end = 0;
            let expected: Vec<_> = parts
                .iter()
                .zip([0, b'p', b'Q', b'S', b'Q'])
                .zip(heads)
                .map(|((part, kind), head)| {
                    end += part.len();
                    (end, kind, head.to_vec())
                })
                .collect();
            assert_eq!(ends, expected, "in pieces of {piece}");
        }
    }
}
