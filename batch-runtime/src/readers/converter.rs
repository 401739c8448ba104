//! Converts an input to UTF-8 while it is read, so that everything after it sees UTF-8: one in UTF-16, and a document in
//! an encoding that may have the bytes of markup within other characters.
//!
//! Bytes that are no character, such as an unpaired surrogate, become bytes that are not UTF-8 either, so the record that
//! contains them is refused with its place, and the records around it are read.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_16BE, UTF_16LE};

use super::ReadError;
use super::framed::{BYTE_ORDER_MARK, ByteOrder};
use super::resume_points::{ResumePoint, ResumePoints};
use super::source::{ENCODING_PROBE_BYTES, Wide};

/// The size of a read.
const BLOCK: usize = 64 * 1024;

/// Stands for bytes that are no character: these bytes would encode a surrogate, which UTF-8 excludes.
const NO_CHARACTER: &[u8] = b"\xED\xA0\x80";

/// In encodings that keep ASCII characters as single bytes, no byte below this one is a part of another character.
const FIRST_HIDDEN: u8 = b'0';

/// Converts the bytes of an input.
pub(super) struct Converter {
    from: Origin,
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

/// The encoding of the input.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Utf16(ByteOrder),
    /// One that keeps ASCII characters as single bytes, and has no state between characters.
    Other(&'static Encoding),
}

/// The reason why an input cannot be converted any further.
pub(super) enum NotConverted {
    Read(ReadError),
    /// The input ends within a character of this encoding.
    Cut(&'static str),
    /// It is in another encoding, or another byte order.
    Refused(String),
}

impl Converter {
    pub(super) fn of_utf16(order: ByteOrder) -> Self {
        Self::new(Origin::Utf16(order))
    }

    /// Converts from an encoding that keeps ASCII characters as single bytes.
    pub(super) fn of(encoding: &'static Encoding) -> Self {
        Self::new(Origin::Other(encoding))
    }

    fn new(from: Origin) -> Self {
        Self {
            from,
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
        self.decoder = if start.stored == 0 { None } else { self.examine(front).ok().map(decoder) };
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
                return Err(NotConverted::Cut(self.from.name()));
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
                let encoding = self.examine(&self.block[..count]).map_err(NotConverted::Refused)?;
                self.decoder = Some(decoder(encoding));
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
        let boundary = self.last_boundary(count);
        self.convert_bytes(0..boundary, false);
        if boundary > 0 {
            self.starts.add(self.read);
        }
        self.convert_bytes(boundary..count, count == 0);
    }

    fn convert_bytes(&mut self, range: Range<usize>, is_last: bool) {
        let Some(decoder) = &mut self.decoder else { return };
        let (before, length) = (self.text.len(), range.len());
        let mut rest = &self.block[range];
        while is_last || !rest.is_empty() {
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
                DecoderResult::Malformed(..) => self.text.extend_from_slice(NO_CHARACTER),
            }
        }
        if is_last {
            // The input may be read again from here.
            *decoder = decoder.encoding().new_decoder_without_bom_handling();
        }
        self.read.stored += length as u64;
        self.read.byte += (self.text.len() - before) as u64;
    }

    /// The number of bytes of the block up to a place where a character is certain to begin: the last one that is easily
    /// found, or 0.
    fn last_boundary(&self, count: usize) -> usize {
        match self.from {
            Origin::Utf16(_) if self.is_between_units(count) => count,
            Origin::Utf16(_) => 0,
            Origin::Other(_) => {
                let last = self.block[..count].iter().rposition(|byte| *byte < FIRST_HIDDEN);
                last.map_or(0, |last| last + 1)
            }
        }
    }

    /// True if a character of UTF-16 ends at the end of the block.
    fn is_between_units(&self, count: usize) -> bool {
        let Some([.., first, second]) = self.block.get(..count) else { return false };
        let is_big = self.decoder.as_ref().is_some_and(|decoder| decoder.encoding() == UTF_16BE);
        let high = if is_big { *first } else { *second };
        (self.read.stored + count as u64).is_multiple_of(2) && !(0xD8..0xDC).contains(&high)
    }

    /// Determines the encoding, with its byte order, from the start of the input, or says why it cannot be read.
    fn examine(&self, front: &[u8]) -> Result<&'static Encoding, String> {
        let begin = &front[..front.len().min(ENCODING_PROBE_BYTES)];
        let wide = Wide::of(begin);
        if wide == Some(Wide::Utf32) {
            return Err("it is UTF-32; convert the input to UTF-8".to_owned());
        }
        if begin.starts_with(BYTE_ORDER_MARK) {
            return Err("it begins with the byte order mark of UTF-8, but another encoding is set".to_owned());
        }
        let found = wide.and_then(|wide| match wide {
            Wide::Utf16 { is_big, is_marked } => {
                Some((if is_big { ByteOrder::Big } else { ByteOrder::Little }, is_marked))
            }
            Wide::Utf32 => None,
        });
        match (self.from, found) {
            (Origin::Utf16(order), _) => order_of(order, found, begin).map(ByteOrder::encoding),
            (Origin::Other(encoding), None) => Ok(encoding),
            (Origin::Other(encoding), Some((found, _))) => {
                Err(format!("it is {found}, but the encoding is set to {}", encoding.name()))
            }
        }
    }
}

/// Determines the byte order of an input that should be in UTF-16. `found` is the order that its start shows, and
/// whether a mark shows it.
fn order_of(set: ByteOrder, found: Option<(ByteOrder, bool)>, begin: &[u8]) -> Result<ByteOrder, String> {
    match (set, found) {
        (ByteOrder::Marked, Some((order, true))) => Ok(order),
        (ByteOrder::Marked, _) if begin.is_empty() => Ok(ByteOrder::Little),
        (ByteOrder::Marked, _) => {
            Err("it has no byte order mark; set the encoding to `utf-16le` or `utf-16be`".to_owned())
        }
        (set, Some((found, _))) if set != found => {
            Err(format!("it is {found}, but the encoding is set to {set}"))
        }
        (_, None) if is_utf8(begin) => Err(
            "it looks like UTF-8, but the encoding is set to UTF-16; if it is UTF-16, add a byte order mark"
                .to_owned(),
        ),
        (set, _) => Ok(set),
    }
}

/// True if a text is UTF-8 rather than UTF-16. The end of `begin` may cut a character.
fn is_utf8(begin: &[u8]) -> bool {
    let is_text = std::str::from_utf8(begin).map_or_else(|error| error.error_len().is_none(), |_| true);
    begin.len() >= 8 && !begin.contains(&0) && is_text
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Utf16(_) => "UTF-16",
            Self::Other(encoding) => encoding.name(),
        }
    }
}

fn decoder(encoding: &'static Encoding) -> Decoder {
    encoding.new_decoder_without_bom_handling()
}

impl ByteOrder {
    fn encoding(self) -> &'static Encoding {
        if self == Self::Big { UTF_16BE } else { UTF_16LE }
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
