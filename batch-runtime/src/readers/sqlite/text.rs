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
    /// A text or an operator.
    Other,
}

impl Token<'_> {
    pub(super) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
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

    pub(super) fn names(self, name: &str) -> bool {
        self.name().is_some_and(|own| own.eq_ignore_ascii_case(name))
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
                tokens.push(Token::Other);
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
                    _ => tokens.push(Token::Other),
                }
            }
        }
    }
    tokens
}

/// Returns for each token whether it is a part of a `SELECT` that the rows of the statement come from: the statement
/// itself, a subquery after `FROM`, or a `WITH` query.
fn are_of_rows<'t>(tokens: &'t [Token<'t>]) -> impl Iterator<Item = bool> {
    let mut enclosing = vec![true];
    tokens.iter().enumerate().map(move |(at, token)| {
        match token {
            Token::Open => {
                let before = at.checked_sub(1).map(|before| tokens[before]);
                let gives_rows = before
                    .is_none_or(|before| ["FROM", "AS", "MATERIALIZED"].iter().any(|word| before.is(word)));
                enclosing.push(enclosing.last() == Some(&true) && gives_rows);
            }
            Token::Close => {
                enclosing.pop();
            }
            _ => {}
        }
        enclosing.last() == Some(&true)
    })
}

/// True if a `LIMIT` chooses the rows of the statement: its own, or that of a subquery or a `WITH` query that its rows
/// come from. `LIMIT -1` chooses all.
pub(super) fn limits(sql: &str) -> bool {
    let tokens = tokens(sql);
    are_of_rows(&tokens).enumerate().any(|(at, is_of_rows)| {
        let chosen = &tokens[at + 1..];
        is_of_rows && tokens[at].is("LIMIT") && !chosen.starts_with(&[Token::Other, Token::Word("1")])
    })
}

/// Returns the names after `FROM` and `JOIN`, in lower case, of the tables and views that the rows of the statement come
/// from.
pub(super) fn sources(sql: &str) -> Vec<String> {
    let tokens = tokens(sql);
    let mut sources = Vec::new();
    let mut is_from = false;
    for (at, is_of_rows) in are_of_rows(&tokens).enumerate() {
        let token = tokens[at];
        if token.is("FROM") || token.is("JOIN") {
            is_from = true;
            continue;
        }
        if ["SELECT", "WHERE", "ON", "USING", "GROUP", "ORDER", "WINDOW", "UNION", "EXCEPT", "INTERSECT"]
            .iter()
            .any(|word| token.is(word))
        {
            is_from = false;
        }
        let begins = at.checked_sub(1).map(|before| tokens[before]).is_some_and(|before| {
            before.is("FROM")
                || before.is("JOIN")
                || matches!(before, Token::Comma | Token::Open | Token::Other)
        });
        if is_of_rows && is_from && begins {
            sources.extend(token.name());
        }
    }
    sources
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
            ("WITH n AS (SELECT a FROM t) SELECT a, (SELECT b FROM v) FROM n", &["t", "n"]),
            ("CREATE VIEW w (a) AS SELECT a FROM t WHERE a IN (SELECT b FROM v)", &["t"]),
        ] {
            assert_eq!(sources(sql), expected, "{sql}");
        }
    }
}
