//! Remembers the places from which a compressed or converted file can be read again: the starts of members, or of
//! characters. A restart reads from the last such place before its position, and not from the start of the file.

use serde::{Deserialize, Serialize};

/// A place from which a file can be read again: where a member of a compressed file begins, or a character of a file
/// in another encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ResumePoint {
    /// The offset in the file.
    pub(super) stored: u64,
    /// The offset of the same place in the decompressed or converted input.
    pub(super) byte: u64,
}

#[cfg(any(feature = "encodings", feature = "gzip", feature = "zstd"))]
pub(super) use list::ResumePoints;

#[cfg(any(feature = "encodings", feature = "gzip", feature = "zstd"))]
mod list {
    use super::ResumePoint;

    /// Of several places in the same block of this many bytes, only the first is remembered: decompressing that much
    /// takes no longer than reading the next block of the file.
    const SPACING: u64 = 16 * 1024;

    /// The maximum number of places remembered.
    const MAX_POINTS: usize = 512;

    /// The places, in their order. A reader's position is before the bytes that it has read ahead, and far before
    /// them in a long record, so this list keeps more than the last place. When the list is full, it drops every second
    /// place of the older half: a restart then reads more, but is still correct.
    #[derive(Debug)]
    pub(crate) struct ResumePoints(Vec<ResumePoint>);

    impl ResumePoints {
        /// Begins with the place from which the file is read.
        pub(crate) fn from(first: ResumePoint) -> Self {
            Self(vec![first])
        }

        /// Adds the next place.
        pub(crate) fn add(&mut self, start: ResumePoint) {
            match self.0.last_mut() {
                // The member between the two is empty.
                Some(last) if last.byte == start.byte => *last = start,
                Some(last) if last.byte / SPACING == start.byte / SPACING => {}
                _ => {
                    if self.0.len() == MAX_POINTS {
                        let mut index = 0;
                        self.0.retain(|_| {
                            index += 1;
                            index > MAX_POINTS / 2 || index % 2 == 1
                        });
                    }
                    self.0.push(start);
                }
            }
        }

        /// Returns the place from which to read to reach `byte`; `None` for the start of the file.
        pub(crate) fn before(&self, byte: u64) -> Option<ResumePoint> {
            let after = self.0.partition_point(|start| start.byte <= byte);
            let found = self.0[..after].last().copied();
            found.filter(|start| start.stored > 0)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn start(byte: u64) -> ResumePoint {
            ResumePoint { stored: byte / 2, byte }
        }

        #[test]
        fn the_last_start_before_a_byte_is_found_to_the_spacing() {
            let mut starts = ResumePoints::from(ResumePoint::default());
            for byte in (0..1_000_000).step_by(1000) {
                starts.add(start(byte));
            }
            assert_eq!(starts.before(0), None);
            assert_eq!(starts.before(SPACING), None);
            for byte in (17_000..1_000_000).step_by(777) {
                let found = starts.before(byte).unwrap().byte;
                assert!(found <= byte && byte - found < SPACING + 1000, "{found} {byte}");
            }
        }

        #[test]
        fn many_starts_take_little_memory_and_the_recent_ones_stay() {
            let mut starts = ResumePoints::from(ResumePoint::default());
            let each = 100_000;
            for member in 1..100_000 {
                starts.add(start(member * each));
                assert!(starts.0.len() <= MAX_POINTS);
                let recent = (member.saturating_sub(250)..=member).step_by(25).filter(|recent| *recent > 0);
                for recent in recent {
                    assert_eq!(starts.before(recent * each + 5), Some(start(recent * each)));
                }
                let old = starts.before(member / 2 * each);
                assert!(old.is_none_or(|old| old.byte <= member / 2 * each));
            }
        }

        #[test]
        fn after_an_empty_member_the_next_one_counts() {
            let mut starts = ResumePoints::from(ResumePoint::default());
            starts.add(ResumePoint { stored: 10, byte: 50_000 });
            starts.add(ResumePoint { stored: 20, byte: 50_000 });
            assert_eq!(starts.before(60_000), Some(ResumePoint { stored: 20, byte: 50_000 }));
        }
    }
}
