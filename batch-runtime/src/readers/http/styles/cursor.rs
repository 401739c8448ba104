//! Pages whose address is known only from the previous page.

use super::super::page::Broken;
use super::{Ask, HttpPosition, Learned, Style, bad_pointer};
use crate::readers::hash;

/// The longest token or link that is kept in a position.
const LONGEST: usize = 8 * 1024;

/// Pages with tokens: each answer has the token of the next page at a JSON pointer. The next request sends the token as
/// this parameter. `null`, an empty string or `false` ends the input.
///
/// ```
/// use batch_runtime::readers::http::token;
///
/// let pages = token("cursor", "/next").size("limit", 100);
/// ```
#[must_use]
pub fn token(name: impl Into<String>, pointer: impl Into<String>) -> Token {
    Token {
        cursor: Cursor::default(),
        name: name.into(),
        pointer: pointer.into(),
        size: None,
        may_be_absent: false,
    }
}

/// Pages with links: each answer has the address of the next page at a JSON pointer. `null`, an empty string or
/// `false` ends the input.
///
/// A link to another host is refused unless [`Http::allow_host`](super::super::Http::allow_host) allows it.
///
/// ```
/// use batch_runtime::readers::http::next_link;
///
/// let pages = next_link("/links/next");
/// ```
#[must_use]
pub fn next_link(pointer: impl Into<String>) -> Links {
    Links { cursor: Cursor::default(), pointer: Some(pointer.into()), may_be_absent: false }
}

/// Pages with links in the header of the answer: `Link: <https://api.example.org/a?page=2>; rel="next"`. An answer
/// without such a link ends the input.
///
/// A link to another host is refused unless [`Http::allow_host`](super::super::Http::allow_host) allows it.
///
/// ```
/// use batch_runtime::readers::http::link_header;
///
/// let pages = link_header();
/// ```
#[must_use]
pub fn link_header() -> Links {
    Links { cursor: Cursor::default(), pointer: None, may_be_absent: true }
}

/// Pages with tokens; [`token`] creates it.
#[derive(Debug, Clone)]
pub struct Token {
    cursor: Cursor,
    name: String,
    pointer: String,
    size: Option<(String, u32)>,
    may_be_absent: bool,
}

/// Pages with links; [`next_link`] or [`link_header`] creates it.
#[derive(Debug, Clone)]
pub struct Links {
    cursor: Cursor,
    /// `None` for the header.
    pointer: Option<String>,
    may_be_absent: bool,
}

impl Token {
    /// Asks for pages of this size, with a parameter of this name.
    #[must_use]
    pub fn size(mut self, name: impl Into<String>, items: u32) -> Self {
        self.size = Some((name.into(), items));
        self
    }

    /// Allows the last response to have nothing at the pointer. Otherwise this is an error, because the pointer may be
    /// mistyped.
    #[must_use]
    pub fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }
}

impl Links {
    /// Allows the last response to have nothing at the pointer. Otherwise this is an error, because the pointer may be
    /// mistyped.
    #[must_use]
    pub fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }
}

/// The token or link of a page and of the next one.
#[derive(Debug, Clone, Default)]
struct Cursor {
    page: u64,
    /// `None` for the first page.
    current: Option<String>,
    /// `None` after the last page, and before any was read.
    next: Option<String>,
    /// The hash of an earlier token or link, which comes again if the pages go in a circle. A later one replaces it
    /// after `replaced_after` pages, of which `since` have been read.
    mark: u64,
    since: u64,
    replaced_after: u64,
}

impl Cursor {
    fn of(&self, page: u64) -> Option<&String> {
        if page == self.page { self.current.as_ref() } else { self.next.as_ref() }
    }

    /// Learns the next page from the response of `page`.
    fn learn(&mut self, page: u64, next: Option<String>) -> Result<(), Broken> {
        let current = self.of(page).cloned();
        if let Some(next) = &next {
            if next.len() > LONGEST {
                return Err(Broken::Bad(format!(
                    "the address of the next page is longer than {LONGEST} bytes, which is too long for a position"
                )));
            }
            if current.as_ref() == Some(next) || self.replaced_after > 0 && hash(next.as_bytes()) == self.mark
            {
                return Err(Broken::Bad(format!(
                    "the server sends the address of a page that was read already, so the pages would never end: `{}`",
                    crate::readers::shown(next)
                )));
            }
            // Brent's algorithm to find a cycle: the mark moves after 1, 2, 4, .. pages.
            self.since += 1;
            if self.since >= self.replaced_after {
                (self.mark, self.since) = (hash(next.as_bytes()), 0);
                self.replaced_after = self.replaced_after.saturating_mul(2).max(1);
            }
        }
        (self.page, self.current, self.next) = (page, current, next);
        Ok(())
    }

    fn place(&self, mut position: HttpPosition) -> HttpPosition {
        position.at = self.of(position.page).cloned();
        position
    }

    fn go_to(&mut self, position: &HttpPosition) {
        *self = Self { page: position.page, current: position.at.clone(), ..Self::default() };
    }
}

/// The token or link at the pointer; `None` at the end.
fn next_at(learned: &Learned<'_>, pointer: &str, may_be_absent: bool) -> Result<Option<String>, Broken> {
    let Some(found) = learned.document.find(pointer)? else {
        if may_be_absent {
            return Ok(None);
        }
        return Err(Broken::Bad(format!(
            "the response has nothing at `{pointer}`, where the next page was expected: if the last response has none there, say so with `.may_be_absent()`"
        )));
    };
    let text = found.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            let next: String =
                serde_json::from_str(text).map_err(|error| Broken::Bad(format!("`{pointer}`: {error}")))?;
            Ok((!next.is_empty()).then_some(next))
        }
        Some(b'n' | b'f') => Ok(None),
        Some(b'0'..=b'9' | b'-') => Ok(Some(text.to_owned())),
        _ => Err(Broken::Bad(format!(
            "the response has `{}` at `{pointer}`, where the next page was expected",
            learned.document.excerpt(text)
        ))),
    }
}

impl<T> Style<T> for Token {
    const NAME: &'static str = "Token";

    fn mistake(&self) -> Option<String> {
        bad_pointer(&self.pointer)
    }

    fn ask(&self, page: u64) -> Ask {
        let token = self.cursor.of(page).map(|token| (self.name.clone(), token.clone()));
        let size = self.size.as_ref().map(|(name, size)| (name.clone(), size.to_string()));
        Ask::Query(token.into_iter().chain(size).collect())
    }

    fn learn(&mut self, learned: &Learned<'_>) -> Result<(), Broken> {
        let next = next_at(learned, &self.pointer, self.may_be_absent)?;
        self.cursor.learn(learned.page, next)
    }

    fn is_last(&self, _: u64, _: u64) -> bool {
        self.cursor.next.is_none()
    }

    fn place(&self, position: HttpPosition) -> HttpPosition {
        self.cursor.place(position)
    }

    fn go_to(&mut self, position: &HttpPosition) {
        self.cursor.go_to(position);
    }
}

impl<T> Style<T> for Links {
    const NAME: &'static str = "Links";

    fn mistake(&self) -> Option<String> {
        self.pointer.as_deref().and_then(bad_pointer)
    }

    fn ask(&self, page: u64) -> Ask {
        self.cursor.of(page).map_or_else(|| Ask::Query(Vec::new()), |link| Ask::Link(link.clone()))
    }

    fn learn(&mut self, learned: &Learned<'_>) -> Result<(), Broken> {
        let next = match &self.pointer {
            Some(pointer) => next_at(learned, pointer, self.may_be_absent)?,
            None => learned.document.headers("link").find_map(next_of_header).map(str::to_owned),
        };
        let kept = |next: String| (learned.kept)(learned.document.answer(), &next).map_err(Broken::Bad);
        self.cursor.learn(learned.page, next.map(kept).transpose()?)
    }

    fn is_last(&self, _: u64, _: u64) -> bool {
        self.cursor.next.is_none()
    }

    fn place(&self, position: HttpPosition) -> HttpPosition {
        self.cursor.place(position)
    }

    fn go_to(&mut self, position: &HttpPosition) {
        self.cursor.go_to(position);
    }
}

/// The address with the relation `next` in a `Link` header (RFC 8288).
fn next_of_header(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (address, after) = after.split_once('>')?;
        let (parameters, others) = cut_outside_quotes(after, ',');
        let mut left = parameters;
        while !left.is_empty() {
            let (parameter, after) = cut_outside_quotes(left, ';');
            if is_next(parameter) {
                return Some(address);
            }
            left = after;
        }
        rest = others;
    }
    None
}

/// Returns whether a parameter of a link is `rel="next"`, perhaps among other relations.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

/// The text before and after the first separator that is not in quotes.
fn cut_outside_quotes(text: &str, separator: char) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let found = text.char_indices().find(|(_, letter)| {
        is_quoted ^= *letter == '"' && !is_escaped;
        is_escaped = is_quoted && *letter == '\\' && !is_escaped;
        !is_quoted && *letter == separator
    });
    found.map_or((text, ""), |(at, _)| (&text[..at], &text[at + separator.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_of_a_header_is_found_among_others() {
        for (header, next) in [
            (r#"<http://h/a?p=2>; rel="next", <http://h/a?p=9>; rel="last""#, Some("http://h/a?p=2")),
            (r#"<http://h/a,b?p=1>; rel=prev; title="a, <b>; rel=next", </c>;rel="x NEXT""#, Some("/c")),
            (r#"<a>; title="\", <b>; rel=next \\"; rel=last, <c>; rel=next"#, Some("c")),
            (r#"<http://h/a>; rel="nextish""#, None),
            ("", None),
            ("<http://h", None),
        ] {
            assert_eq!(next_of_header(header), next, "{header}");
        }
    }

    #[test]
    fn a_circle_of_any_length_is_found() {
        for length in 1..40 {
            let mut cursor = Cursor::default();
            let found = (0..400_u64).find(|page| {
                // Seven pages lead to the circle.
                let next = if *page < 7 { format!("in{page}") } else { format!("round{}", page % length) };
                cursor.learn(*page, Some(next)).is_err()
            });
            assert!(found.is_some(), "{length}");
        }
        let mut cursor = Cursor::default();
        assert!((0..400_u64).all(|page| cursor.learn(page, Some(page.to_string())).is_ok()));
    }
}
