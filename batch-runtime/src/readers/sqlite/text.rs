//! Finds the end of the statement in a query, so that SQL can be put around it.

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
enum Token<'t> {
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
    fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn names(self, name: &str) -> bool {
        match self {
            Self::Word(word) => word.eq_ignore_ascii_case(name),
            Self::Quoted(quoted) => {
                let (quote, inner) = (&quoted[..1], quoted.get(1..quoted.len() - 1).unwrap_or_default());
                inner.replace(&quote.repeat(2), quote).eq_ignore_ascii_case(name)
            }
            _ => false,
        }
    }
}

/// Splits a statement into its tokens, without whitespace and comments.
fn tokens(sql: &str) -> Vec<Token<'_>> {
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

/// True if a `LIMIT` chooses the rows of the statement: its own, or that of a subquery or a `WITH` query that its rows
/// come from. `LIMIT -1` chooses all.
pub(super) fn limits(sql: &str) -> bool {
    let tokens = tokens(sql);
    let mut are_rows = vec![true];
    for (at, token) in tokens.iter().enumerate() {
        let is_of_rows = are_rows.last() == Some(&true);
        match token {
            Token::Open => {
                let before = at.checked_sub(1).map(|before| tokens[before]);
                let gives_rows = before
                    .is_none_or(|before| ["FROM", "AS", "MATERIALIZED"].iter().any(|word| before.is(word)));
                are_rows.push(is_of_rows && gives_rows);
            }
            Token::Close => {
                are_rows.pop();
            }
            token if is_of_rows && token.is("LIMIT") => {
                let chosen = &tokens[at + 1..];
                if !chosen.starts_with(&[Token::Other, Token::Word("1")]) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// True if a window function computes the column `name` of the statement, or of one of its subqueries.
pub(super) fn windows(sql: &str, name: &str) -> bool {
    let tokens = tokens(sql);
    (0..tokens.len()).any(|at| tokens[at].is("OVER") && name_after(&tokens[at + 1..], name))
}

/// True if an expression, given its tokens from some place within it on, has this name as a column.
fn name_after(tokens: &[Token<'_>], name: &str) -> bool {
    let mut depth = 0;
    let mut last = None;
    for token in tokens {
        match token {
            Token::Open => depth += 1,
            // Below zero, the expression is an argument of a function.
            Token::Close => depth -= 1,
            Token::Comma if depth <= 0 => break,
            token if depth <= 0 && token.is("FROM") => break,
            _ => {}
        }
        last = Some(*token);
    }
    last.is_some_and(|last| last.names(name))
}

#[cfg(test)]
mod tests {
    use super::{limits, statement, windows};

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
    fn a_column_that_a_window_function_computes_is_found() {
        for sql in [
            "SELECT row_number() OVER () AS k FROM t",
            "SELECT id, 1 + rank() over (ORDER BY a, b) \"k\" FROM t",
            "SELECT CAST(row_number() OVER w AS TEXT) AS K, id FROM t WINDOW w AS ()",
            "WITH n AS (SELECT count(*) OVER (ORDER BY id) AS k FROM t) SELECT k FROM n",
        ] {
            assert!(windows(sql, "k"), "{sql}");
        }
        for sql in [
            "SELECT k, row_number() OVER (ORDER BY k) AS place FROM t",
            "SELECT k FROM (SELECT k, row_number() OVER (PARTITION BY a ORDER BY k) AS n FROM t) WHERE n = 1",
            "SELECT id AS k, 'OVER' AS over FROM t",
        ] {
            assert!(!windows(sql, "k"), "{sql}");
        }
    }
}
