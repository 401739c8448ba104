//! Converts an input in UTF-16 to UTF-8 while it is read, so that everything after it sees UTF-8.
//!
//! An unpaired surrogate is not a character. It becomes bytes that are not UTF-8 either, so the record that
//! contains it is refused with its place, and the records around it are read.

#[cfg(test)]
mod tests;

use std::fmt;

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE};

use super::ReadError;
use super::framed::{BYTE_ORDER_MARK, ByteOrder};
use super::resume_points::{ResumePoint, ResumePoints};
use super::source::{ENCODING_PROBE_BYTES, is_padded};

/// The size of a read.
const BLOCK: usize = 64 * 1024;

/// Stands for an unpaired surrogate: these bytes would encode a surrogate, which UTF-8 excludes.
const UNPAIRED_SURROGATE: &[u8] = b"\xED\xA0\x80";

/// Converts the bytes of an input.
pub(super) struct Converter {
    order: ByteOrder,
    /// `None` until the first bytes have been examined.
    decoder: Option<Decoder>,
    block: Box<[u8]>,
    /// The converted text, of which the first `taken` bytes were returned.
    text: Vec<u8>,
    taken: usize,
    /// The number of bytes read, and of bytes converted from them.
    read: ResumePoint,
    /// Places where a character begins.
    starts: ResumePoints,
    /// True if the input ends within a character.
    is_cut: bool,
}

/// The reason why an input cannot be converted any further.
pub(super) enum NotConverted {
    Read(ReadError),
    /// The input ends within a character.
    Cut,
    /// It is not in UTF-16, or not in this byte order.
    Refused(String),
}

impl Converter {
    pub(super) fn new(order: ByteOrder) -> Self {
        Self {
            order,
            decoder: None,
            block: vec![0; BLOCK].into(),
            text: Vec::new(),
            taken: 0,
            read: ResumePoint::default(),
            starts: ResumePoints::from(ResumePoint::default()),
            is_cut: false,
        }
    }

    /// The number of bytes of the input already read.
    pub(super) fn done(&self) -> u64 {
        self.read.stored
    }

    /// Returns a place at which to begin converting to reach `byte` of the text; `None` for the start of the input.
    pub(super) fn start_before(&self, byte: u64) -> Option<ResumePoint> {
        self.starts.before(byte)
    }

    /// Continues at `start`, to which the input was moved. `front` is the start of the input.
    pub(super) fn go_to(&mut self, start: ResumePoint, front: &[u8]) {
        // If the front is refused, so is the first read.
        self.decoder =
            if start.stored == 0 { None } else { self.examine(front).ok().map(ByteOrder::decoder) };
        self.text.clear();
        (self.taken, self.read, self.is_cut) = (0, start, false);
        self.starts = ResumePoints::from(start);
    }

    /// Copies converted bytes to `into`, and returns their number: 0 at the end of the input. `read` reads the input.
    pub(super) fn fill(
        &mut self,
        into: &mut [u8],
        mut read: impl FnMut(&mut [u8]) -> Result<usize, ReadError>,
    ) -> Result<usize, NotConverted> {
        while self.taken == self.text.len() {
            if self.is_cut {
                return Err(NotConverted::Cut);
            }
            self.text.clear();
            self.taken = 0;
            let mut count = read(&mut self.block).map_err(NotConverted::Read)?;
            if self.decoder.is_none() {
                while count < ENCODING_PROBE_BYTES {
                    match read(&mut self.block[count..]).map_err(NotConverted::Read)? {
                        0 => break,
                        more => count += more,
                    }
                }
                let order = self.examine(&self.block[..count]).map_err(NotConverted::Refused)?;
                self.decoder = Some(order.decoder());
            }
            self.convert(count);
            if count == 0 && !self.is_cut {
                return Ok(0);
            }
        }
        let text = &self.text[self.taken..];
        let count = text.len().min(into.len());
        into[..count].copy_from_slice(&text[..count]);
        self.taken += count;
        Ok(count)
    }

    /// Converts the first `count` bytes of the block; `count` is 0 at the end of the input.
    fn convert(&mut self, count: usize) {
        let Some(decoder) = &mut self.decoder else { return };
        let is_last = count == 0;
        let mut rest = &self.block[..count];
        loop {
            let begin = self.text.len();
            // The length is `None` only for a block that is as large as the memory.
            let room = decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(3 * BLOCK);
            self.text.resize(begin + room, 0);
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut self.text[begin..], is_last);
            self.text.truncate(begin + written);
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) if is_last => {
                    self.is_cut = true;
                    break;
                }
                DecoderResult::Malformed(..) => self.text.extend_from_slice(UNPAIRED_SURROGATE),
            }
        }
        if is_last {
            // The input may be read again from here.
            *decoder = decoder.encoding().new_decoder_without_bom_handling();
        }
        self.read.stored += count as u64;
        self.read.byte += self.text.len() as u64;
        if count > 0 && self.is_between_characters(count) {
            self.starts.add(self.read);
        }
    }

    /// True if a character ends at the end of the block.
    fn is_between_characters(&self, count: usize) -> bool {
        let Some([.., first, second]) = self.block.get(..count) else { return false };
        let is_big = self.decoder.as_ref().is_some_and(|decoder| decoder.encoding() == UTF_16BE);
        let high = if is_big { *first } else { *second };
        self.read.stored.is_multiple_of(2) && !(0xD8..0xDC).contains(&high)
    }

    /// Determines the byte order from the start of the input, or says why it cannot be read.
    fn examine(&self, front: &[u8]) -> Result<ByteOrder, String> {
        use ByteOrder::{Big, Little, Marked};
        let begin = &front[..front.len().min(ENCODING_PROBE_BYTES)];
        if matches!(begin, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) || is_padded(begin, 4) {
            return Err("it is UTF-32; convert the input to UTF-8".to_owned());
        }
        if begin.starts_with(BYTE_ORDER_MARK) {
            return Err("it begins with the byte order mark of UTF-8, but another encoding is set".to_owned());
        }
        let marked = match begin {
            [0xFF, 0xFE, ..] => Some(Little),
            [0xFE, 0xFF, ..] => Some(Big),
            _ => None,
        };
        let found = marked.or_else(|| is_padded(begin, 2).then(|| if begin[1] == 0 { Little } else { Big }));
        match (self.order, found) {
            (Marked, _) if marked.is_some() => Ok(marked.unwrap_or(Little)),
            (Marked, _) if begin.is_empty() => Ok(Little),
            (Marked, _) => {
                Err("it has no byte order mark; set the encoding to `utf-16le` or `utf-16be`".to_owned())
            }
            (order, Some(found)) if order != found => {
                Err(format!("it is {found}, but the encoding is set to {order}"))
            }
            (_, None) if is_utf8(begin) => Err(
                "it looks like UTF-8, but the encoding is set to UTF-16; if it is UTF-16, add a byte order mark"
                    .to_owned(),
            ),
            (order, _) => Ok(order),
        }
    }
}

/// True if a text is UTF-8 rather than UTF-16. The end of `begin` may cut a character.
fn is_utf8(begin: &[u8]) -> bool {
    let is_text = std::str::from_utf8(begin).map_or_else(|error| error.error_len().is_none(), |_| true);
    begin.len() >= 8 && !begin.contains(&0) && is_text
}

impl ByteOrder {
    fn decoder(self) -> Decoder {
        let encoding = if self == Self::Big { UTF_16BE } else { UTF_16LE };
        encoding.new_decoder_without_bom_handling()
    }
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Marked => "UTF-16",
            Self::Little => "UTF-16LE",
            Self::Big => "UTF-16BE",
        })
    }
}
