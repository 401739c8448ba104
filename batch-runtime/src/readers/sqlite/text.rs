//! Splits a query into tokens. Finds the end of its statement, so that SQL can be put around it, its `LIMIT`, and the
//! tables and views that it reads.

/// Returns the only statement of `sql`, without comments and semicolons after it; `None` if there is more
/// than one.
pub(super) fn statement(sql: &str) -> Option<&str> {
    let bytes = sql.as_bytes();
    let (mut at, mut end, mut ended) = (0, 0, false);
    while at < bytes.len() {
        let from = at;
        match bytes[at] {
            b';' => {
                ended = true;
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = skip_past(bytes, at + 2, b"\n");
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = skip_past(bytes, at + 2, b"*/");
                continue;
            }
            // A doubled quote in quoted text closes one quotation and opens another.
            quote @ (b'\'' | b'"' | b'`') => at = skip_past(bytes, at + 1, &[quote]),
            b'[' => at = skip_past(bytes, at + 1, b"]"),
            _ => at += 1,
        }
        if ended && from >= end {
            return None;
        }
        end = at;
    }
    Some(sql[..end].trim_start())
}

/// Returns the offset after the next `close`, or the end.
fn skip_past(bytes: &[u8], from: usize, close: &[u8]) -> usize {
    bytes[from..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |at| from + at + close.len())
}

/// A part of a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'t> {
    /// A keyword, a name or a number.
    Word(&'t str),
    /// A name in quotes, with them.
    Quoted(&'t str),
    Open,
    Close,
    Comma,
    /// A text in quotes.
    Text,
    /// A character of an operator, a point or a star.
    Symbol(u8),
}

impl Token<'_> {
    pub(super) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_one_of(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// The name that it may be, in lower case.
    pub(super) fn name(self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_ascii_lowercase()),
            Self::Quoted(quoted) => {
                let (quote, inner) = (&quoted[..1], quoted.get(1..quoted.len() - 1).unwrap_or_default());
                Some(inner.replace(&quote.repeat(2), quote).to_ascii_lowercase())
            }
            _ => None,
        }
    }
}

/// Splits a statement into its tokens, without whitespace and comments.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let from = at;
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
        match byte {
            b'-' if bytes.get(at + 1) == Some(&b'-') => at = skip_past(bytes, at + 2, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = skip_past(bytes, at + 2, b"*/"),
            b'\'' => {
                at = skip_past(bytes, at + 1, b"'");
                tokens.push(Token::Text);
            }
            quote @ (b'"' | b'`' | b'[') => {
                let close = if *quote == b'[' { b']' } else { *quote };
                at = skip_past(bytes, at + 1, &[close]);
                while close != b']' && bytes.get(at) == Some(&close) {
                    at = skip_past(bytes, at + 1, &[close]);
                }
                tokens.push(Token::Quoted(&sql[from..at]));
            }
            first if is_of_word(first) => {
                at += bytes[at..].iter().take_while(|byte| is_of_word(byte)).count();
                tokens.push(Token::Word(&sql[from..at]));
            }
            other => {
                at += 1;
                match other {
                    b'(' => tokens.push(Token::Open),
                    b')' => tokens.push(Token::Close),
                    b',' => tokens.push(Token::Comma),
                    other if other.is_ascii_whitespace() => {}
                    other => tokens.push(Token::Symbol(*other)),
                }
            }
        }
    }
    tokens
}

/// Where a token is in a statement.
#[derive(Clone, Copy)]
struct Place {
    /// True in a `SELECT` that the rows of the statement come from: the statement itself, a subquery after `FROM`, or a
    /// `WITH` query.
    is_of_rows: bool,
    clause: Clause,
}

#[derive(Clone, Copy, PartialEq)]
enum Clause {
    From,
    /// The condition of a join.
    On,
    Other,
}

/// Returns the place of each token.
fn places<'t>(tokens: &'t [Token<'t>]) -> impl Iterator<Item = Place> {
    let mut enclosing = vec![Place { is_of_rows: true, clause: Clause::Other }];
    tokens.iter().enumerate().map(move |(at, token)| {
        let outer = *enclosing.last().expect("the last one is not removed");
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let clause = match token {
            Token::Open => {
                let is_source = outer.clause == Clause::From
                    && before.is_some_and(|before| {
                        before.is_one_of(&["FROM", "JOIN"]) || matches!(before, Token::Comma | Token::Open)
                    });
                let is_query = before.is_none_or(|before| before.is_one_of(&["AS", "MATERIALIZED"]));
                let clause = if is_source { Clause::From } else { Clause::Other };
                enclosing.push(Place { is_of_rows: outer.is_of_rows && (is_source || is_query), clause });
                return enclosing[enclosing.len() - 1];
            }
            Token::Close => {
                if enclosing.len() > 1 {
                    enclosing.pop();
                }
                return enclosing[enclosing.len() - 1];
            }
            Token::Comma if outer.clause == Clause::On => Clause::From,
            token if token.is_one_of(&["FROM", "JOIN"]) => Clause::From,
            token if token.is_one_of(&["ON", "USING"]) && outer.clause == Clause::From => Clause::On,
            token if token.is("SELECT") || token.is_one_of(AFTER_FROM) => Clause::Other,
            _ => outer.clause,
        };
        let place = Place { clause, ..outer };
        if let Some(last) = enclosing.last_mut() {
            *last = place;
        }
        place
    })
}

/// The words that end the clause `FROM`.
pub(super) const AFTER_FROM: &[&str] =
    &["WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT"];

/// True if a `LIMIT` or an `OFFSET` chooses the rows of the statement: its own, or that of a subquery or a `WITH` query
/// that its rows come from. `LIMIT -1` chooses all.
pub(super) fn limits(sql: &str) -> bool {
    let tokens = tokens(sql);
    places(&tokens).enumerate().any(|(at, place)| {
        let is_all = match &tokens[at + 1..] {
            [Token::Symbol(b'-'), Token::Word("1"), rest @ ..] => {
                rest.first().is_none_or(|next| *next != Token::Comma && !next.is("OFFSET"))
            }
            _ => false,
        };
        place.is_of_rows && tokens[at].is("LIMIT") && !is_all
    })
}

/// Returns the names after `FROM` and `JOIN`, in lower case, of the tables and views that the rows of the statement come
/// from.
pub(super) fn sources(sql: &str) -> Vec<String> {
    let tokens = tokens(sql);
    let is_source = |(at, place): &(usize, Place)| {
        let begins = at.checked_sub(1).map(|before| tokens[before]).is_some_and(|before| {
            before.is_one_of(&["FROM", "JOIN"])
                || matches!(before, Token::Comma | Token::Open | Token::Symbol(b'.'))
        });
        place.is_of_rows
            && place.clause == Clause::From
            && begins
            && !tokens[*at].is_one_of(&["FROM", "JOIN"])
    };
    places(&tokens).enumerate().filter(is_source).filter_map(|(at, _)| tokens[at].name()).collect()
}

#[cfg(test)]
mod tests {
    use super::{limits, sources, statement};

    #[test]
    fn comments_and_semicolons_after_the_statement_are_removed() {
        for rest in [
            "",
            ";",
            " ; -- x",
            "; -- x\n",
            " -- x",
            "/* x ; */ ;",
            ";;",
            "; /* not closed",
            "\n;\n-- a\n-- b",
        ] {
            assert_eq!(statement(&format!(" SELECT 1{rest}")), Some("SELECT 1"), "{rest}");
        }
    }

    #[test]
    fn comments_and_semicolons_within_the_statement_are_kept() {
        for sql in [
            "SELECT ';--' AS \"a;b\", [c;d], `e;f`",
            "SELECT 'it''s;' -- x;\n, 2",
            "SELECT 1 /* ; */ + 2",
            "SELECT 1 - -2",
        ] {
            assert_eq!(statement(sql), Some(sql));
        }
    }

    #[test]
    fn a_second_statement_is_detected() {
        assert_eq!(statement("SELECT 1; SELECT 2"), None);
        assert_eq!(statement("SELECT 1; /* x */ 'a'"), None);
        assert_eq!(statement("SELECT 'not closed ; SELECT 2"), Some("SELECT 'not closed ; SELECT 2"));
    }

    #[test]
    fn a_limit_that_chooses_the_rows_is_found() {
        for sql in [
            "SELECT id FROM t LIMIT 5",
            "SELECT id FROM t ORDER BY random() limit :most",
            "SELECT id FROM (SELECT id FROM t LIMIT 5) WHERE id > 1",
            "WITH few AS (SELECT id FROM t LIMIT 5) SELECT id FROM few",
            "WITH few AS NOT MATERIALIZED (SELECT id FROM t LIMIT 5) SELECT id FROM few",
            "SELECT a.id FROM a JOIN (SELECT id FROM t LIMIT 5) b ON a.id = b.id",
            "SELECT a.id FROM a JOIN c ON a.id = c.id, (SELECT id FROM t LIMIT 5) b",
            "SELECT id FROM ((SELECT id FROM t LIMIT 5))",
            "SELECT id FROM t LIMIT -1 OFFSET 5",
            "SELECT id FROM t LIMIT +1",
        ] {
            assert!(limits(sql), "{sql}");
        }
        for sql in [
            "SELECT id FROM t LIMIT -1",
            "SELECT id, (SELECT name FROM u ORDER BY day LIMIT 1) AS name FROM t",
            "SELECT id FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 8)",
            "SELECT id, \"limit\", 'LIMIT 5', limits FROM t -- LIMIT 5",
        ] {
            assert!(!limits(sql), "{sql}");
        }
    }

    #[test]
    fn the_tables_and_views_that_rows_come_from_are_found() {
        for (sql, expected) in [
            ("SELECT a, b FROM T", &["t"][..]),
            (
                "SELECT a FROM main.t AS x, [u v] JOIN \"w\" ON x.a = w.b WHERE x.c = 1",
                &["main", "t", "u v", "w"],
            ),
            ("SELECT * FROM (SELECT a FROM t) LEFT JOIN u USING (a)", &["t", "u"]),
            (
                "SELECT x.a FROM (SELECT a FROM t WHERE a > 1) x, u JOIN v ON u.a = v.a, w WHERE x.a = y",
                &["t", "u", "v", "w"],
            ),
            ("SELECT a FROM (t JOIN u)", &["t", "u"]),
            ("WITH n AS (SELECT a FROM t) SELECT a, (SELECT b FROM v) FROM n", &["t", "n"]),
            ("CREATE VIEW w (a) AS SELECT a FROM t WHERE a IN (SELECT b FROM v)", &["t"]),
        ] {
            assert_eq!(sources(sql), expected, "{sql}");
        }
    }
}
