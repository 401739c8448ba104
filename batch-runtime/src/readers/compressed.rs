//! Decompresses a file of one or more gzip members or Zstandard frames.

#[cfg(all(test, feature = "gzip", feature = "zstd"))]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::magic;
use super::resume_points::{ResumePoint, ResumePoints};

/// The error message for a file that continues after its last member with anything but zeros.
pub(super) const TRAILING: &str = "trailing data";

/// The size of a read from the file.
const BUFFER: usize = 64 * 1024;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    #[cfg(feature = "gzip")]
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The file, after the bytes that were read to identify it.
type Input = io::Chain<Cursor<Vec<u8>>, BufReader<Counted>>;

/// A file that counts how far it was read.
struct Counted {
    file: Arc<File>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The decompressed bytes of all members.
pub(super) struct Members {
    format: Format,
    file: Arc<File>,
    /// `None` once all members are read.
    member: Option<Member>,
    /// The offset in the file up to which it was read.
    read: Arc<AtomicU64>,
    /// The offset in the decompressed input.
    byte: u64,
    starts: ResumePoints,
}

enum Member {
    #[cfg(feature = "gzip")]
    Gzip(flate2::bufread::GzDecoder<Input>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::read::Decoder<'static, Input>),
}

impl Members {
    /// Decompresses from the start of the file.
    pub(super) fn new(format: Format, file: File) -> io::Result<Self> {
        let (file, read) = (Arc::new(file), Arc::new(AtomicU64::new(0)));
        let reader = BufReader::with_capacity(BUFFER, Counted { file: file.clone(), read: read.clone() });
        let member = Some(Member::new(format, Cursor::new(Vec::new()).chain(reader))?);
        Ok(Self { format, file, member, read, byte: 0, starts: ResumePoints::from(ResumePoint::default()) })
    }

    /// The offset in the file up to which it was read.
    pub(super) fn done(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns the member at which to start decompressing to reach `byte`; `None` for the first of the file.
    pub(super) fn start_before(&self, byte: u64) -> Option<ResumePoint> {
        self.starts.before(byte)
    }

    /// Continues at the member that begins at `start`. Returns false if no member begins there: the file has changed.
    pub(super) fn go_to(&mut self, start: ResumePoint) -> io::Result<bool> {
        (&*self.file).seek(SeekFrom::Start(start.stored))?;
        self.read.store(start.stored, Ordering::Relaxed);
        let counted = Counted { file: self.file.clone(), read: self.read.clone() };
        let mut reader = BufReader::with_capacity(BUFFER, counted);
        let begin = begin(&mut reader)?;
        if !self.format.surely_is_of(&begin) {
            return Ok(false);
        }
        self.member = Some(Member::new(self.format, Cursor::new(begin).chain(reader))?);
        (self.byte, self.starts) = (start.byte, ResumePoints::from(start));
        Ok(true)
    }

    /// Opens the member after the one read to its end. Like gzip itself, it ignores zeros at the end of the
    /// file: some media are written in whole blocks.
    fn next(&mut self, mut rest: BufReader<Counted>) -> io::Result<Option<Member>> {
        let stored = self.done() - rest.buffer().len() as u64;
        let begin = begin(&mut rest)?;
        if begin.iter().all(|byte| *byte == 0) {
            let mut padding = [0; 4096];
            loop {
                match rest.read(&mut padding)? {
                    0 => return Ok(None),
                    count if padding[..count].iter().all(|byte| *byte == 0) => {}
                    _ => return Err(io::Error::new(io::ErrorKind::InvalidData, TRAILING)),
                }
            }
        }
        if !self.format.is_of(&begin) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TRAILING));
        }
        self.starts.add(ResumePoint { stored, byte: self.byte });
        Member::new(self.format, Cursor::new(begin).chain(rest)).map(Some)
    }
}

/// Reads the bytes that identify a member.
fn begin(from: &mut BufReader<Counted>) -> io::Result<Vec<u8>> {
    let mut begin = Vec::with_capacity(4);
    from.take(4).read_to_end(&mut begin)?;
    Ok(begin)
}

impl Read for Members {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(into)?;
            if count > 0 || into.is_empty() {
                self.byte += count as u64;
                return Ok(count);
            }
            if let Some(read) = self.member.take() {
                self.member = self.next(read.rest())?;
            }
        }
        Ok(0)
    }
}

impl Member {
    #[cfg_attr(
        not(feature = "zstd"),
        allow(clippy::unnecessary_wraps, reason = "only the zstd decoder can fail here")
    )]
    fn new(format: Format, input: Input) -> io::Result<Self> {
        match format {
            #[cfg(feature = "gzip")]
            Format::Gzip => Ok(Self::Gzip(flate2::bufread::GzDecoder::new(input))),
            #[cfg(feature = "zstd")]
            Format::Zstd => Ok(Self::Zstd(zstd::stream::read::Decoder::with_buffer(input)?.single_frame())),
        }
    }

    /// Returns the rest of the file, after this member.
    fn rest(self) -> BufReader<Counted> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip(member) => member.into_inner().into_inner().1,
            #[cfg(feature = "zstd")]
            Self::Zstd(member) => member.finish().into_inner().1,
        }
    }
}

impl Read for Member {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip(member) => member.read(into),
            #[cfg(feature = "zstd")]
            Self::Zstd(member) => member.read(into),
        }
    }
}

impl Format {
    /// True if these bytes begin a member.
    fn is_of(self, begin: &[u8]) -> bool {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => magic::is_gzip(begin),
            #[cfg(feature = "zstd")]
            Self::Zstd => magic::is_zstd(begin),
        }
    }

    /// True if these bytes almost certainly begin a member. This is stricter than `is_of`, because it is used in
    /// the middle of a file that may have changed.
    fn surely_is_of(self, begin: &[u8]) -> bool {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => magic::is_deflated_gzip(begin),
            #[cfg(feature = "zstd")]
            Self::Zstd => magic::is_zstd(begin),
        }
    }

    /// The name that messages use for a part of a file in this format.
    pub(super) fn part(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip member",
            #[cfg(feature = "zstd")]
            Self::Zstd => "Zstandard frame",
        }
    }
}

impl Members {
    pub(super) fn format(&self) -> Format {
        self.format
    }
}
