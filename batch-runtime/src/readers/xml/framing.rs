//! Finds the elements with a given name in an XML document, and tracks the elements that are open around them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bad_character;
use super::lexer::{Lexer, Token, is_blank, is_name};
use crate::readers::ReadError;
use crate::readers::framed::{BYTE_ORDER_MARK, Encoding, Frame, Framing, Input, Next, Passed, lines_in};
use crate::readers::shown;

/// The number of elements that may be open around a record.
const DEEPEST: usize = 128;

/// The number of bytes that the names and namespaces of these elements may take.
const LONGEST_AROUND: usize = 16 * 1024;

/// The part of an [`XmlReader`](super::XmlReader)'s position besides its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct XmlState {
    /// The elements that are open, the outermost first: the name of each, and the namespaces that it declares.
    open: Vec<Box<str>>,
    /// True once the outermost element was found.
    begun: bool,
    /// True once a record was found; in positions of earlier versions, it is unknown.
    #[serde(default = "yes")]
    found: bool,
}

fn yes() -> bool {
    true
}

/// Which elements are records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The names from the outermost element on, or only that of the record.
    pub(super) path: Vec<String>,
    /// True if a document may lack them although it has other elements.
    pub(super) may_be_absent: bool,
}

/// The elements seen before the first record, which show whether the document is one without records.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// True if an element was seen in which records may be.
    parent: bool,
    /// The path of the first other element at the place of records.
    rival: Option<Box<str>>,
    /// The path of the first other element elsewhere.
    elsewhere: Option<Box<str>>,
}

impl Seen {
    fn add(&mut self, wanted: &Wanted, name: &str, open: &[Box<str>]) {
        let around = wanted.path.split_last().map_or(&[][..], |(_, around)| around);
        let is_inside = open.iter().zip(around).all(|(open, wanted)| is_named(name_of(open), wanted));
        let is_around = is_inside && around.get(open.len()).is_some_and(|wanted| is_named(name, wanted));
        let other = if is_around {
            self.parent |= open.len() + 1 == around.len();
            return;
        } else if around.is_empty() && open.is_empty() {
            // The outermost element may have any name.
            return;
        } else if around.is_empty() || is_inside && open.len() == around.len() {
            &mut self.rival
        } else {
            &mut self.elsewhere
        };
        other.get_or_insert_with(|| {
            let path: Vec<&str> = open.iter().map(|open| name_of(open)).chain([name]).collect();
            shown(&path.join("/"))
        });
    }

    /// An element that the document has instead of records.
    fn instead(&self) -> Option<&str> {
        self.rival.as_deref().or(self.elsewhere.as_deref().filter(|_| !self.parent))
    }
}

/// True if `name` is the wanted name, with its prefix or without.
fn is_named(name: &str, wanted: &str) -> bool {
    let local =
        if wanted.contains(':') { name } else { name.split_once(':').map_or(name, |(_, local)| local) };
    local == wanted
}

impl Wanted {
    fn is_record(&self, name: &str, open: &[Box<str>]) -> bool {
        let Some((last, around)) = self.path.split_last() else { return false };
        is_named(name, last)
            && (around.is_empty()
                || around.len() == open.len()
                    && open.iter().zip(around).all(|(open, wanted)| is_named(name_of(open), wanted)))
    }
}

fn name_of(open: &str) -> &str {
    open.split(' ').next().unwrap_or_default()
}

/// The progress of a scan through a record.
#[derive(Debug, Clone)]
struct Scan {
    lexer: Lexer,
    /// The name of the record's element, once it was read.
    name: Vec<u8>,
    /// The number of elements of that name that are open.
    depth: usize,
}

/// The result of scanning the bytes of a record.
enum Scanned {
    End(usize),
    More,
    Broken(usize, String),
}

impl Scan {
    fn new() -> Self {
        Self { lexer: Lexer::default(), name: Vec::new(), depth: 0 }
    }

    fn go_on(&mut self, bytes: &[u8]) -> Scanned {
        loop {
            let begin = self.lexer.done;
            match self.lexer.next(bytes) {
                Token::Open { name, empty, .. } => {
                    if self.depth == 0 {
                        name.clone_into(&mut self.name);
                        if empty {
                            return Scanned::End(self.lexer.done);
                        }
                        self.depth = 1;
                    } else if !empty && name == self.name {
                        self.depth += 1;
                    }
                }
                Token::Close { name } if name == self.name => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Scanned::End(self.lexer.done);
                    }
                }
                Token::Close { .. } | Token::Text(_) | Token::CData | Token::Other => {}
                Token::Doctype => {
                    return Scanned::Broken(begin, "a DOCTYPE is inside an element".into());
                }
                Token::Declaration => {
                    return Scanned::Broken(begin, "an XML declaration is inside an element".into());
                }
                Token::More => return Scanned::More,
                Token::Broken(at, problem) => return Scanned::Broken(at, problem.into()),
            }
        }
    }
}

/// Finds elements.
#[derive(Debug, Clone)]
pub(super) struct XmlFraming {
    wanted: Arc<Wanted>,
    encoding: Encoding,
    /// The maximum length of a tag in a record that is passed over.
    longest: usize,
    state: XmlState,
    /// Reads what is between records.
    lexer: Lexer,
    record: Option<Scan>,
    /// The record that is being passed over.
    passing: Option<Scan>,
    fault: Option<String>,
    seen: Seen,
    /// True for detached records, which may end within the document.
    detached: bool,
}

impl XmlFraming {
    pub(super) fn new(wanted: Arc<Wanted>, longest: usize, encoding: Encoding) -> Self {
        Self {
            wanted,
            encoding,
            longest,
            state: XmlState::default(),
            lexer: Lexer::default(),
            record: None,
            passing: None,
            fault: None,
            seen: Seen::default(),
            detached: false,
        }
    }

    /// The elements that are open around the record, with their namespaces.
    pub(super) fn around(&self) -> &[Box<str>] {
        &self.state.open
    }

    fn record(&mut self, input: &Input) -> Frame<()> {
        let bytes = input.rest();
        let scan = self.record.get_or_insert_with(Scan::new);
        match scan.go_on(bytes) {
            Scanned::End(length) => {
                self.record = None;
                (self.state.begun, self.state.found) = (true, true);
                let (to, lines) = (input.at() + length, lines_in(&bytes[..length]));
                if length > input.longest {
                    return Frame::bad(input.too_long("closing tag"), Next::At { to, lines });
                }
                Frame::Record { record: (), end: to, to, lines }
            }
            Scanned::More if !input.is_ended() => Frame::More,
            Scanned::More => {
                let name = shown(&self.encoding.lossy(&scan.name));
                broken(
                    input,
                    0,
                    format!(
                        "the document ends in an element `{name}` that begins here; is the file truncated?"
                    ),
                )
            }
            Scanned::Broken(at, problem) => {
                // The next read scans the record again, and fails in the same way.
                self.record = None;
                broken(input, at, problem)
            }
        }
    }

    /// Takes a token between two records. Returns whether a record begins, or what is wrong. `first` is true if
    /// nothing is before the token.
    fn between(&mut self, token: &Token<'_>, first: bool) -> Result<bool, String> {
        let encoding = self.encoding;
        let lossy = |name: &[u8]| shown(&encoding.lossy(name));
        let XmlState { open, begun, found } = &mut self.state;
        match token {
            Token::Open { name, tag, empty } => {
                if *begun && open.is_empty() {
                    return Err(format!("the document has ended, but `<{}>` follows", lossy(name)));
                }
                let Some(text) = encoding.decode(name).ok().filter(|name| is_name(name)) else {
                    return Err(format!("`{}` is not a valid name for an element", lossy(name)));
                };
                if self.wanted.is_record(&text, open) {
                    return Ok(true);
                }
                if !*found {
                    self.seen.add(&self.wanted, &text, open);
                }
                if !empty {
                    let tag = encoding
                        .decode(tag)
                        .map_err(|error| format!("the tag `<{text}>` is not {}", error.encoding))?;
                    let tag = namespaces(&tag);
                    if open.len() == DEEPEST {
                        return Err(format!("more than {DEEPEST} elements are open"));
                    }
                    open.push(tag);
                    if open.iter().map(|open| open.len()).sum::<usize>() > LONGEST_AROUND {
                        open.pop();
                        return Err(format!(
                            "the names and namespaces of the open elements exceed {LONGEST_AROUND} bytes"
                        ));
                    }
                }
                *begun = true;
            }
            Token::Close { name } => match open.pop() {
                Some(last) if *name_of(&last) == *encoding.lossy(name) => {}
                Some(last) => {
                    let problem =
                        format!("`</{}>` closes no element: `{}` is open", lossy(name), name_of(&last));
                    open.push(last);
                    return Err(problem);
                }
                None => return Err(format!("`</{}>` closes no element: none is open", lossy(name))),
            },
            Token::Text(text) if open.is_empty() && !text.iter().all(|byte| is_blank(*byte)) => {
                let where_ = if *begun {
                    "the document has ended, but text follows"
                } else {
                    "an XML document was expected, found"
                };
                let text = shown(encoding.lossy(text).trim());
                return Err(format!("{where_}: `{text}`"));
            }
            Token::Text(text) => {
                if let Some(problem) = bad_character(&encoding.lossy(text)) {
                    return Err(problem);
                }
            }
            Token::CData if open.is_empty() => {
                return Err("a CDATA section is outside of all elements".into());
            }
            Token::Doctype if *begun => {
                return Err("a DOCTYPE is inside an element or after the document".into());
            }
            Token::Declaration if *begun || !first => {
                return Err(
                    "an XML declaration is not at the start; was the file joined from several?".into()
                );
            }
            Token::Broken(_, problem) => return Err((*problem).to_owned()),
            Token::CData | Token::Other | Token::Declaration | Token::Doctype | Token::More => {}
        }
        Ok(false)
    }

    /// Refuses a document that has no record, but something else in its place.
    fn refuse_absent(&self, input: &Input) -> Option<Frame<()>> {
        let Wanted { path, may_be_absent } = &*self.wanted;
        if self.state.found || *may_be_absent {
            return None;
        }
        let problem = format!(
            "it has no element `{}`, but `{}`; name that one, or add `.may_be_absent()` if the document may lack it",
            path.join("/"),
            self.seen.instead()?
        );
        let error = ReadError::Options { resource: input.resource(), problem: problem.into() };
        Some(Frame::bad(error, Next::Nowhere))
    }

    fn at_the_end(&self, input: &Input) -> Frame<()> {
        if self.detached {
            return Frame::End;
        }
        let rest = input.rest();
        if rest.is_empty() && self.state.begun && self.state.open.is_empty() {
            return self.refuse_absent(input).unwrap_or(Frame::End);
        }
        let problem = match self.state.open.last() {
            Some(last) => {
                format!("the document ends, but `{}` is open; is the file truncated?", name_of(last))
            }
            None if rest.is_empty() => "it is empty: an XML document was expected".to_owned(),
            None => "the document ends inside the markup that begins here; is the file truncated?".to_owned(),
        };
        broken(input, 0, problem)
    }
}

/// The name in a tag, and the namespaces that it declares.
fn namespaces(tag: &str) -> Box<str> {
    let (name, mut rest) =
        tag.split_once(|character: char| character.is_ascii_whitespace()).unwrap_or((tag, ""));
    let mut kept = name.to_owned();
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { break };
        let Some(end) = after[1..].find(quote) else { break };
        let key = key.trim();
        if key == "xmlns" || key.starts_with("xmlns:") {
            kept.push(' ');
            kept.push_str(key);
            kept.push('=');
            kept.push_str(&after[..end + 2]);
        }
        rest = &after[end + 2..];
    }
    kept.into()
}

/// The frame of a broken document; `at` counts from the place.
#[cold]
fn broken(input: &Input, at: usize, problem: String) -> Frame<()> {
    let error = ReadError::Broken {
        resource: input.resource(),
        line: input.line() + lines_in(&input.rest()[..at]),
        byte: input.byte() + at as u64,
        problem: problem.into(),
    };
    Frame::bad(error, Next::Nowhere)
}

impl Framing for XmlFraming {
    type State = XmlState;
    type Record = ();

    const DETACHES_GAPS: bool = true;

    fn has_lines(&self) -> bool {
        false
    }

    fn missing(&self, _open: &[u8]) -> &'static str {
        "closing tag"
    }

    fn next(&mut self, input: &Input) -> Frame<()> {
        if let Some(problem) = &self.fault {
            return broken(input, 0, problem.clone());
        }
        if self.record.is_some() {
            return self.record(input);
        }
        let bytes = input.rest();
        // These first bytes may be a byte order mark. If they are white space instead, a declaration after them was
        // refused when the file was opened; if they are a tag, the document has begun.
        let is_start = input.byte() <= BYTE_ORDER_MARK.len() as u64;
        // The end of the last complete token.
        let mut whole = 0;
        loop {
            let begin = self.lexer.done;
            let token = self.lexer.next(bytes);
            if token == Token::More {
                break;
            }
            let at = if let Token::Broken(at, _) = token { at } else { begin };
            match self.between(&token, is_start && whole == 0) {
                Ok(false) => whole = self.lexer.done,
                Ok(true) if begin == 0 => {
                    self.lexer = Lexer::default();
                    return self.record(input);
                }
                Ok(true) => {
                    self.lexer = Lexer::default();
                    return Frame::Nothing { to: input.at() + begin, lines: lines_in(&bytes[..begin]) };
                }
                // First pass the complete tokens before the error: the state already includes them.
                Err(_) if whole > 0 => {
                    self.lexer = Lexer::default();
                    return Frame::Nothing { to: input.at() + whole, lines: lines_in(&bytes[..whole]) };
                }
                Err(problem) => {
                    self.lexer = Lexer::default();
                    return broken(input, at, problem);
                }
            }
        }
        if whole > 0 {
            self.lexer.done -= whole;
            return Frame::Nothing { to: input.at() + whole, lines: lines_in(&bytes[..whole]) };
        }
        if input.is_ended() {
            return self.at_the_end(input);
        }
        if bytes.len() > input.longest {
            let problem = format!("the markup that begins here does not end within {} bytes", input.longest);
            return broken(input, 0, problem);
        }
        Frame::More
    }

    fn moved(&mut self, _input: &Input) {
        (self.lexer, self.record) = (Lexer::default(), None);
    }

    fn pass(&mut self, input: &Input) -> Passed {
        let (bytes, ended) = (input.rest(), input.is_ended());
        let mut scan = self.passing.take().unwrap_or_else(Scan::new);
        let (length, done) = match scan.go_on(bytes) {
            Scanned::End(length) => {
                (self.state.begun, self.state.found) = (true, true);
                (length, true)
            }
            Scanned::More if ended => {
                self.fault = Some("the document ends in an element; is the file truncated?".to_owned());
                (bytes.len(), true)
            }
            Scanned::More if bytes.len() - scan.lexer.done > self.longest => {
                self.fault = Some(format!("a tag is longer than {} bytes", self.longest));
                (scan.lexer.done, true)
            }
            // A tag is never passed in pieces.
            Scanned::More => {
                let length = std::mem::take(&mut scan.lexer.done);
                self.passing = Some(scan);
                (length, false)
            }
            Scanned::Broken(at, problem) => {
                self.fault = Some(problem);
                (at, true)
            }
        };
        Passed { bytes: length, lines: lines_in(&bytes[..length]), done }
    }

    fn is_stuck(&self) -> bool {
        self.fault.is_some()
    }

    fn state(&self) -> XmlState {
        self.state.clone()
    }

    fn resume(&mut self, state: XmlState) -> Result<(), &'static str> {
        self.state = state;
        (self.lexer, self.record, self.passing, self.fault) = (Lexer::default(), None, None, None);
        Ok(())
    }

    fn put_back(&mut self, (): ()) {
        if self.state.open.is_empty() {
            self.state.begun = false;
        }
    }

    fn clear(&mut self) {
        self.detached = true;
        (self.lexer, self.record, self.passing, self.fault) = (Lexer::default(), None, None, None);
    }

    fn detach(&self, (): (), _from: usize, to: usize, into: &mut Self) {
        // Begin with the state before the first record.
        if to == 0 {
            into.state = self.state.clone();
            into.put_back(());
        }
    }
}
