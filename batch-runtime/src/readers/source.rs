//! Opens an input file for reading.
//!
//! [`Source`] decompresses the file if its name or its first bytes call for it, seeks to a position, and
//! reports progress. [`Identity`] tells whether the file has changed since an earlier execution.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ReadError;
#[cfg(any(feature = "gzip", feature = "zstd"))]
use super::compressed::{self, Members};
#[cfg(feature = "encodings")]
use super::converter::{Converter, NotConverted};
use super::magic;
use super::resume_points::ResumePoint;
use crate::Progress;
use crate::definition::resource_name;

/// The number of bytes at the start of a file that its identity covers.
const FRONT: usize = 4096;

/// The number of bytes at the start of a text from which its encoding is detected.
pub(crate) const ENCODING_PROBE_BYTES: usize = 32;

/// The maximum number of bytes before a position that are hashed into it, and read again by a restart.
pub(crate) const MOST_HASHED: usize = 64;

/// The number of bytes of records after which a batch of detached records ends. Long records gain nothing
/// from larger batches, which would hold a whole chunk in memory twice.
pub(crate) const DETACHED_BATCH_BYTES: usize = 1024 * 1024;

/// Identifies the file that a position belongs to; a restart checks it before it resumes.
///
/// A file that has only grown at its end still counts as the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The length of the file in bytes, as stored (compressed).
    length: u64,
    /// The number of bytes hashed at the start of the file.
    front: u64,
    /// The hash of those bytes.
    hash: u64,
    /// For a position in a compressed file, the start of the member from which to decompress; for one in a converted
    /// file, the start of a character from which to convert. `None` is the start of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<ResumePoint>,
}

/// A file that is read from the start, decompressed if its name or its first bytes call for it, and converted to UTF-8
/// if its encoding calls for that.
pub(crate) struct Source {
    resource: Arc<str>,
    stream: Stream,
    #[cfg(feature = "encodings")]
    converter: Option<Box<Converter>>,
    length: u64,
    identity: Identity,
    front: Box<[u8]>,
    /// The number of decompressed and converted bytes returned so far.
    returned: u64,
    /// The member to resume in.
    member: Option<ResumePoint>,
    /// The error that broke the stream. A decompressor that has failed may return anything if it is read
    /// again.
    broken: Option<(io::ErrorKind, String)>,
    /// The byte at which a test makes the operating system fail.
    #[cfg(test)]
    pub(crate) fails_at: Option<u64>,
}

enum Stream {
    Plain(File),
    /// The source of detached records, which reads nothing.
    Nothing,
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    Compressed(Box<Members>),
}

impl Source {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let resource: Arc<str> = resource_name(path).into();
        let open = |source| ReadError::Open { resource: resource.clone(), source };
        // Check the metadata before opening: opening a pipe would wait for its other end.
        let metadata = std::fs::metadata(path).map_err(open)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(ReadError::NotAFile { resource, found });
        }
        let mut file = File::open(path).map_err(open)?;
        let length = file.metadata().map_err(open)?.len();
        let front = front(&mut file).map_err(open)?;
        let identity = Identity { length, front: front.len() as u64, hash: hash(&front), member: None };
        let stream = Stream::new(path, file, &front, &resource)?;
        Ok(Self {
            resource,
            stream,
            #[cfg(feature = "encodings")]
            converter: None,
            length,
            identity,
            front,
            returned: 0,
            member: None,
            broken: None,
            #[cfg(test)]
            fails_at: None,
        })
    }

    /// Returns a source for the same file that reads nothing more.
    pub(crate) fn nothing(&self) -> Self {
        Self {
            resource: Arc::clone(&self.resource),
            stream: Stream::Nothing,
            #[cfg(feature = "encodings")]
            converter: None,
            length: self.length,
            identity: self.identity,
            front: Box::default(),
            returned: 0,
            member: None,
            broken: None,
            #[cfg(test)]
            fails_at: None,
        }
    }

    /// Converts the file to UTF-8; called before the first read.
    #[cfg(feature = "encodings")]
    pub(super) fn convert(&mut self, converter: Converter) {
        self.converter = Some(Box::new(converter));
    }

    /// The name of the input in messages.
    pub(crate) fn resource(&self) -> &Arc<str> {
        &self.resource
    }

    /// The identity of the file for a position at `byte`. It does not cover the input after that byte, which may be
    /// corrected before a restart. For a compressed or converted file it covers the whole front, because `byte` is not
    /// an offset in the stored file.
    pub(crate) fn identity(&self, byte: u64) -> Identity {
        #[cfg(feature = "encodings")]
        if let Some(converter) = &self.converter {
            let start = converter.start_before(byte.saturating_sub(MOST_HASHED as u64));
            return Identity { member: start.filter(|_| !self.is_compressed()), ..self.identity };
        }
        #[cfg(any(feature = "gzip", feature = "zstd"))]
        if let Stream::Compressed(members) = &self.stream {
            let member = members.start_before(byte.saturating_sub(MOST_HASHED as u64));
            return Identity { member, ..self.identity };
        }
        match usize::try_from(byte).ok().and_then(|byte| self.front.get(..byte)) {
            Some(before) if self.is_plain() => Identity { front: byte, hash: hash(before), ..self.identity },
            _ => self.identity,
        }
    }

    /// Returns an error unless this is the file of `identity`, which an earlier execution read up to `byte`. The
    /// next [`skip_to`](Self::skip_to) may then begin where `identity` says.
    pub(crate) fn check(&mut self, identity: Identity, byte: u64) -> Result<(), ReadError> {
        self.member = None;
        let known = usize::try_from(identity.front).ok().and_then(|front| self.front.get(..front));
        let Some(known) = known else {
            return Err(self.changed(byte, "it is shorter"));
        };
        if hash(known) != identity.hash {
            return Err(self.changed(byte, "its beginning differs"));
        }
        if self.is_plain() && self.length < byte {
            return Err(self.changed(byte, "it is shorter"));
        }
        self.member = identity.member;
        Ok(())
    }

    /// Refuses text in UTF-16 or UTF-32, judged by its first bytes (decompressed). `has_option` is true if the reader
    /// could convert UTF-16.
    pub(crate) fn check_encoding(&self, text: &[u8], has_option: bool) -> Result<(), ReadError> {
        let (found, option) = match Wide::of(text) {
            None => return Ok(()),
            Some(Wide::Utf32) => ("UTF-32", None),
            Some(Wide::Utf16 { is_marked: true, .. }) => ("UTF-16", Some("utf-16")),
            Some(Wide::Utf16 { is_big: false, .. }) => ("UTF-16", Some("utf-16le")),
            Some(Wide::Utf16 { is_big: true, .. }) => ("UTF-16", Some("utf-16be")),
        };
        let option = option.filter(|_| has_option);
        let remedy = option.map(|name| format!("set `encoding(\"{name}\")`, or ")).unwrap_or_default();
        let problem = format!("it is {found}; {remedy}convert the input to UTF-8").into();
        Err(ReadError::Options { resource: self.resource.clone(), problem })
    }

    /// Returns the error for a file that has changed.
    pub(crate) fn changed(&self, byte: u64, problem: &str) -> ReadError {
        ReadError::Changed { resource: self.resource.clone(), byte, problem: problem.into() }
    }

    /// True if the file is read as it is stored, so that a seek is enough to resume.
    pub(crate) fn is_plain(&self) -> bool {
        #[cfg(feature = "encodings")]
        if self.converter.is_some() {
            return false;
        }
        matches!(self.stream, Stream::Plain(_))
    }

    fn is_compressed(&self) -> bool {
        !matches!(self.stream, Stream::Plain(_) | Stream::Nothing)
    }

    /// Moves to `byte` of the decompressed and converted input. A plain file seeks there; a compressed file
    /// decompresses up to it, from the current place or from the member that the identity named; a converted file is
    /// converted up to it.
    pub(crate) fn skip_to(&mut self, byte: u64) -> Result<(), ReadError> {
        match &mut self.stream {
            #[cfg(feature = "encodings")]
            _ if self.converter.is_some() => self.go_to_character(byte)?,
            Stream::Plain(file) => {
                let resource = &self.resource;
                file.seek(SeekFrom::Start(byte)).map_err(|source| ReadError::Io {
                    resource: resource.clone(),
                    byte,
                    source,
                })?;
                self.returned = byte;
            }
            Stream::Nothing => {}
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            Stream::Compressed(_) => self.go_to_member(byte)?,
        }
        let mut discarded = vec![0; 128 * 1024];
        while self.returned < byte {
            let room = usize::try_from(byte - self.returned)
                .map_or(discarded.len(), |left| left.min(discarded.len()));
            if self.fill(&mut discarded[..room])? == 0 {
                return Err(self.changed(byte, "it is shorter"));
            }
        }
        Ok(())
    }

    /// Goes to the character that the identity named, or back to the first, if that brings it closer to `byte`.
    #[cfg(feature = "encodings")]
    fn go_to_character(&mut self, byte: u64) -> Result<(), ReadError> {
        let named = self.member.take().filter(|start| start.byte <= byte).unwrap_or_default();
        let is_on_the_way = named.byte <= self.returned && self.returned <= byte;
        if is_on_the_way || self.broken.is_some() {
            return Ok(());
        }
        let moved = match &mut self.stream {
            Stream::Plain(file) => file.seek(SeekFrom::Start(named.stored)).map(|_| named),
            Stream::Nothing => return Ok(()),
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            Stream::Compressed(members) => {
                members.go_to(ResumePoint::default()).map(|_| ResumePoint::default())
            }
        };
        let start =
            moved.map_err(|source| ReadError::Io { resource: self.resource.clone(), byte, source })?;
        self.returned = start.byte;
        if let Some(converter) = &mut self.converter {
            converter.go_to(start, &self.front);
        }
        Ok(())
    }

    /// Goes to the member that the identity named, or back to the first, if that brings it closer to `byte`.
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    fn go_to_member(&mut self, byte: u64) -> Result<(), ReadError> {
        let named = self.member.take().filter(|member| member.byte <= byte).unwrap_or_default();
        let is_on_the_way = named.byte <= self.returned && self.returned <= byte;
        let Stream::Compressed(members) = &mut self.stream else { return Ok(()) };
        if is_on_the_way || self.broken.is_some() {
            return Ok(());
        }
        match members.go_to(named) {
            Ok(true) => {
                self.returned = named.byte;
                Ok(())
            }
            Ok(false) => {
                let part = members.format().part();
                Err(self.changed(
                    byte,
                    &format!("no {part} begins at byte {} of the file any more", named.stored),
                ))
            }
            Err(source) => Err(ReadError::Io { resource: self.resource.clone(), byte, source }),
        }
    }

    /// Reads at least one byte into `into`, or returns 0 at the end of the input.
    pub(crate) fn fill(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        if let Some((kind, message)) = &self.broken {
            return Err(self.error(io::Error::new(*kind, message.clone())));
        }
        #[cfg(test)]
        let into = match self.fails_at {
            Some(byte) if byte <= self.returned => return Err(self.error(io::Error::other("unplugged"))),
            Some(byte) => {
                let room = into.len().min(usize::try_from(byte - self.returned).unwrap());
                &mut into[..room]
            }
            None => into,
        };
        #[cfg(feature = "encodings")]
        let count = match self.converter.take() {
            Some(mut converter) => {
                let filled = converter.fill(into, |raw| self.read_stored(raw));
                self.converter = Some(converter);
                filled.map_err(|error| self.not_converted(error))?
            }
            None => self.read_stored(into)?,
        };
        #[cfg(not(feature = "encodings"))]
        let count = self.read_stored(into)?;
        self.returned += count as u64;
        Ok(count)
    }

    /// Reads at least one byte, before any conversion to UTF-8, or returns 0 at the end of the input.
    #[inline]
    fn read_stored(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            let read = match &mut self.stream {
                Stream::Plain(file) => file.read(into),
                Stream::Nothing => Ok(0),
                #[cfg(any(feature = "gzip", feature = "zstd"))]
                Stream::Compressed(members) => members.read(into),
            };
            match read {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broken = Some((error.kind(), error.to_string()));
                    return Err(self.error(error));
                }
            }
        }
    }

    #[cfg(feature = "encodings")]
    #[cold]
    fn not_converted(&self, error: NotConverted) -> ReadError {
        let resource = self.resource.clone();
        match error {
            NotConverted::Read(error) => error,
            NotConverted::Cut(encoding) => ReadError::Truncated { resource, encoding, byte: self.returned },
            NotConverted::Refused(problem) => ReadError::Options { resource, problem: problem.into() },
        }
    }

    fn error(&self, source: io::Error) -> ReadError {
        let resource = self.resource.clone();
        let byte = self.returned;
        let truncated = source.kind() == io::ErrorKind::UnexpectedEof;
        // Decompressors report bad data with these kinds; all other errors come from the file underneath.
        let damaged = matches!(
            source.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
        );
        #[cfg(any(feature = "gzip", feature = "zstd"))]
        if let Stream::Compressed(members) = &self.stream
            && source.to_string() == compressed::TRAILING
        {
            return ReadError::Trailing { resource, part: members.format().part() };
        }
        if self.is_compressed() && (truncated || damaged) {
            ReadError::Compressed { resource, byte, truncated, source }
        } else {
            ReadError::Io { resource, byte, source }
        }
    }

    /// The number of bytes of the file already read, out of its length.
    pub(crate) fn progress(&self) -> Progress {
        #[cfg(feature = "encodings")]
        let returned = self.converter.as_ref().map_or(self.returned, |converter| converter.done());
        #[cfg(not(feature = "encodings"))]
        let returned = self.returned;
        let done = match &self.stream {
            Stream::Plain(_) | Stream::Nothing => returned,
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            Stream::Compressed(members) => members.done(),
        };
        Progress { done: done.min(self.length), total: self.length }
    }
}

impl Stream {
    /// Chooses the decompressor by the extension `.gz` or `.zst`. For any other name, the magic number at the start of
    /// the file decides: a path parameter that names the link `day.csv.gz` holds the path of its target, which may have
    /// any name. No text begins with such a number.
    fn new(path: &Path, file: File, front: &[u8], resource: &Arc<str>) -> Result<Self, ReadError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let named = match ending.as_deref() {
            Some("gz") => Some(GZIP),
            Some("zst") => Some(ZSTD),
            _ => None,
        };
        match named {
            Some(named) if !front.is_empty() && !(named.is)(front) => Err(ReadError::Options {
                resource: resource.clone(),
                problem: format!(
                    "its name ends in `.{}`, but it is not compressed with {}; rename it to match its format",
                    named.ending, named.name
                )
                .into(),
            }),
            Some(named) => {
                let stream = (named.open)(file, resource)?;
                if front.is_empty() {
                    let source = io::ErrorKind::UnexpectedEof.into();
                    return Err(ReadError::Compressed {
                        resource: resource.clone(),
                        byte: 0,
                        truncated: true,
                        source,
                    });
                }
                Ok(stream)
            }
            None => match [GZIP, ZSTD].into_iter().find(|format| (format.is)(front)) {
                Some(found) => (found.open)(file, resource),
                None => Ok(Self::Plain(file)),
            },
        }
    }

    #[cfg(feature = "gzip")]
    fn gzip(file: File, resource: &Arc<str>) -> Result<Self, ReadError> {
        Self::compressed(compressed::Format::Gzip, file, resource)
    }

    #[cfg(not(feature = "gzip"))]
    fn gzip(_file: File, resource: &Arc<str>) -> Result<Self, ReadError> {
        Err(feature_is_off(resource, "gzip", "gzip"))
    }

    #[cfg(feature = "zstd")]
    fn zstd(file: File, resource: &Arc<str>) -> Result<Self, ReadError> {
        Self::compressed(compressed::Format::Zstd, file, resource)
    }

    #[cfg(not(feature = "zstd"))]
    fn zstd(_file: File, resource: &Arc<str>) -> Result<Self, ReadError> {
        Err(feature_is_off(resource, "Zstandard", "zstd"))
    }

    #[cfg(any(feature = "gzip", feature = "zstd"))]
    fn compressed(format: compressed::Format, file: File, resource: &Arc<str>) -> Result<Self, ReadError> {
        Members::new(format, file)
            .map(|members| Self::Compressed(Box::new(members)))
            .map_err(|source| ReadError::Open { resource: resource.clone(), source })
    }
}

/// A compression format, with the extension and the magic number of its files.
struct Compression {
    ending: &'static str,
    name: &'static str,
    is: fn(&[u8]) -> bool,
    open: fn(File, &Arc<str>) -> Result<Stream, ReadError>,
}

const GZIP: Compression = Compression { ending: "gz", name: "gzip", is: magic::is_gzip, open: Stream::gzip };

const ZSTD: Compression =
    Compression { ending: "zst", name: "Zstandard", is: magic::is_zstd, open: Stream::zstd };

#[cfg(not(all(feature = "gzip", feature = "zstd")))]
fn feature_is_off(resource: &Arc<str>, format: &str, feature: &str) -> ReadError {
    ReadError::Options {
        resource: resource.clone(),
        problem: format!(
            "this program was built without {format}; turn on the cargo feature `{feature}` of batch-runtime, or decompress the file"
        )
        .into(),
    }
}

/// An encoding with units of several bytes, as the start of a text shows it: by its byte order mark, or by the zeros
/// in its ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wide {
    Utf16 { is_big: bool, is_marked: bool },
    Utf32,
}

impl Wide {
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        match text {
            [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some(Self::Utf32),
            [0xFF, 0xFE, ..] => Some(Self::Utf16 { is_big: false, is_marked: true }),
            [0xFE, 0xFF, ..] => Some(Self::Utf16 { is_big: true, is_marked: true }),
            _ if is_padded(text, 4) => Some(Self::Utf32),
            _ if is_padded(text, 2) => Some(Self::Utf16 { is_big: text[0] == 0, is_marked: false }),
            _ => None,
        }
    }
}

/// True if every character at the start of the text is one byte padded with zeros, as ASCII is in an encoding
/// of `width` bytes per character.
fn is_padded(text: &[u8], width: usize) -> bool {
    let begin = &text[..text.len().min(ENCODING_PROBE_BYTES) / width * width];
    let holds = |place: usize| {
        begin
            .chunks_exact(width)
            .all(|character| character.iter().enumerate().all(|(at, byte)| (*byte != 0) == (at == place)))
    };
    begin.len() >= 8 && (holds(0) || holds(width - 1))
}

/// Reads the first block of the file and rewinds the file.
fn front(file: &mut File) -> io::Result<Box<[u8]>> {
    let mut front = Vec::with_capacity(FRONT);
    file.by_ref().take(FRONT as u64).read_to_end(&mut front)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(front.into_boxed_slice())
}

/// FNV-1a, 64 bits: small, stable between versions, and enough to detect a file that was changed by accident.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Returns the bytes from the start of the line that contains `place` to the end of `read`, without its line
/// ending.
#[cold]
pub(super) fn line_around(read: &[u8], place: u64) -> Option<&[u8]> {
    let place = usize::try_from(place).ok().filter(|place| *place < read.len())?;
    let begin = memchr::memrchr(b'\n', &read[..place]).map_or(0, |end| end + 1);
    let line = read[begin..].strip_suffix(b"\n").unwrap_or(&read[begin..]);
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(all(test, feature = "gzip", feature = "zstd"))]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_compressed_file_of_any_name_is_decompressed() {
        let path = std::env::temp_dir().join(format!("batch-source-{}", uuid::Uuid::new_v4()));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"n\n1\n").unwrap();
        for stored in [gzip.finish().unwrap(), zstd::stream::encode_all(&b"n\n1\n"[..], 1).unwrap()] {
            std::fs::write(&path, stored).unwrap();
            let mut read = vec![0; 8];
            let length = Source::open(&path).unwrap().fill(&mut read).unwrap();
            assert_eq!(&read[..length], b"n\n1\n");
        }
        std::fs::remove_file(path).unwrap();
    }
}
