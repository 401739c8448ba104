//! The encoding of a text file: the ends of records are found in its bytes, and each record is decoded. Only an input in
//! which they cannot be found is converted before.

use std::borrow::Cow;
use std::ops::Range;

#[cfg(feature = "encodings")]
use super::code_page::CodePage;
#[cfg(feature = "encodings")]
use crate::readers::converter::Converter;
use crate::readers::source::Source;
#[cfg(all(feature = "encodings", feature = "xml"))]
use crate::readers::source::Wide;

/// An encoding that keeps ASCII characters as single bytes, or an EBCDIC code page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    /// UTF-16, which the source converts to UTF-8 before records are found.
    #[cfg(feature = "encodings")]
    Utf16(ByteOrder),
    /// An encoding in which bytes below 128 may be parts of other characters. The source converts it to UTF-8, because the
    /// framing looks for such bytes.
    #[cfg(feature = "encodings")]
    Converted(&'static encoding_rs::Encoding),
    #[cfg(feature = "encodings")]
    Other(&'static encoding_rs::Encoding),
    /// A code page, whose line endings are not those of ASCII.
    #[cfg(feature = "encodings")]
    Ebcdic(&'static CodePage),
}

/// The byte order of UTF-16.
#[cfg(feature = "encodings")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// A byte order mark says it.
    Marked,
    Little,
    Big,
}

/// Bytes that are not text in their encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotText {
    pub(crate) encoding: &'static str,
    /// The bad bytes, as far as they are known.
    pub(crate) bytes: Range<usize>,
}

impl Encoding {
    /// Returns the encoding with this name, as the WHATWG Encoding Standard lists it; otherwise a problem
    /// with its remedy.
    #[cfg(feature = "encodings")]
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        if let Some(page) = CodePage::named(name) {
            return Ok(Self::Ebcdic(page));
        }
        if name.trim().eq_ignore_ascii_case("utf-16") {
            // The standard reads this as little-endian, and others as big-endian.
            return Ok(Self::Utf16(ByteOrder::Marked));
        }
        let Some(encoding) = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes()) else {
            return Err(format!(
                "there is no encoding `{name}`; the WHATWG Encoding Standard lists the names, such as `windows-1252` or \
                 `shift_jis`; EBCDIC is read as `cp037`, `cp273`, `cp500` or `cp1140`"
            ));
        };
        if encoding == encoding_rs::UTF_8 {
            return Ok(Self::Utf8);
        }
        if encoding == encoding_rs::UTF_16LE {
            return Ok(Self::Utf16(ByteOrder::Little));
        }
        if encoding == encoding_rs::UTF_16BE {
            return Ok(Self::Utf16(ByteOrder::Big));
        }
        if !encoding.is_ascii_compatible() {
            return Err(format!(
                "records cannot be found in {}, which does not keep ASCII characters as single bytes; convert the input to \
                 UTF-8",
                encoding.name()
            ));
        }
        Ok(Self::Other(encoding))
    }

    /// Returns the encoding with this name; otherwise a problem with its remedy.
    #[cfg(not(feature = "encodings"))]
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8") {
            return Ok(Self::Utf8);
        }
        Err(format!(
            "this program was built without the encoding `{name}`; turn on the cargo feature `encodings` of batch-runtime, \
             or convert the input to UTF-8"
        ))
    }

    /// Returns the encoding with this name, if its line endings are those of ASCII; otherwise a problem with
    /// its remedy.
    pub(crate) fn of_lines(name: &str) -> Result<Self, String> {
        match Self::named(name)? {
            #[cfg(feature = "encodings")]
            Self::Ebcdic(page) => Err(format!(
                "lines cannot be found in a file in {}; read it with `FixedReader` and `record_bytes`",
                page.name
            )),
            encoding => Ok(encoding),
        }
    }

    /// Returns the encoding with this name, if a document of JSON or XML can be read in it; otherwise a problem with its
    /// remedy. In one with several bytes per character, a bracket or a backslash may be a part of a character.
    pub(crate) fn of_documents(name: &str) -> Result<Self, String> {
        match Self::named(name)? {
            #[cfg(feature = "encodings")]
            Self::Other(encoding) if !encoding.is_single_byte() => Ok(Self::Converted(encoding)),
            #[cfg(feature = "encodings")]
            Self::Ebcdic(page) => {
                Err(format!("documents cannot be read in {}; convert the input to UTF-8", page.name))
            }
            encoding => Ok(encoding),
        }
    }

    /// Returns UTF-16 if its byte order mark, or the zeros in its ASCII characters, are at the start of a text.
    #[cfg(feature = "xml")]
    pub(crate) fn utf16_of(text: &[u8]) -> Option<Self> {
        #[cfg(feature = "encodings")]
        if let Some(Wide::Utf16 { is_big, is_marked }) = Wide::of(text) {
            return Some(Self::Utf16(match (is_marked, is_big) {
                (true, _) => ByteOrder::Marked,
                (false, true) => ByteOrder::Big,
                (false, false) => ByteOrder::Little,
            }));
        }
        let _ = text;
        None
    }

    #[cfg(feature = "xml")]
    pub(crate) fn is_utf16(self) -> bool {
        match self {
            #[cfg(feature = "encodings")]
            Self::Utf16(_) => true,
            _ => false,
        }
    }

    /// True if the two are the same, except for the byte order of UTF-16.
    #[cfg(feature = "xml")]
    pub(crate) fn is_like(self, other: Self) -> bool {
        self == other || self.is_utf16() && other.is_utf16()
    }

    /// Its name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            #[cfg(feature = "encodings")]
            Self::Utf16(_) => "UTF-16",
            #[cfg(feature = "encodings")]
            Self::Converted(encoding) | Self::Other(encoding) => encoding.name(),
            #[cfg(feature = "encodings")]
            Self::Ebcdic(page) => page.name,
        }
    }

    /// True if the bytes that the source returns are UTF-8.
    pub(crate) fn is_read_as_utf8(self) -> bool {
        match self {
            Self::Utf8 => true,
            #[cfg(feature = "encodings")]
            Self::Utf16(_) | Self::Converted(_) => true,
            #[cfg(feature = "encodings")]
            Self::Other(_) | Self::Ebcdic(_) => false,
        }
    }

    /// Returns the encoding with this name, if records of bytes can be in it; otherwise a problem with its remedy.
    #[cfg(feature = "fixed")]
    pub(crate) fn of_bytes(name: &str) -> Result<Self, String> {
        match Self::named(name)? {
            #[cfg(feature = "encodings")]
            Self::Utf16(_) => {
                Err("records of bytes cannot be read in UTF-16; convert the input to UTF-8".to_owned())
            }
            encoding => Ok(encoding),
        }
    }

    /// Prepares a source, before its first read.
    #[cfg_attr(not(feature = "encodings"), expect(clippy::unused_self, reason = "UTF-8 is the only one"))]
    pub(super) fn prepare(self, source: &mut Source) {
        #[cfg(feature = "encodings")]
        match self {
            Self::Utf16(order) => source.convert(Converter::of_utf16(order)),
            Self::Converted(encoding) => source.convert(Converter::of(encoding)),
            Self::Utf8 | Self::Other(_) | Self::Ebcdic(_) => {}
        }
        let _ = source;
    }

    /// True if this byte, below 128, may be a part of another character.
    #[cfg_attr(not(feature = "encodings"), expect(clippy::unused_self, reason = "UTF-8 is the only one"))]
    pub(crate) fn hides(self, byte: u8) -> bool {
        #[cfg(feature = "encodings")]
        if let Self::Other(encoding) = self {
            // The later bytes of a character may be digits in GB 18030, and 0x40 to 0x7E in the other encodings.
            return !encoding.is_single_byte() && (byte.is_ascii_digit() || (0x40..0x7F).contains(&byte));
        }
        let _ = byte;
        false
    }

    /// Decodes text for a message: bytes that are not text become replacement characters.
    #[cfg_attr(not(feature = "encodings"), expect(clippy::unused_self, reason = "UTF-8 is the only one"))]
    pub(crate) fn lossy(self, bytes: &[u8]) -> Cow<'_, str> {
        #[cfg(feature = "encodings")]
        match self {
            Self::Other(encoding) => return encoding.decode_without_bom_handling(bytes).0,
            Self::Ebcdic(page) => return Cow::Owned(page.decode(bytes)),
            Self::Utf8 | Self::Utf16(_) | Self::Converted(_) => {}
        }
        String::from_utf8_lossy(bytes)
    }

    /// Decodes the bytes up to the first that are not text, and says how many these are.
    pub(crate) fn decode_text(self, bytes: &[u8]) -> (Cow<'_, str>, usize) {
        match self.decode(bytes) {
            Ok(text) => (text, bytes.len()),
            Err(error) => {
                let length = error.bytes.start;
                (self.lossy(&bytes[..length]), length)
            }
        }
    }

    /// The number of bytes that a decoded text takes in the input of the framing.
    #[cfg_attr(not(feature = "encodings"), expect(clippy::unused_self, reason = "UTF-8 is the only one"))]
    pub(crate) fn length_of(self, text: &str) -> usize {
        #[cfg(feature = "encodings")]
        match self {
            Self::Other(encoding) => return encoding.encode(text).0.len(),
            Self::Ebcdic(_) => return text.chars().count(),
            Self::Utf8 | Self::Utf16(_) | Self::Converted(_) => {}
        }
        text.len()
    }

    /// Decodes a record.
    #[inline]
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, NotText> {
        match self {
            Self::Utf8 => utf8(bytes, "UTF-8"),
            #[cfg(feature = "encodings")]
            Self::Utf16(_) | Self::Converted(_) => utf8(bytes, self.name()),
            #[cfg(feature = "encodings")]
            Self::Ebcdic(page) => Ok(Cow::Owned(page.decode(bytes))),
            #[cfg(feature = "encodings")]
            Self::Other(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| not_text(encoding, bytes)),
        }
    }
}

/// Returns a record that is in UTF-8, whatever the input was in.
#[inline]
fn utf8<'a>(bytes: &'a [u8], encoding: &'static str) -> Result<Cow<'a, str>, NotText> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let from = error.valid_up_to();
        let length = error.error_len().unwrap_or(bytes.len() - from);
        NotText { encoding, bytes: from..from + length }
    })
}

/// Finds the bytes that are not text.
#[cfg(feature = "encodings")]
#[cold]
fn not_text(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> NotText {
    use encoding_rs::DecoderResult;

    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(4 * bytes.len());
    let bytes = match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::Malformed(length, after), read) => {
            let end = read - usize::from(after);
            end.saturating_sub(usize::from(length))..end
        }
        _ => 0..bytes.len(),
    };
    NotText { encoding: encoding.name(), bytes }
}

#[cfg(all(test, feature = "encodings"))]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_decoded_as_its_encoding_says() {
        let decoded =
            |name: &str, bytes: &[u8]| Encoding::named(name).unwrap().decode(bytes).unwrap().into_owned();
        assert_eq!(decoded("windows-1252", b"10 \x80, caf\xE9"), "10 €, café");
        assert_eq!(decoded("ISO-8859-2", b"\xA3\xF3d\xBC"), "Łódź");
        assert_eq!(decoded("shift_jis", b"\x83\x5C\x81|"), "ソ－");
        assert_eq!(decoded("utf-8", "é".as_bytes()), "é");
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let sjis = Encoding::named("shift_jis").unwrap();
        let error = sjis.decode(b"ab\x83\xFFc").unwrap_err();
        assert_eq!((error.encoding, error.bytes.start), ("Shift_JIS", 2));
        assert_eq!(Encoding::Utf8.decode(b"a\xFFb").unwrap_err().bytes, 1..2);
    }

    #[test]
    fn a_decoded_text_is_as_long_as_its_bytes() {
        let every: Vec<u8> = (0..=255).collect();
        for name in ["windows-1252", "iso-8859-2", "koi8-r", "macintosh", "x-user-defined", "cp037", "utf-8"]
        {
            let encoding = Encoding::named(name).unwrap();
            let (text, length) = encoding.decode_text(&every);
            assert_eq!((encoding.length_of(&text), length > 127), (length, true), "{name}");
        }
    }

    #[test]
    fn a_document_is_converted_where_a_bracket_may_be_a_part_of_a_character() {
        for name in ["shift_jis", "gb18030", "gbk", "big5", "euc-kr", "euc-jp"] {
            assert!(matches!(Encoding::of_documents(name), Ok(Encoding::Converted(_))), "{name}");
        }
        for name in ["windows-1252", "iso-8859-15", "koi8-u"] {
            let encoding = Encoding::of_documents(name).unwrap();
            assert!(!encoding.is_read_as_utf8() && !encoding.hides(b'['), "{name}");
        }
        for (name, problem) in
            [("cp037", "documents cannot be read in cp037"), ("iso-2022-jp", "ISO-2022-JP")]
        {
            let error = Encoding::of_documents(name).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn an_encoding_whose_records_cannot_be_found_is_refused() {
        for name in ["iso-2022-jp", "latin-7000", ""] {
            assert!(Encoding::named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_line_ending_a_comma_and_a_quote_are_never_part_of_a_character() {
        for name in ["windows-1252", "shift_jis", "gb18030", "gbk", "big5", "euc-kr", "euc-jp", "koi8-r"] {
            let encoding = Encoding::named(name).unwrap();
            for byte in [b'\n', b'\r', b',', b';', b'\t', b'"'] {
                assert!(!encoding.hides(byte), "{name} {byte}");
            }
        }
        assert!(Encoding::named("big5").unwrap().hides(b'|'));
        assert!(!Encoding::named("koi8-r").unwrap().hides(b'|'));
    }
}
