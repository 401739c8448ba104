//! [`Lexer`] finds the tags, comments and texts of an XML document, and remembers how far it looked.

use memchr::memmem;

/// The kind of token in which the next bytes begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Content,
    Comment,
    CData,
    Instruction,
    Declaration,
}

/// Finds one token after another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lexer {
    /// The number of bytes that were examined, from the place of the input on.
    pub(super) done: usize,
    within: Within,
}

/// A token, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'b> {
    /// `<name ..>`, or `<name ../>` if it is `empty`. `tag` is what the angle brackets hold.
    Open { name: &'b [u8], tag: &'b [u8], empty: bool },
    /// `</name>`.
    Close { name: &'b [u8] },
    /// Text, up to the next token or the end of the bytes.
    Text(&'b [u8]),
    /// The end of a CDATA section.
    CData,
    /// A comment or a processing instruction.
    Other,
    /// An XML declaration, `<?xml ..?>`, which only the start of a document can have.
    Declaration,
    /// A DOCTYPE.
    Doctype,
    /// More bytes are needed.
    More,
    /// No token begins at this offset.
    Broken(usize, &'static str),
}

const DECLARATION: &[u8] = b"<?xml";

/// True if an XML declaration begins here, in letters of any case: an instruction cannot have the name `xml`. `None` if
/// more bytes are needed.
pub(super) fn begins_a_declaration(bytes: &[u8]) -> Option<bool> {
    let name = &bytes[..bytes.len().min(DECLARATION.len())];
    if !name.eq_ignore_ascii_case(&DECLARATION[..name.len()]) {
        return Some(false);
    }
    bytes.get(DECLARATION.len()).map(|next| is_blank(*next) || *next == b'?')
}

/// True for the name of an element, by the fifth edition of XML 1.0.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if name.bytes().all(is_plain) {
        return name.bytes().next().is_some_and(|first| !matches!(first, b'-' | b'.' | b'0'..=b'9'));
    }
    name.starts_with(begins_a_name)
        && name.chars().all(|character| {
            begins_a_name(character)
                || matches!(character, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}' | '\u{2040}')
        })
}

fn begins_a_name(character: char) -> bool {
    matches!(character,
        ':' | '_' | 'A'..='Z' | 'a'..='z'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}' | '\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

impl Lexer {
    /// Finds the next token in the bytes after the place.
    pub(super) fn next<'b>(&mut self, bytes: &'b [u8]) -> Token<'b> {
        loop {
            let from = self.done;
            let rest = &bytes[from..];
            match self.within {
                Within::Content => {
                    let length = memchr::memchr(b'<', rest).unwrap_or(rest.len());
                    if length > 0 {
                        self.done += length;
                        return Token::Text(&rest[..length]);
                    }
                    match self.begin(rest) {
                        Some(token) => return token,
                        None => continue,
                    }
                }
                Within::Comment => match memmem::find(rest, b"--") {
                    None => self.done += rest.len().saturating_sub(1),
                    Some(at) => {
                        self.done += at;
                        match rest.get(at + 2) {
                            None => {}
                            Some(b'>') => return self.end(3, Token::Other),
                            Some(_) => return Token::Broken(self.done, "a comment contains `--`"),
                        }
                    }
                },
                Within::CData => match memmem::find(rest, b"]]>") {
                    None => self.done += rest.len().saturating_sub(2),
                    Some(at) => return self.end(at + 3, Token::CData),
                },
                Within::Instruction | Within::Declaration => match memmem::find(rest, b"?>") {
                    None => self.done += rest.len().saturating_sub(1),
                    Some(at) if self.within == Within::Declaration => {
                        return self.end(at + 2, Token::Declaration);
                    }
                    Some(at) => return self.end(at + 2, Token::Other),
                },
            }
            return Token::More;
        }
    }

    fn end<'b>(&mut self, length: usize, token: Token<'b>) -> Token<'b> {
        self.done += length;
        self.within = Within::Content;
        token
    }

    /// Begins a token, at its bracket; `None` for one that may be long.
    fn begin<'b>(&mut self, rest: &'b [u8]) -> Option<Token<'b>> {
        for (begin, within) in
            [(&b"<!--"[..], Within::Comment), (b"<![CDATA[", Within::CData), (b"<?", Within::Instruction)]
        {
            if rest.starts_with(begin) {
                let within = match within {
                    Within::Instruction => match begins_a_declaration(rest) {
                        None => return Some(Token::More),
                        Some(true) => Within::Declaration,
                        Some(false) => within,
                    },
                    _ => within,
                };
                (self.within, self.done) = (within, self.done + begin.len());
                return None;
            }
            if begin.starts_with(rest) {
                return Some(Token::More);
            }
        }
        Some(match rest[1] {
            b'!' => self.doctype(rest),
            b'/' => self.close(rest),
            b':' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => self.open(rest),
            _ => Token::Broken(self.done, "`<` begins no tag; in a text it is written `&lt;`"),
        })
    }

    fn close<'b>(&mut self, rest: &'b [u8]) -> Token<'b> {
        match memchr::memchr2(b'>', b'<', &rest[2..]) {
            None => Token::More,
            Some(length) if rest[2 + length] == b'<' => Token::Broken(self.done, "the end tag has no `>`"),
            Some(length) => {
                self.done += length + 3;
                Token::Close { name: rest[2..2 + length].trim_ascii_end() }
            }
        }
    }

    fn open<'b>(&mut self, rest: &'b [u8]) -> Token<'b> {
        let mut at = 1;
        loop {
            let Some(found) = rest[at..].iter().position(|byte| matches!(byte, b'>' | b'"' | b'\'' | b'<'))
            else {
                return Token::More;
            };
            at += found + 1;
            match rest[at - 1] {
                b'>' => break,
                b'<' => return Token::Broken(self.done, "the tag has no `>`"),
                quote => match memchr::memchr2(quote, b'<', &rest[at..]) {
                    None => return Token::More,
                    Some(length) if rest[at + length] == b'<' => {
                        return Token::Broken(self.done, "the value of an attribute has no closing quote");
                    }
                    Some(length) => at += length + 1,
                },
            }
        }
        self.done += at;
        let tag = &rest[1..at - 1];
        let (tag, empty) = tag.strip_suffix(b"/").map_or((tag, false), |tag| (tag, true));
        let end = tag.iter().position(|byte| is_blank(*byte)).unwrap_or(tag.len());
        Token::Open { name: &tag[..end], tag, empty }
    }

    /// Passes over a DOCTYPE and its internal subset, and uses none of its declarations.
    fn doctype<'b>(&mut self, rest: &'b [u8]) -> Token<'b> {
        const BEGIN: &[u8] = b"<!DOCTYPE";
        if !rest.starts_with(BEGIN) {
            let is_cut = BEGIN.starts_with(rest);
            return if is_cut {
                Token::More
            } else {
                Token::Broken(self.done, "`<!` begins an unknown declaration")
            };
        }
        let (mut at, mut brackets) = (BEGIN.len(), 0_usize);
        while let Some(byte) = rest.get(at) {
            at += 1;
            let (end, length): (&[u8], usize) = match byte {
                b'[' => {
                    brackets += 1;
                    continue;
                }
                b']' => {
                    brackets = brackets.saturating_sub(1);
                    continue;
                }
                b'>' if brackets == 0 => {
                    self.done += at;
                    return Token::Doctype;
                }
                b'"' => (b"\"", 1),
                b'\'' => (b"'", 1),
                b'<' if rest[at..].starts_with(b"!--") => (b"-->", 3),
                b'<' if rest[at..].starts_with(b"?") => (b"?>", 2),
                _ => continue,
            };
            match memmem::find(&rest[at..], end) {
                Some(found) => at += found + length,
                None => return Token::More,
            }
        }
        Token::More
    }
}
