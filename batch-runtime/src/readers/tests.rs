//! Proves that a reader under test restarts after any item, and offers a reader that fails on request.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::*;
use crate::definition::{BoxError, RateLimit, Reader, Splittable, StopSignal, Stopped};

/// An input file of a test, which is removed when the test ends.
pub(crate) struct Input(pub(crate) PathBuf);

impl Input {
    /// Creates a file whose name ends with `name`.
    pub(crate) fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("batch-input-{}-{name}", uuid::Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Returns the position as a restart gets it.
pub(crate) fn stored<R: Reader>(reader: &R) -> R::Position {
    serde_json::from_str(&written(reader)).unwrap()
}

/// Reads all remaining items, and passes over errors after which reading continues.
pub(crate) fn rest<R: Reader<Error: Debug>>(reader: &mut R) -> Vec<R::Item> {
    let mut items = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return items,
            Err(error) => assert!(reader.steps_over(&error), "{error:?}"),
        }
    }
}

/// Proves that reading in batches gives the same items, errors, positions and end as calls of `read`.
pub(crate) fn batches_are_reads<R>(open: impl Fn() -> R)
where
    R: Reader<Item: PartialEq + Debug, Error: Debug>,
{
    let one_by_one = |reader: &mut R, most: usize, into: &mut Vec<R::Item>| -> Result<usize, R::Error> {
        for count in 0..most {
            match reader.read()? {
                Some(item) => into.push(item),
                None => return Ok(count),
            }
        }
        Ok(most)
    };
    for most in [1, 2, 3, 5, 1_000] {
        let (mut reader, mut other) = (open(), open());
        let (mut items, mut expected) = (Vec::new(), Vec::new());
        loop {
            let count = reader.read_batch(most, &mut items);
            assert_eq!(
                format!("{count:?}"),
                format!("{:?}", one_by_one(&mut other, most, &mut expected)),
                "{most} at once, after {expected:?}"
            );
            assert_eq!(items, expected, "{most} at once");
            assert_eq!(written(&reader), written(&other), "{most} at once, after {expected:?}");
            match count {
                Ok(count) if count < most => break,
                Ok(_) => assert_eq!(reader.read_batch(0, &mut items).ok(), Some(0)),
                Err(error) => assert!(reader.steps_over(&error), "{error:?}"),
            }
        }
    }
}

/// Proves that detached records give the same items, errors and places as calls of `read`, and that the reader is then
/// positioned after them.
pub(crate) fn detached_records_equal_reads<R>(open: impl Fn() -> R)
where
    R: Reader<Item: PartialEq + Debug, Error: Debug>,
{
    let outcome = |reader: &mut R| {
        let read = reader.read();
        let place = if read.is_err() { reader.location() } else { None };
        format!("{read:?} {place:?}")
    };
    for most in [1, 2, 3, 5, 1_000] {
        let (mut reader, mut other) = (open(), open());
        let (mut into, mut ended) = (None, false);
        while !ended {
            let taken = reader.detach(most, &mut into);
            assert!(taken.as_ref().is_ok_and(|taken| *taken <= most) || taken.is_err(), "{taken:?}");
            let mut count = 0;
            if let Some(records) = into.as_mut().filter(|_| !matches!(taken, Ok(0))) {
                loop {
                    let record = outcome(records);
                    if record.starts_with("Ok(None)") {
                        break;
                    }
                    assert_eq!(record, outcome(&mut other), "{most} at once");
                    count += 1;
                }
            }
            match taken {
                Ok(0) => {
                    let next = outcome(&mut reader);
                    assert_eq!(next, outcome(&mut other), "{most} at once");
                    assert_eq!(written(&reader), written(&other), "{most} at once");
                    ended = next.starts_with("Ok(None)");
                }
                Ok(taken) => {
                    assert_eq!(taken, count);
                    // After a smaller batch, the reader may already have seen the end.
                    if taken == most {
                        assert_eq!(written(&reader), written(&other), "{most} at once");
                    }
                }
                Err(error) => {
                    let failed = format!("Err({error:?}) {:?}", reader.location());
                    assert_eq!(failed, outcome(&mut other), "{most} at once");
                }
            }
        }
    }
}

fn written<R: Reader>(reader: &R) -> String {
    serde_json::to_string(&reader.position()).unwrap()
}

/// Proves that the reader reads `expected`, also in batches, and that a restart after any number of items
/// reads the rest.
pub(crate) fn restarts_everywhere<R>(open: impl Fn() -> R, expected: &[R::Item])
where
    R: Reader<Item: PartialEq + Debug, Error: Debug>,
{
    assert_eq!(rest(&mut open()), expected);
    batches_are_reads(&open);
    detached_records_equal_reads(&open);
    for read in 0..=expected.len() {
        let mut first = open();
        let mut items = 0;
        while items < read {
            match first.read() {
                Ok(item) => items += usize::from(item.is_some()),
                Err(error) => assert!(first.steps_over(&error), "{error:?}"),
            }
        }
        let mut restarted = open();
        restarted.resume(stored(&first)).unwrap();
        assert_eq!(rest(&mut restarted), expected[read..], "after {read} items");
        drop(first);
    }
    let mut ended = open();
    rest(&mut ended);
    let mut restarted = open();
    restarted.resume(stored(&ended)).unwrap();
    assert_eq!(rest(&mut restarted), [], "after the end");
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// Proves that the parts add up to the whole for any number of parts, and that each restarts after any item.
pub(crate) fn splits_everywhere<R>(open: impl Fn() -> R)
where
    R: Splittable<Item: PartialEq + Debug, Error: Debug>,
{
    let whole = rest(&mut open());
    for number in 1..=20 {
        let parts = open().split(number).unwrap();
        assert!(!parts.is_empty());
        let mut begin = 0;
        for part in parts {
            let narrowed = || {
                let mut reader = open();
                reader.narrow(through_json(&part)).unwrap();
                reader
            };
            let items = rest(&mut narrowed()).len();
            assert!(begin + items <= whole.len());
            restarts_everywhere(narrowed, &whole[begin..begin + items]);
            begin += items;
        }
        assert_eq!(begin, whole.len(), "in {number} parts");
    }
}

/// Reads a script: digits are items, `x` is an error about a record, `!` an error after which reading does
/// not continue (but the next read would succeed), `p` a panic.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    script: Vec<u8>,
    at: usize,
    failed: bool,
    /// The committed positions of which the reader was notified.
    pub(crate) notified: Vec<usize>,
}

impl Faulty {
    pub(crate) fn new(script: &str) -> Self {
        Self { script: script.into(), at: 0, failed: false, notified: Vec::new() }
    }
}

impl Reader for Faulty {
    type Item = u32;
    type Position = usize;
    type Error = String;

    fn read(&mut self) -> Result<Option<u32>, String> {
        let Some(word) = self.script.get(self.at) else { return Ok(None) };
        if *word == b'!' && !std::mem::replace(&mut self.failed, true) {
            return Err(format!("unplugged at {}", self.at));
        }
        self.at += 1;
        match word {
            b'x' => Err(format!("bad record {}", self.at)),
            b'p' => panic!("the reader fell over at {}", self.at),
            b'!' => self.read(),
            digit => Ok(Some(u32::from(digit - b'0'))),
        }
    }

    fn steps_over(&self, error: &String) -> bool {
        error.starts_with("bad record")
    }

    fn position(&self) -> usize {
        self.at
    }

    fn resume(&mut self, position: usize) -> Result<(), String> {
        self.at = position;
        Ok(())
    }

    fn committed(&mut self, position: &usize) -> Result<(), String> {
        self.notified.push(*position);
        if self.script.get(*position) == Some(&b'9') { Err("not archived".into()) } else { Ok(()) }
    }

    fn location(&self) -> Option<String> {
        Some(format!("word {}", self.at))
    }
}

#[test]
fn a_batch_ends_at_an_error_with_the_items_before_it_and_the_next_continues_or_tries_again() {
    batches_are_reads(|| Faulty::new("12x3xx"));
    let (mut reader, mut items) = (Faulty::new("1!2"), Vec::new());
    assert!(reader.read_batch(3, &mut items).unwrap_err().starts_with("unplugged"));
    assert_eq!((items.as_slice(), reader.position()), ([1].as_slice(), 1));
    assert_eq!(reader.read_batch(3, &mut items), Ok(1));
    assert_eq!(items, [1, 2]);
}

/// Waits for its next item until the job is asked to stop.
#[derive(Debug, Default)]
struct Waiting(StopSignal);

impl Reader for Waiting {
    type Item = u32;
    type Position = ();
    type Error = Stopped;

    fn stops_with(&mut self, stop: &StopSignal) {
        self.0 = stop.clone();
    }

    fn read(&mut self) -> Result<Option<u32>, Stopped> {
        self.0.pause(Duration::from_hours(1)).map(|()| None)
    }

    fn steps_over(&self, _: &Stopped) -> bool {
        false
    }

    fn position(&self) {}

    fn resume(&mut self, (): ()) -> Result<(), Stopped> {
        Ok(())
    }
}

#[test]
fn every_adaptor_passes_the_stop_signal_on() {
    fn ends<R: Reader>(mut reader: R) {
        let stop = StopSignal::new();
        reader.stops_with(&stop);
        stop.raise();
        let error = reader.read().map(|_| ()).unwrap_err().into();
        assert!(crate::Failure::new(error).is_interrupted());
    }
    let waiting = Waiting::default;
    ends(waiting().limit(1));
    ends(waiting().skip_to(()));
    ends(waiting().peekable());
    ends(waiting().synchronized());
    ends(waiting().throttled(&RateLimit::new(9, "1s").unwrap()));
    ends(waiting().inspect(|_| {}));
    ends(waiting().prefetch(1));
    ends(Chain::new(waiting(), waiting()));
    ends(Chain::new(VecReader::new(Vec::new()), waiting()));
    ends(sorted_merge(waiting(), waiting(), |key| *key, |key| *key));
    ends(sorted_merge(VecReader::new(vec![1]), waiting(), |key| *key, |key| *key));
    ends(FilesReader::new(["a"], |_: &Path| Ok::<_, BoxError>(waiting())));
}

#[test]
fn a_reader_that_waits_ahead_is_not_waited_for_when_it_is_no_longer_needed() {
    let (mut reader, stop) =
        (Chain::new(VecReader::new(vec![1]), Waiting::default()).prefetch(8), StopSignal::new());
    reader.stops_with(&stop);
    assert_eq!(reader.read().unwrap(), Some(1));
    drop(reader);
    assert!(!stop.is_raised());
}

/// Compiles only if every reader can move to another thread when its items can.
#[expect(dead_code, reason = "compiling is the test")]
fn all_readers_can_move_to_another_thread<T, I, J, E, P, R, S, O>()
where
    T: DeserializeOwned + Send,
    I: Iterator<Item = T> + Send,
    J: Iterator<Item = Result<T, E>> + Send,
    P: CountedPages<Item = T> + Send,
    R: Reader<Item = T, Position: Clone + Send, Error: Send> + Send + 'static,
    S: Reader<Item = T> + Send,
    O: FnMut(&Path) -> Result<R, BoxError> + Send,
{
    fn passes<R: Reader + Send>() {}
    fn is_shared<R: Sync>() {}

    #[cfg(feature = "csv")]
    passes::<CsvReader<T>>();
    passes::<JsonLinesReader<T>>();
    passes::<JsonArrayReader<T>>();
    #[cfg(feature = "xml")]
    passes::<XmlReader<T>>();
    passes::<SqliteReader<T>>();
    #[cfg(feature = "postgres")]
    passes::<PostgresReader<T>>();
    passes::<VecReader<T>>();
    passes::<IteratorReader<I>>();
    passes::<FallibleIteratorReader<J, E>>();
    passes::<PagingReader<P>>();
    passes::<PagingReader<Counted<P>>>();
    passes::<FilesReader<R, O>>();
    passes::<Chain<R, S>>();
    passes::<SortedMerge<R, R, u32, fn(&T) -> u32, fn(&T) -> u32>>();
    passes::<Inspect<S, fn(&T)>>();
    passes::<Limit<S>>();
    passes::<Throttled<S>>();
    passes::<SkipTo<R>>();
    passes::<Peekable<R>>();
    passes::<Prefetch<R>>();
    passes::<Synchronized<S>>();
    is_shared::<Synchronized<S>>();
}
