//! Compresses a file whose name asks for it, in gzip members or Zstandard frames.
//!
//! Each member or frame is complete in itself, and several in a row are again a valid file. So a file that is cut
//! after a member is valid, and so are the files of the partitions when they are concatenated.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The format that the extension of the name asks for.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match &*ending {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Returns an encoder, or a message that says why there is none.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, reason = "there is no encoder")
    )]
    pub(super) fn encoder(self, level: Option<i32>) -> Result<Encoder, String> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::Gzip::new(level).map(Encoder::Gzip),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstandard::Zstandard::new(level).map(Encoder::Zstd),
            #[cfg(not(feature = "gzip"))]
            Self::Gzip => Err(feature_is_off("gzip", "gzip", ".gz")),
            #[cfg(not(feature = "zstd"))]
            Self::Zstd => Err(feature_is_off("Zstandard", "zstd", ".zst")),
        }
    }

    /// Decompresses the member that `from` begins with, up to `most` bytes.
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    pub(super) fn decode(self, from: impl Read, most: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => flate2::read::GzDecoder::new(from).take(most).read_to_end(&mut text)?,
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                zstd::stream::read::Decoder::new(from)?.single_frame().take(most).read_to_end(&mut text)?
            }
            #[cfg(not(all(feature = "gzip", feature = "zstd")))]
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(text)
    }

    #[cfg(not(any(feature = "gzip", feature = "zstd")))]
    #[expect(clippy::unused_self, reason = "no format is left to tell apart")]
    pub(super) fn decode(self, _from: impl Read, _most: u64) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(all(feature = "gzip", feature = "zstd")))]
fn feature_is_off(format: &str, feature: &str, ending: &str) -> String {
    format!(
        "this program was built without {format}; turn on the cargo feature `{feature}` of batch-runtime, or write to a name that does not end in `{ending}`"
    )
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
        })
    }
}

/// Encodes members of one format.
#[derive(Debug)]
pub(super) enum Encoder {
    #[cfg(feature = "gzip")]
    Gzip(gzip::Gzip),
    #[cfg(feature = "zstd")]
    Zstd(zstandard::Zstandard),
}

impl Encoder {
    /// Returns the text as a member.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, reason = "there is no encoder")
    )]
    pub(super) fn member(&mut self, text: &[u8]) -> io::Result<&[u8]> {
        match *self {
            #[cfg(feature = "gzip")]
            Self::Gzip(ref mut gzip) => gzip.member(text),
            #[cfg(feature = "zstd")]
            Self::Zstd(ref mut zstd) => zstd.frame(text),
        }
    }
}

#[cfg(feature = "gzip")]
mod gzip {
    use std::io::{self, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    const LEVEL: u32 = 6;

    #[derive(Debug)]
    pub(in crate::writers) struct Gzip {
        level: Compression,
        member: Vec<u8>,
    }

    impl Gzip {
        pub(super) fn new(level: Option<i32>) -> Result<Self, String> {
            let level = match level.map(u32::try_from) {
                None => LEVEL,
                Some(Ok(level)) if level <= 9 => level,
                Some(_) => {
                    let level = level.unwrap_or_default();
                    return Err(format!("gzip has no compression level {level}; choose one from 0 to 9"));
                }
            };
            Ok(Self { level: Compression::new(level), member: Vec::new() })
        }

        pub(super) fn member(&mut self, text: &[u8]) -> io::Result<&[u8]> {
            let mut member = std::mem::take(&mut self.member);
            member.clear();
            let mut encoder = GzEncoder::new(member, self.level);
            encoder.write_all(text)?;
            self.member = encoder.finish()?;
            Ok(&self.member)
        }
    }
}

#[cfg(feature = "zstd")]
mod zstandard {
    use std::{fmt, io};

    use zstd::bulk::Compressor;

    const LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

    pub(in crate::writers) struct Zstandard {
        compressor: Compressor<'static>,
        frame: Vec<u8>,
    }

    impl Zstandard {
        pub(super) fn new(level: Option<i32>) -> Result<Self, String> {
            let level = level.unwrap_or(LEVEL);
            let levels = zstd::compression_level_range();
            if !levels.contains(&level) {
                let most = levels.end();
                return Err(format!(
                    "Zstandard has no compression level {level}; choose one from 1 to {most}, or a negative one, which is faster"
                ));
            }
            let compressor = Compressor::new(level).and_then(|mut compressor| {
                // A reader detects damaged data by the checksum. The program `zstd` adds one as well.
                compressor.include_checksum(true)?;
                Ok(compressor)
            });
            let compressor = compressor.map_err(|error| format!("cannot prepare Zstandard: {error}"))?;
            Ok(Self { compressor, frame: Vec::new() })
        }

        pub(super) fn frame(&mut self, text: &[u8]) -> io::Result<&[u8]> {
            self.frame.clear();
            self.frame.reserve(zstd::compress_bound(text.len()));
            self.compressor.compress_to_buffer(text, &mut self.frame)?;
            Ok(&self.frame)
        }
    }

    impl fmt::Debug for Zstandard {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Zstandard").finish_non_exhaustive()
        }
    }
}
