//! [`Walk`] reads what surrounds the array: up to its opening bracket, and from its closing bracket to the
//! end. It accepts JSON only and needs no recursion; its memory grows only with the open brackets.

use serde::de::IgnoredAny;

use super::MAX_DEPTH;
use super::element_end::{is_blank, shown};
use super::pointer::Pointer;

/// The number of bytes of a key or a number that are kept.
const MAX_KEPT_BYTES: usize = 4096;

/// The number of keys that a message names.
const MAX_NAMED_KEYS: usize = 10;

/// The tokens that may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The bracket that ends the array.
    EndOfTheArray,
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// White space to the end.
    Nothing,
}

/// The string or word that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    Word,
    Text,
    /// After a backslash in a string.
    Escape,
    /// After `\u`, with this number of digits to come.
    Digits(u8),
}

/// The result of walking over some bytes.
#[derive(Debug)]
pub(super) enum Walked {
    /// Nothing is wrong so far.
    On,
    /// The array, whose elements begin at this offset.
    Array(usize),
    /// Something at this offset that cannot be there.
    Fault(usize, Fault),
}

/// The reason why the walk ends.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The document is not valid JSON.
    Broken(String),
    /// The document is valid so far, but the pointer leads to no array.
    Nowhere(String),
}

/// A walk through a document.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    /// The open brackets, the outermost first.
    open: Vec<u8>,
    /// The number of open brackets that the pointer leads through.
    on_path: usize,
    next: Next,
    token: Token,
    /// The key or word that is being read, up to a limit.
    kept: Vec<u8>,
    /// True if the last key in the innermost container of the path is that of the pointer.
    is_key: bool,
    /// The index in the innermost array of the path.
    index: u64,
    /// The first keys of the innermost object of the path.
    names: Vec<Box<str>>,
    /// True after the array.
    is_after: bool,
}

impl Walk {
    /// Begins at the start of the document.
    pub(super) fn to_the_array() -> Self {
        Self {
            open: Vec::new(),
            on_path: 0,
            next: Next::Value,
            token: Token::None,
            kept: Vec::new(),
            is_key: false,
            index: 0,
            names: Vec::new(),
            is_after: false,
        }
    }

    /// Begins at the bracket that ends the array, while the brackets `open` around the array are open.
    pub(super) fn to_the_end(open: &str) -> Self {
        Self {
            open: open.as_bytes().to_vec(),
            on_path: open.len(),
            next: Next::EndOfTheArray,
            is_after: true,
            ..Self::to_the_array()
        }
    }

    /// The brackets that are open.
    pub(super) fn open(&self) -> String {
        String::from_utf8_lossy(&self.open).into_owned()
    }

    /// Continues the walk through these bytes.
    pub(super) fn go_on(&mut self, bytes: &[u8], pointer: &Pointer) -> Walked {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let step = match self.token {
                Token::None if is_blank(*byte) => Ok(false),
                Token::None => self.begin(*byte, pointer),
                Token::Word => {
                    if matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'{' | b'[') || is_blank(*byte) {
                        match self.end_word() {
                            // The byte ends the word, and is read again as the next token.
                            Ok(()) => continue,
                            Err(fault) => Err(fault),
                        }
                    } else {
                        self.keep(*byte).map(|()| false)
                    }
                }
                _ => self.text(*byte, pointer).map(|()| false),
            };
            match step {
                Ok(false) => at += 1,
                Ok(true) => return Walked::Array(at + 1),
                Err(fault) => return Walked::Fault(at, fault),
            }
        }
        Walked::On
    }

    /// Ends the walk, because the input has ended.
    pub(super) fn end(&mut self, pointer: &Pointer) -> Option<Fault> {
        if self.token == Token::Word
            && let Err(fault) = self.end_word()
        {
            return Some(fault);
        }
        if self.token == Token::None && self.next == Next::Nothing {
            return None;
        }
        let problem = if self.is_after {
            format!("the document ends too early, after {pointer}; is the file truncated?")
        } else if self.open.is_empty() && self.token == Token::None {
            "it is empty: a JSON array was expected".to_owned()
        } else {
            format!("the document ends before {pointer}; is the file truncated?")
        };
        Some(Fault::Broken(problem))
    }

    fn keep(&mut self, byte: u8) -> Result<(), Fault> {
        if self.kept.len() == MAX_KEPT_BYTES {
            return Err(Fault::Broken(format!(
                "a value without quotes is longer than {MAX_KEPT_BYTES} bytes"
            )));
        }
        self.kept.push(byte);
        Ok(())
    }

    /// True if the innermost open bracket is one that the pointer leads through.
    fn is_on_path(&self) -> bool {
        self.open.len() == self.on_path
    }

    /// Begins a token. Returns true if the array begins with it.
    fn begin(&mut self, byte: u8, pointer: &Pointer) -> Result<bool, Fault> {
        match (self.next, byte) {
            (Next::EndOfTheArray, b']') => self.after_value(),
            (
                Next::Value | Next::ValueOrEnd,
                b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n',
            ) => {
                return self.value(byte, pointer);
            }
            (Next::ValueOrEnd, b']') | (Next::KeyOrEnd, b'}') => {
                self.close(pointer)?;
            }
            (Next::CommaOrEnd, b']' | b'}') if self.open.last() == Some(&(byte - 2)) => {
                self.close(pointer)?;
            }
            (Next::Key | Next::KeyOrEnd, b'"') => {
                self.kept.clear();
                self.kept.push(byte);
                self.token = Token::Text;
            }
            (Next::Colon, b':') => self.next = Next::Value,
            (Next::CommaOrEnd, b',') => {
                if self.is_on_path() {
                    self.index += 1;
                }
                self.next = if self.open.last() == Some(&b'{') { Next::Key } else { Next::Value };
            }
            _ => return Err(self.unexpected(byte)),
        }
        Ok(false)
    }

    #[cold]
    fn unexpected(&self, byte: u8) -> Fault {
        let expected = match self.next {
            Next::EndOfTheArray => "`]`",
            Next::Value => "a value",
            Next::ValueOrEnd => "a value or `]`",
            Next::Key => "a key in quotes",
            Next::KeyOrEnd => "a key in quotes or `}`",
            Next::Colon => "`:`",
            Next::CommaOrEnd if self.open.last() == Some(&b'{') => "`,` or `}`",
            Next::CommaOrEnd => "`,` or `]`",
            Next::Nothing => {
                return Fault::Broken(format!(
                    "the document has ended, but {} follows; was the file joined from several?",
                    shown(byte)
                ));
            }
        };
        Fault::Broken(format!("expected {expected}, found {}", shown(byte)))
    }

    /// Begins a value. Returns true if the value is the array.
    fn value(&mut self, byte: u8, pointer: &Pointer) -> Result<bool, Fault> {
        let depth = self.open.len();
        let leads_on = !self.is_after
            && self.is_on_path()
            && match self.open.last() {
                None => true,
                Some(b'{') => self.is_key,
                Some(_) => pointer.key(depth - 1) == self.index.to_string(),
            };
        if leads_on {
            let is_there = depth == pointer.depth();
            let found = match byte {
                b'[' => "an array",
                b'{' => "an object",
                b'"' => "a string",
                b't' | b'f' => "a boolean",
                b'n' => "null",
                _ => "a number",
            };
            if is_there && byte == b'[' {
                return Ok(true);
            }
            if is_there || !matches!(byte, b'{' | b'[') {
                return Err(Fault::Nowhere(nowhere(pointer, depth, found)));
            }
            self.on_path += 1;
            self.index = 0;
            self.names.clear();
        }
        match byte {
            b'{' | b'[' if depth == MAX_DEPTH => {
                let problem = format!("the document is nested more than {MAX_DEPTH} levels deep");
                return Err(Fault::Broken(problem));
            }
            b'{' | b'[' => {
                self.open.push(byte);
                self.is_key = false;
                self.next = if byte == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd };
            }
            b'"' => {
                self.kept.clear();
                self.token = Token::Text;
            }
            _ => {
                self.kept.clear();
                self.kept.push(byte);
                self.token = Token::Word;
            }
        }
        Ok(false)
    }

    fn close(&mut self, pointer: &Pointer) -> Result<(), Fault> {
        if self.is_on_path() {
            if !self.is_after {
                return Err(Fault::Nowhere(self.not_found(pointer)));
            }
            self.on_path -= 1;
        }
        self.open.pop();
        self.after_value();
        Ok(())
    }

    fn after_value(&mut self) {
        self.next = if self.open.is_empty() { Next::Nothing } else { Next::CommaOrEnd };
    }

    /// The message about a container of the path that lacks the pointer's next key.
    #[cold]
    fn not_found(&self, pointer: &Pointer) -> String {
        let depth = self.open.len();
        let (place, key) = (pointer.shown(depth - 1), pointer.key(depth - 1));
        if self.open.last() == Some(&b'[') {
            return format!(
                "{place} is an array without an element `{key}`: `{}` leads nowhere",
                pointer.text()
            );
        }
        let names: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let has = if names.is_empty() { "is empty".to_owned() } else { format!("has {}", names.join(", ")) };
        let more = if names.len() == MAX_NAMED_KEYS { " …" } else { "" };
        format!("{place} {has}{more}, but no key `{key}`: `{}` leads nowhere", pointer.text())
    }

    /// Reads a byte of a string.
    fn text(&mut self, byte: u8, pointer: &Pointer) -> Result<(), Fault> {
        let keeps = matches!(self.next, Next::Key | Next::KeyOrEnd);
        if keeps && self.is_on_path() && self.kept.len() < MAX_KEPT_BYTES {
            self.kept.push(byte);
        }
        self.token = match (self.token, byte) {
            (Token::Text, b'"') => {
                if keeps {
                    self.end_key(pointer)?;
                } else {
                    self.after_value();
                }
                Token::None
            }
            (Token::Text, b'\\') => Token::Escape,
            (Token::Text, 0..0x20) => {
                let problem = format!("{} in a string must be escaped", shown(byte));
                return Err(Fault::Broken(problem));
            }
            (Token::Escape, b'u') => Token::Digits(4),
            (Token::Text, _) | (Token::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                Token::Text
            }
            (Token::Digits(1), byte) if byte.is_ascii_hexdigit() => Token::Text,
            (Token::Digits(left), byte) if byte.is_ascii_hexdigit() => Token::Digits(left - 1),
            _ => return Err(Fault::Broken(format!("an escape in a string cannot have {}", shown(byte)))),
        };
        Ok(())
    }

    fn end_key(&mut self, pointer: &Pointer) -> Result<(), Fault> {
        self.next = Next::Colon;
        if !self.is_on_path() {
            return Ok(());
        }
        let key = serde_json::from_slice::<String>(&self.kept).unwrap_or_default();
        self.is_key = key == pointer.key(self.open.len() - 1);
        if self.is_key && self.is_after {
            let problem = format!(
                "the key `{key}` appears again, so it is not certain which {} is meant; remove one",
                pointer.text()
            );
            return Err(Fault::Broken(problem));
        }
        if self.names.len() < MAX_NAMED_KEYS {
            self.names.push(crate::readers::shown(&key));
        }
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), Fault> {
        self.token = Token::None;
        self.after_value();
        if serde_json::from_slice::<IgnoredAny>(&self.kept).is_err() {
            let word = crate::readers::shown(&String::from_utf8_lossy(&self.kept));
            return Err(Fault::Broken(format!("expected a value, found `{word}`")));
        }
        Ok(())
    }
}

/// The message about a pointer that leads to something other than an array, or through something other than a
/// container.
#[cold]
fn nowhere(pointer: &Pointer, depth: usize, found: &str) -> String {
    let place = pointer.shown(depth);
    if depth < pointer.depth() {
        return format!("{place} is {found}: `{}` leads nowhere", pointer.text());
    }
    let remedy = match found {
        "an object" if depth == 0 => {
            "; name an array in it with `.at(\"/key\")`, or read one value per line with `JsonLinesReader`"
        }
        "an object" => "; name an array in it with `.at(..)`",
        _ => "",
    };
    format!("{place} is {found}, but a JSON array was expected{remedy}")
}
