//! Finds the elements of a JSON array, and reads what surrounds it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::element_end::{Scan, Scanned, is_blank, shown};
use super::pointer::Pointer;
use super::surroundings::{Fault, Walk, Walked};
use crate::readers::ReadError;
use crate::readers::framed::{Encoding, Frame, Framing, Input, Next, Passed, lines_in};
use crate::readers::hash;

/// The part of a [`JsonArrayReader`](super::JsonArrayReader)'s position besides its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonArrayState {
    /// The number of elements before the place.
    elements: u64,
    stage: Stage,
    /// The brackets around the array, so that the rest of the document can be checked.
    open: Box<str>,
    /// The hash of the pointer to the array.
    at: u64,
}

/// The next part of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// The first element, or the end of the array.
    First,
    /// An element, after a comma.
    Element,
    /// A comma, or the end of the array.
    After,
    /// Nothing: the document has ended.
    Done,
}

/// The part that is being passed over.
#[derive(Debug, Clone)]
enum Passing {
    /// An element that is too long.
    Element(Scan),
    /// The part of the document before or after the array.
    Around(Box<Walk>),
}

/// Finds the elements of an array.
#[derive(Debug, Clone)]
pub(super) struct JsonArrayFraming {
    pointer: Arc<Pointer>,
    encoding: Encoding,
    elements: u64,
    stage: Stage,
    open: Box<str>,
    scan: Scan,
    passing: Option<Passing>,
    fault: Option<Fault>,
    /// True for detached elements, around which there is no array.
    detached: bool,
    /// The decoded document around the array, and the largest number of bytes to keep; `None` if it is not wanted.
    around: Option<(Vec<u8>, usize)>,
}

impl JsonArrayFraming {
    /// Creates a framing that first passes over the part of the document before the array.
    pub(super) fn new(pointer: Arc<Pointer>, encoding: Encoding) -> Self {
        Self {
            pointer,
            encoding,
            elements: 0,
            stage: Stage::First,
            open: Box::default(),
            scan: Scan::default(),
            passing: Some(Passing::Around(Box::new(Walk::to_the_array()))),
            fault: None,
            detached: false,
            around: None,
        }
    }

    /// Keeps up to `most` bytes of the document around the array.
    pub(super) fn keep_around(&mut self, most: usize) {
        self.around = Some((Vec::new(), most));
    }

    /// The document around the array; `None` if it is too long.
    pub(super) fn around(&self) -> Option<&[u8]> {
        self.around.as_ref().filter(|(kept, most)| kept.len() <= *most).map(|(kept, _)| kept.as_slice())
    }

    pub(super) fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    pub(super) fn share_pointer(&self) -> Arc<Pointer> {
        Arc::clone(&self.pointer)
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached
    }

    /// The error about the bytes at which the last pass stopped.
    #[cold]
    pub(super) fn fault(&self, input: &Input) -> Option<ReadError> {
        let resource = input.resource();
        Some(match self.fault.clone()? {
            Fault::Nowhere(problem) => ReadError::Options { resource, problem: problem.into() },
            Fault::Broken(problem) => ReadError::Broken {
                resource,
                line: input.line(),
                byte: input.byte(),
                problem: problem.into(),
            },
        })
    }

    /// The bytes and lines before the next element, if it begins in `bytes`.
    #[inline]
    pub(super) fn before_element(&self, bytes: &[u8]) -> Option<(usize, u64)> {
        let (mut at, mut lines, mut comma) = (0, 0, self.stage == Stage::After);
        loop {
            match bytes.get(at)? {
                b'\n' => lines += 1,
                b' ' | b'\t' | b'\r' => {}
                b',' if comma => comma = false,
                _ => break,
            }
            at += 1;
        }
        (!comma && self.stage != Stage::Done && self.fault.is_none()).then_some((at, lines))
    }

    /// Returns whether the next element is the first of the array.
    pub(super) fn is_at_the_first(&self) -> bool {
        self.elements == 0
    }

    /// Notes that the next element was taken.
    #[inline]
    pub(super) fn took_element(&mut self) {
        self.elements += 1;
        self.stage = Stage::After;
        self.scan = Scan::default();
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some((kept, most)) = &mut self.around
            && kept.len() <= *most
        {
            kept.extend_from_slice(bytes);
        }
    }

    fn element(&mut self, input: &Input) -> Frame<u64> {
        let bytes = input.rest();
        let length = match self.scan.go_on(bytes) {
            Scanned::End(length) => length,
            Scanned::More if !input.is_ended() => return Frame::More,
            // A detached number ends with its buffer.
            Scanned::More if self.detached => bytes.len(),
            Scanned::More => {
                let problem = format!(
                    "the document ends in element {} of {} (at byte {}); is the file truncated?",
                    self.elements,
                    self.pointer,
                    input.byte() + bytes.len() as u64
                );
                return broken(input, 0, problem);
            }
            Scanned::Broken(at, problem) => {
                let problem = match bytes[at] {
                    b']' if at == 0 => "an element is missing after the last comma".to_owned(),
                    b',' if at == 0 => "an element is missing before a comma".to_owned(),
                    _ => problem,
                };
                return broken(input, at, format!("{problem}, in {}", self.pointer));
            }
        };
        let missing = self.scan.missing();
        let element = self.elements;
        self.took_element();
        let (to, lines) = (input.at() + length, lines_in(&bytes[..length]));
        if length > input.longest {
            return Frame::bad(input.too_long(missing), Next::At { to, lines });
        }
        Frame::Record { record: element, end: to, to, lines }
    }

    fn pass_element(&mut self, mut scan: Scan, bytes: &[u8], ended: bool) -> Passed {
        // The bytes examined before have already been passed: `bytes` begins after them.
        scan.done = 0;
        let (length, done) = match scan.go_on(bytes) {
            Scanned::End(length) => {
                self.took_element();
                (length, true)
            }
            Scanned::More if ended => {
                let problem =
                    format!("the document ends in an element of {}; is the file truncated?", self.pointer);
                self.fault = Some(Fault::Broken(problem));
                (bytes.len(), true)
            }
            Scanned::More => {
                self.passing = Some(Passing::Element(scan));
                (bytes.len(), false)
            }
            Scanned::Broken(at, problem) => {
                self.fault = Some(Fault::Broken(format!("{problem}, in {}", self.pointer)));
                (at, true)
            }
        };
        Passed { bytes: length, lines: lines_in(&bytes[..length]), done }
    }

    fn pass_around(&mut self, mut walk: Box<Walk>, bytes: &[u8], ended: bool) -> Passed {
        let encoding = self.encoding;
        let (text, valid) = encoding.decode_text(bytes);
        let is_cut = encoding.is_read_as_utf8() && !ended && bytes.len() - valid < 4;
        let walked = walk.go_on(text.as_bytes(), &self.pointer);
        let end = match walked {
            Walked::On => text.len(),
            Walked::Array(end) | Walked::Fault(end, _) => text.floor_char_boundary(end),
        };
        let passed = encoding.length_of(&text[..end]);
        let (length, done) = match walked {
            Walked::On if valid < bytes.len() && !is_cut => {
                let remedy = if encoding == Encoding::Utf8 { "; convert the input to UTF-8" } else { "" };
                self.fault = Some(Fault::Broken(format!("invalid {}{remedy}", encoding.name())));
                (valid, true)
            }
            Walked::On if ended => {
                self.fault = walk.end(&self.pointer);
                if self.fault.is_none() {
                    self.stage = Stage::Done;
                }
                (valid, true)
            }
            Walked::On => (valid, false),
            Walked::Array(_) => {
                self.open = walk.open().into();
                (passed, true)
            }
            Walked::Fault(_, fault) => {
                self.fault = Some(fault);
                (passed, true)
            }
        };
        self.keep(&text.as_bytes()[..end]);
        if !done {
            self.passing = Some(Passing::Around(walk));
        }
        Passed { bytes: length, lines: lines_in(&bytes[..length]), done }
    }
}

/// The frame of a document that is broken at this offset after the place.
#[cold]
fn broken(input: &Input, at: usize, problem: String) -> Frame<u64> {
    let error = ReadError::Broken {
        resource: input.resource(),
        line: input.line() + lines_in(&input.rest()[..at]),
        byte: input.byte() + at as u64,
        problem: problem.into(),
    };
    Frame::bad(error, Next::Nowhere)
}

impl Framing for JsonArrayFraming {
    type State = JsonArrayState;
    type Record = u64;

    const DETACHES_GAPS: bool = true;

    fn has_lines(&self) -> bool {
        false
    }

    fn missing(&self, _open: &[u8]) -> &'static str {
        self.scan.missing()
    }

    fn next(&mut self, input: &Input) -> Frame<u64> {
        if let Some(error) = self.fault(input) {
            return Frame::bad(error, Next::Nowhere);
        }
        let bytes = input.rest();
        // An element that is partly examined begins at the place.
        if self.scan.done > 0 {
            return self.element(input);
        }
        let (mut at, mut lines) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\n' => lines += 1,
                byte if is_blank(*byte) => {}
                b',' if self.stage == Stage::After => self.stage = Stage::Element,
                _ => break,
            }
            at += 1;
        }
        if at > 0 {
            return Frame::Nothing { to: input.at() + at, lines };
        }
        match (self.stage, bytes.first()) {
            (_, None) if !input.is_ended() => Frame::More,
            (_, None) if self.detached => Frame::End,
            (Stage::Done, None) => Frame::End,
            (_, None) => {
                let problem = format!("the document ends in {}; is the file truncated?", self.pointer);
                broken(input, 0, problem)
            }
            (Stage::First | Stage::After, Some(b']')) => {
                self.passing = Some(Passing::Around(Box::new(Walk::to_the_end(&self.open))));
                Frame::Comment
            }
            (Stage::First | Stage::Element, Some(_)) => self.element(input),
            (Stage::After, Some(byte)) => {
                let problem = format!("expected `,` or `]`, found {}, in {}", shown(*byte), self.pointer);
                broken(input, 0, problem)
            }
            (Stage::Done, Some(byte)) => {
                let problem = format!(
                    "the document has ended, but {} follows; was the file joined from several?",
                    shown(*byte)
                );
                broken(input, 0, problem)
            }
        }
    }

    fn moved(&mut self, _input: &Input) {
        self.scan = Scan::default();
    }

    fn pass(&mut self, input: &Input) -> Passed {
        let (bytes, ended) = (input.rest(), input.is_ended());
        match self.passing.take() {
            Some(Passing::Around(walk)) => self.pass_around(walk, bytes, ended),
            Some(Passing::Element(scan)) => self.pass_element(scan, bytes, ended),
            None => self.pass_element(Scan::default(), bytes, ended),
        }
    }

    fn is_stuck(&self) -> bool {
        self.fault.is_some()
    }

    fn state(&self) -> JsonArrayState {
        JsonArrayState {
            elements: self.elements,
            stage: self.stage,
            open: self.open.clone(),
            at: hash(self.pointer.text().as_bytes()),
        }
    }

    fn resume(&mut self, state: JsonArrayState) -> Result<(), &'static str> {
        if state.at != hash(self.pointer.text().as_bytes()) {
            return Err("that execution read another array in the file");
        }
        (self.elements, self.stage, self.open) = (state.elements, state.stage, state.open);
        (self.scan, self.passing, self.fault) = (Scan::default(), None, None);
        Ok(())
    }

    fn put_back(&mut self, element: u64) {
        self.elements = element;
        self.stage = if element == 0 { Stage::First } else { Stage::Element };
    }

    fn clear(&mut self) {
        self.detached = true;
        (self.scan, self.passing, self.fault) = (Scan::default(), None, None);
    }

    fn detach(&self, record: u64, _from: usize, to: usize, into: &mut Self) {
        // The first detached element is at the start of the buffer.
        if to == 0 {
            (into.elements, into.stage) = (record, Stage::Element);
        }
    }
}
