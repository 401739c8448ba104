//! Receives: the path of an input file. Gives: [`Source`], its bytes, decompressed where the name or its front says so, with the
//! place to seek to, the progress, and the [`Identity`] that tells a changed file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ReadError;
#[cfg(any(feature = "gzip", feature = "zstd"))]
use super::compressed::{self, Members};
use crate::Progress;
use crate::definition::resource_name;

/// How much of the front of a file its identity covers, in bytes.
const FRONT: usize = 4096;

/// By how many bytes of a text its encoding is told.
pub(crate) const ENCODED: usize = 32;

/// How many bytes of records are taken out at once, beyond the last of them: those that are long one by one gain nothing by it, and would
/// take the memory of a whole chunk twice.
pub(crate) const MOST_TAKEN_OUT: usize = 1024 * 1024;

/// Which file a position belongs to: what a restart checks before it goes on.
///
/// A file may have grown at its end since, and is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The length of the file in bytes, as stored (compressed).
    length: u64,
    /// How many bytes at the front were hashed.
    front: u64,
    /// Their hash.
    hash: u64,
}

/// A file that is read from the front, decompressed by its name: `.gz`, `.zst`, anything else as it is.
pub(crate) struct Source {
    resource: Arc<str>,
    stream: Stream,
    length: u64,
    identity: Identity,
    front: Box<[u8]>,
    /// Bytes given out, decompressed.
    given: u64,
    /// What broke the stream: a decompressor that failed may give anything when it is asked again.
    broken: Option<(io::ErrorKind, String)>,
    /// Where a test lets the operating system fail.
    #[cfg(test)]
    pub(crate) fails_at: Option<u64>,
}

enum Stream {
    Plain(File),
    /// What was taken out of another source.
    Nothing,
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    Compressed(Box<Members>),
}

impl Source {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        let resource: Arc<str> = resource_name(path).into();
        let open = |source| ReadError::Open { resource: resource.clone(), source };
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let metadata = std::fs::metadata(path).map_err(open)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(ReadError::NotAFile { resource, found });
        }
        let mut file = File::open(path).map_err(open)?;
        let length = file.metadata().map_err(open)?.len();
        let front = front(&mut file).map_err(open)?;
        let identity = Identity { length, front: front.len() as u64, hash: hash(&front) };
        let stream = Stream::new(path, file, &front, &resource)?;
        Ok(Self {
            resource,
            stream,
            length,
            identity,
            front,
            given: 0,
            broken: None,
            #[cfg(test)]
            fails_at: None,
        })
    }

    /// The same file, of which nothing more is read.
    pub(crate) fn nothing(&self) -> Self {
        Self {
            resource: Arc::clone(&self.resource),
            stream: Stream::Nothing,
            length: self.length,
            identity: self.identity,
            front: Box::default(),
            given: 0,
            broken: None,
            #[cfg(test)]
            fails_at: None,
        }
    }

    /// The name for messages.
    pub(crate) fn resource(&self) -> &Arc<str> {
        &self.resource
    }

    /// Which file it is, for a position at `byte`. What lies behind that may still be mended, unless the file is
    /// compressed: then nobody knows where it lies.
    pub(crate) fn identity(&self, byte: u64) -> Identity {
        match usize::try_from(byte).ok().and_then(|byte| self.front.get(..byte)) {
            Some(before) if self.is_plain() => Identity { front: byte, hash: hash(before), ..self.identity },
            _ => self.identity,
        }
    }

    /// Refuses the file if it is not the one of `identity`, of which an earlier execution read up to `byte`.
    pub(crate) fn check(&self, identity: Identity, byte: u64) -> Result<(), ReadError> {
        let known = usize::try_from(identity.front).ok().and_then(|front| self.front.get(..front));
        let Some(known) = known else {
            return Err(self.changed(byte, "it is shorter"));
        };
        if hash(known) != identity.hash {
            return Err(self.changed(byte, "it begins in another way"));
        }
        if self.is_plain() && self.length < byte {
            return Err(self.changed(byte, "it is shorter"));
        }
        Ok(())
    }

    /// Refuses text in another encoding than UTF-8, by its first bytes (decompressed).
    pub(crate) fn check_encoding(&self, text: &[u8]) -> Result<(), ReadError> {
        let found = match text {
            [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => "UTF-32",
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "UTF-16",
            _ if is_padded(text, 4) => "UTF-32",
            _ if is_padded(text, 2) => "UTF-16",
            _ => return Ok(()),
        };
        let problem = format!("it is {found}; convert the input to UTF-8").into();
        Err(ReadError::Options { resource: self.resource.clone(), problem })
    }

    /// The error of a file that is not the same any more.
    pub(crate) fn changed(&self, byte: u64, problem: &str) -> ReadError {
        ReadError::Changed { resource: self.resource.clone(), byte, problem: problem.into() }
    }

    /// True if it is not compressed, so that going on somewhere needs no reading.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    /// Goes on at `byte` of the decompressed input, from where it stands or, in a plain file, from anywhere. In a
    /// compressed file everything before is decompressed.
    pub(crate) fn skip_to(&mut self, byte: u64) -> Result<(), ReadError> {
        match &mut self.stream {
            Stream::Plain(file) => {
                let resource = &self.resource;
                file.seek(SeekFrom::Start(byte)).map_err(|source| ReadError::Io {
                    resource: resource.clone(),
                    byte,
                    source,
                })?;
                self.given = byte;
            }
            Stream::Nothing => {}
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            Stream::Compressed(_) => {}
        }
        let mut discarded = vec![0; 128 * 1024];
        while self.given < byte {
            let room =
                usize::try_from(byte - self.given).map_or(discarded.len(), |left| left.min(discarded.len()));
            if self.fill(&mut discarded[..room])? == 0 {
                return Err(self.changed(byte, "it is shorter"));
            }
        }
        Ok(())
    }

    /// Reads what there is into `into`, at least a byte; 0 at the end of the input.
    pub(crate) fn fill(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        if let Some((kind, message)) = &self.broken {
            return Err(self.error(io::Error::new(*kind, message.clone())));
        }
        #[cfg(test)]
        let into = match self.fails_at {
            Some(byte) if byte <= self.given => return Err(self.error(io::Error::other("unplugged"))),
            Some(byte) => {
                let room = into.len().min(usize::try_from(byte - self.given).unwrap());
                &mut into[..room]
            }
            None => into,
        };
        loop {
            let read = match &mut self.stream {
                Stream::Plain(file) => file.read(into),
                Stream::Nothing => Ok(0),
                #[cfg(any(feature = "gzip", feature = "zstd"))]
                Stream::Compressed(members) => members.read(into),
            };
            match read {
                Ok(count) => {
                    self.given += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broken = Some((error.kind(), error.to_string()));
                    return Err(self.error(error));
                }
            }
        }
    }

    fn error(&self, source: io::Error) -> ReadError {
        let resource = self.resource.clone();
        let byte = self.given;
        let truncated = source.kind() == io::ErrorKind::UnexpectedEof;
        // Decompressors report bad data by these kinds; anything else comes from the file below.
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
        if !self.is_plain() && (truncated || damaged) {
            ReadError::Compressed { resource, byte, truncated, source }
        } else {
            ReadError::Io { resource, byte, source }
        }
    }

    /// Bytes of the file behind the reader, of its length.
    pub(crate) fn progress(&self) -> Progress {
        let done = match &self.stream {
            Stream::Plain(_) | Stream::Nothing => self.given,
            #[cfg(any(feature = "gzip", feature = "zstd"))]
            Stream::Compressed(members) => members.done(),
        };
        Progress { done: done.min(self.length), total: self.length }
    }
}

impl Stream {
    /// By the ending of its name; or by the mark at the front, which no text begins with: a link `day.csv.gz` may lead to a
    /// file of any name.
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
                    "it is named `.{}`, but is not compressed with {}; give it the name of what it is",
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

/// A compression, by the names and the first bytes of its files.
struct Compression {
    ending: &'static str,
    name: &'static str,
    is: fn(&[u8]) -> bool,
    open: fn(File, &Arc<str>) -> Result<Stream, ReadError>,
}

const GZIP: Compression = Compression { ending: "gz", name: "gzip", is: is_gzip, open: Stream::gzip };

const ZSTD: Compression = Compression { ending: "zst", name: "Zstandard", is: is_zstd, open: Stream::zstd };

/// Does a gzip file begin so?
pub(crate) fn is_gzip(front: &[u8]) -> bool {
    front.starts_with(&[0x1F, 0x8B])
}

/// Does a Zstandard file begin so, by a frame or by one to be passed over?
pub(crate) fn is_zstd(front: &[u8]) -> bool {
    front.starts_with(&[0x28, 0xB5, 0x2F, 0xFD])
        || front.first().is_some_and(|first| first & 0xF0 == 0x50)
            && front.get(1..4) == Some(&[0x2A, 0x4D, 0x18])
}

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

/// Is every character at the begin of the text a byte and zeros, as ASCII is in an encoding of so many bytes a character?
fn is_padded(text: &[u8], width: usize) -> bool {
    let begin = &text[..text.len().min(ENCODED) / width * width];
    let holds = |place: usize| {
        begin
            .chunks_exact(width)
            .all(|character| character.iter().enumerate().all(|(at, byte)| (*byte != 0) == (at == place)))
    };
    begin.len() >= 8 && (holds(0) || holds(width - 1))
}

/// The first block of the file; leaves the file at its beginning.
fn front(file: &mut File) -> io::Result<Box<[u8]>> {
    let mut front = Vec::with_capacity(FRONT);
    file.by_ref().take(FRONT as u64).read_to_end(&mut front)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(front.into_boxed_slice())
}

/// FNV-1a, 64 bits: small, stable between versions, and enough to tell a file that was changed by accident.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// From the begin of the line around the byte at `place` to the end of `read`, without its line end.
#[cold]
pub(super) fn line_around(read: &[u8], place: u64) -> Option<String> {
    let place = usize::try_from(place).ok().filter(|place| *place < read.len())?;
    let begin = memchr::memrchr(b'\n', &read[..place]).map_or(0, |end| end + 1);
    let line = read[begin..].strip_suffix(b"\n").unwrap_or(&read[begin..]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(String::from_utf8_lossy(line).into_owned())
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
