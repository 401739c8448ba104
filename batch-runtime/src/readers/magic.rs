//! Recognises compressed files by their first bytes.

/// True if the bytes are the start of a gzip file.
pub(super) fn is_gzip(front: &[u8]) -> bool {
    front.starts_with(&[0x1F, 0x8B])
}

/// True if the bytes are the start of a gzip member with the method that the format defines, and no undefined flags.
#[cfg(feature = "gzip")]
pub(super) fn is_deflated_gzip(begin: &[u8]) -> bool {
    matches!(begin, [0x1F, 0x8B, 8, flags, ..] if flags & 0b1110_0000 == 0)
}

/// True if the bytes are the start of a Zstandard file: a data frame or a skippable frame.
pub(super) fn is_zstd(front: &[u8]) -> bool {
    front.starts_with(&[0x28, 0xB5, 0x2F, 0xFD])
        || front.first().is_some_and(|first| first & 0xF0 == 0x50)
            && front.get(1..4) == Some(&[0x2A, 0x4D, 0x18])
}
