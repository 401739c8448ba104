//! Proves that a restart is exact at any byte of a compressed file, and touches only the member it resumes in.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use crate::readers::source::{Identity, MOST_HASHED, Source};
use crate::readers::{ReadError, resume_points::ResumePoint};

type Encode = fn(&[u8]) -> Vec<u8>;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn skippable_frame() -> Vec<u8> {
    [&[0x5A, 0x2A, 0x4D, 0x18, 200, 0, 0, 0][..], &[7; 200]].concat()
}

const BOTH: [(&str, Encode); 2] = [("in.gz", gzip), ("in.zst", zstd)];

/// Numbers, each different from the others, so that a byte in a wrong place is noticed.
fn text(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 10);
    for number in 0_u32.. {
        if text.len() >= bytes {
            break;
        }
        writeln!(text, "{}", number.wrapping_mul(2_654_435_761)).unwrap();
    }
    text.truncate(bytes);
    text
}

struct Input {
    folder: PathBuf,
    path: PathBuf,
    text: Vec<u8>,
    stored: Vec<u8>,
    /// The start and end of each member in the file, and its start in the text.
    members: Vec<(usize, usize, usize)>,
}

impl Input {
    fn new(name: &str, encode: Encode, lengths: impl IntoIterator<Item = usize>, between: &[u8]) -> Self {
        let lengths: Vec<_> = lengths.into_iter().collect();
        let text = text(lengths.iter().sum());
        let (mut stored, mut members, mut at) = (Vec::new(), Vec::new(), 0);
        for length in lengths {
            let begin = stored.len();
            stored.extend(encode(&text[at..at + length]));
            members.push((begin, stored.len(), at));
            stored.extend_from_slice(between);
            at += length;
        }
        let folder = std::env::temp_dir().join(format!("batch-members-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, &stored).unwrap();
        Self { folder, path, text, stored, members }
    }

    fn open(&self) -> Source {
        Source::open(&self.path).unwrap()
    }

    /// Returns the text that a restart at `byte` reads next.
    fn resumed(&self, identity: Identity, byte: usize) -> Result<Vec<u8>, ReadError> {
        let mut source = self.open();
        source.check(identity, byte as u64)?;
        source.skip_to(begin(byte) as u64)?;
        let text = read(&mut source, 30_000)?;
        // The position is the same again.
        assert_eq!(source.identity(byte as u64), identity);
        Ok(text)
    }

    fn is_exact_at(&self, byte: usize, identity: Identity) {
        let expected = &self.text[begin(byte)..];
        let expected = &expected[..expected.len().min(30_000)];
        assert!(self.resumed(identity, byte).unwrap() == expected, "byte {byte} of {}", self.path.display());
    }

    /// The last member that begins before the bytes that are hashed into a position.
    fn member_of(&self, byte: usize) -> (usize, usize, usize) {
        *self.members.iter().rfind(|(_, _, at)| *at <= begin(byte)).unwrap()
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The first byte that a restart at `byte` reads.
fn begin(byte: usize) -> usize {
    byte.saturating_sub(MOST_HASHED)
}

fn read(source: &mut Source, bytes: usize) -> Result<Vec<u8>, ReadError> {
    let (mut text, mut block) = (Vec::new(), vec![0; 10_000]);
    while text.len() < bytes {
        let room = block.len().min(bytes - text.len());
        match source.fill(&mut block[..room])? {
            0 => break,
            count => text.extend_from_slice(&block[..count]),
        }
    }
    Ok(text)
}

/// Returns the identity as a restart gets it.
fn stored(identity: Identity) -> Identity {
    serde_json::from_str(&serde_json::to_string(&identity).unwrap()).unwrap()
}

#[test]
fn a_restart_is_exact_at_any_byte_whatever_the_members() {
    for (name, encode) in BOTH {
        let tiny = Input::new(name, encode, vec![7; 3_000], b"");
        let mixed = Input::new(name, encode, [20_000, 0, 1, 50_000, 3, 3, 0, 17_000, 64, 63, 65, 9_000], b"");
        let long = Input::new(name, encode, [400_000, 300_000, 500_000], b"");
        for (input, step) in [(tiny, 2_003), (mixed, 3_001), (long, 80_009)] {
            // The position is before what was read ahead.
            let mut source = input.open();
            assert_eq!(read(&mut source, usize::MAX).unwrap(), input.text);
            let ends = input.members.iter().map(|(_, _, at)| *at).step_by(input.members.len().div_ceil(6));
            let around = ends.flat_map(|end| [end, end + 1, end + 63, end + 64, end + 65]);
            let bytes = (0..input.text.len()).step_by(step).chain(around).chain([input.text.len()]);
            for byte in bytes.filter(|byte| *byte <= input.text.len()) {
                input.is_exact_at(byte, stored(source.identity(byte as u64)));
            }
        }
    }
}

#[test]
fn skippable_frames_and_padding_do_not_matter() {
    let lengths = [30_000, 20_000, 40_000];
    for (name, encode, between, end) in [
        ("in.zst", zstd as Encode, skippable_frame(), skippable_frame()),
        ("in.zst", zstd, skippable_frame(), vec![0; 5_000]),
        ("in.gz", gzip, gzip(b""), vec![0; 100_000]),
    ] {
        let mut input = Input::new(name, encode, lengths, &between);
        input.stored.extend(end);
        fs::write(&input.path, [&between, &input.stored[..]].concat()).unwrap();
        let mut source = input.open();
        assert_eq!(read(&mut source, usize::MAX).unwrap(), input.text);
        for byte in (0..=90_000).step_by(4_999).chain([30_064, 50_064, 90_000]) {
            input.is_exact_at(byte, stored(source.identity(byte as u64)));
        }
    }
}

#[test]
fn a_restart_reads_only_the_member_it_resumes_in() {
    for (name, encode) in BOTH {
        let input = Input::new(name, encode, vec![90_000; 8], b"");
        let mut source = input.open();
        read(&mut source, usize::MAX).unwrap();
        for byte in (0..input.text.len()).step_by(30_011) {
            let identity = stored(source.identity(byte as u64));
            let (start, end, at) = input.member_of(byte);
            // Everything outside of the member is damaged, but for the beginning, which identifies the file.
            let mut damaged = input.stored.clone();
            damaged[end..].fill(b'x');
            if start > 4096 {
                damaged[4096..start].fill(b'x');
            }
            fs::write(&input.path, damaged).unwrap();
            let mut restarted = input.open();
            restarted.check(identity, byte as u64).unwrap();
            restarted.skip_to(begin(byte) as u64).unwrap();
            let rest = read(&mut restarted, at + 90_000 - begin(byte)).unwrap();
            assert!(rest == input.text[begin(byte)..at + 90_000], "{name}, byte {byte}");
            let done = restarted.progress().done;
            assert!((start as u64..=(end + 64 * 1024) as u64).contains(&done), "{done} of {start}..{end}");
        }
    }
}

#[test]
fn the_progress_after_a_restart_goes_on_to_the_end() {
    for (name, encode) in BOTH {
        let input = Input::new(name, encode, vec![200_000; 4], b"");
        let mut source = input.open();
        read(&mut source, usize::MAX).unwrap();
        let mut restarted = input.open();
        restarted.check(source.identity(700_000), 700_000).unwrap();
        restarted.skip_to(699_936).unwrap();
        let done = restarted.progress().done;
        assert!(done > input.members[3].0 as u64 && done < input.stored.len() as u64 + 1, "{done}");
        read(&mut restarted, usize::MAX).unwrap();
        assert_eq!(restarted.progress(), source.progress());
    }
}

#[test]
fn a_file_in_which_no_member_begins_there_any_more_has_changed() {
    for (name, encode) in BOTH {
        let mut input = Input::new(name, encode, vec![90_000; 4], b"");
        let mut source = input.open();
        read(&mut source, usize::MAX).unwrap();
        let identity = source.identity(300_000);
        let (start, ..) = input.member_of(300_000);
        let refused = |input: &Input| input.resumed(identity, 300_000).unwrap_err().to_string();

        fs::write(&input.path, &input.stored[..start]).unwrap();
        assert!(refused(&input).contains("was changed since an earlier execution"), "{}", refused(&input));
        input.stored[start] ^= 1;
        fs::write(&input.path, &input.stored).unwrap();
        let part = if name == "in.gz" { "gzip member" } else { "Zstandard frame" };
        let expected = format!("no {part} begins at byte {start} of the file any more");
        assert!(refused(&input).contains(&expected), "{}", refused(&input));
    }
}

#[test]
fn a_position_stored_without_a_member_is_resumed_from_the_start() {
    let input = Input::new("in.gz", gzip, vec![90_000; 4], b"");
    let mut source = input.open();
    read(&mut source, usize::MAX).unwrap();
    let mut json = serde_json::to_value(source.identity(300_000)).unwrap();
    assert!(json.as_object_mut().unwrap().remove("member").is_some());
    let mut restarted = input.open();
    restarted.check(serde_json::from_value(json).unwrap(), 300_000).unwrap();
    restarted.skip_to(299_936).unwrap();
    assert!(read(&mut restarted, usize::MAX).unwrap() == input.text[299_936..]);
}

#[test]
fn it_goes_back_to_a_byte_that_it_has_passed() {
    for (name, encode) in BOTH {
        let input = Input::new(name, encode, vec![90_000; 4], b"");
        let mut source = input.open();
        read(&mut source, usize::MAX).unwrap();
        let identity = source.identity(200_000);
        for named in [true, false] {
            if named {
                source.check(identity, 200_000).unwrap();
            }
            source.skip_to(199_936).unwrap();
            assert!(read(&mut source, usize::MAX).unwrap() == input.text[199_936..]);
        }
    }
}

#[test]
fn the_member_of_a_position_says_where_it_begins_in_the_file_and_in_the_text() {
    let input = Input::new("in.zst", zstd, vec![90_000; 4], b"");
    let mut source = input.open();
    read(&mut source, usize::MAX).unwrap();
    let (start, _, at) = input.member_of(200_000);
    let member = ResumePoint { stored: start as u64, byte: at as u64 };
    let json = serde_json::to_value(source.identity(200_000)).unwrap();
    assert_eq!(json["member"], serde_json::to_value(member).unwrap());
}
