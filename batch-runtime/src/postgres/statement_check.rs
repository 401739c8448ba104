//! Looks at the first words of statements, to refuse those that a component must not execute.

/// The reason why a component must not execute a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It would begin or end the transaction.
    Transaction(&'static str),
    /// The rows of a `COPY` need [`Transaction::copy`](super::Transaction::copy).
    Copy,
}

/// Returns why a component must not execute these statements, judging by the first words of each. This finds most
/// mistakes, but not all. If a statement ends the transaction nevertheless, the server's answer shows it.
pub(super) fn refused(statements: &str) -> Option<Refused> {
    let mut rest = statements;
    loop {
        rest = without_space(rest);
        if rest.is_empty() {
            return None;
        }
        let (statement, after) = first_statement(rest);
        if let Some(refused) = refused_alone(statement) {
            return Some(refused);
        }
        // The body of a function may hold statements that end with `END`.
        if word(statement).eq_ignore_ascii_case("create") && has_word(statement, "atomic") {
            return None;
        }
        rest = after;
    }
}

/// Returns the only statement of a text, without the whitespace, comments and semicolons around it; `None` if there is
/// more than one.
pub(crate) fn alone(text: &str) -> Option<&str> {
    let (statement, after) = first_statement(without_space(text));
    without_space(after).is_empty().then(|| statement.trim_end())
}

fn refused_alone(statement: &str) -> Option<Refused> {
    let mut words = Words(statement);
    let first = words.next()?;
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    let said = ["COMMIT", "END", "ABORT", "BEGIN", "START", "ROLLBACK", "PREPARE", "COPY"];
    match said.into_iter().find(|word| is(word))? {
        "COPY" => has_word(statement, "stdin").then_some(Refused::Copy),
        "PREPARE" => words
            .next()
            .is_some_and(|second| second.eq_ignore_ascii_case("transaction"))
            .then_some(Refused::Transaction("PREPARE TRANSACTION")),
        // `ROLLBACK TO` rolls back to a savepoint. Components may use savepoints.
        "ROLLBACK" => {
            let to = words
                .find(|word| !["work", "transaction"].iter().any(|filler| word.eq_ignore_ascii_case(filler)));
            let is_to = to.is_some_and(|word| word.eq_ignore_ascii_case("to"));
            (!is_to).then_some(Refused::Transaction("ROLLBACK"))
        }
        other => Some(Refused::Transaction(other)),
    }
}

/// The words and other characters of a text, without the whitespace, comments and semicolons between them.
struct Words<'t>(&'t str);

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = without_space(self.0);
        let word = word(text);
        if !word.is_empty() {
            self.0 = &text[word.len()..];
            return Some(word);
        }
        let other = text.chars().next()?.len_utf8();
        self.0 = &text[other..];
        Some(&text[..other])
    }
}

fn has_word(statement: &str, wanted: &str) -> bool {
    Words(statement).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// The word at the beginning of a text; empty if there is none.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Skips whitespace, comments and semicolons.
fn without_space(mut text: &str) -> &str {
    loop {
        let rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        let rest = match rest.get(..2) {
            Some("--") => rest.find('\n').map_or("", |end| &rest[end..]),
            Some("/*") => &rest[comment(rest)..],
            _ => rest,
        };
        if rest.len() == text.len() {
            return rest;
        }
        text = rest;
    }
}

/// The length of a comment, which may contain nested comments.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Splits at the first semicolon that is not inside a quoted string or a comment.
fn first_statement(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at += match bytes[at] {
            b';' => return (&text[..at], &text[at + 1..]),
            b'\'' => {
                let before = &bytes[..at];
                let escapes = matches!(before, [.., b'e' | b'E']) && !is_word_before(&before[..at - 1]);
                quoted(&bytes[at..], b'\'', escapes)
            }
            b'"' => quoted(&bytes[at..], b'"', false),
            b'-' if bytes[at..].starts_with(b"--") => text[at..].find('\n').unwrap_or(text.len() - at),
            b'/' if bytes[at..].starts_with(b"/*") => comment(&text[at..]),
            b'$' if !is_word_before(&bytes[..at]) => dollar_quoted(&text[at..]),
            _ => 1,
        };
    }
    (text, "")
}

fn is_word_before(bytes: &[u8]) -> bool {
    bytes.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0x80..))
}

fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 1,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The length of a dollar-quoted string such as `$tag$ … $tag$`; 1 if the `$` does not begin such a string.
fn dollar_quoted(text: &str) -> usize {
    let name = word(&text[1..]);
    let is_tag = text[1 + name.len()..].starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return 1;
    }
    let tag = &text[..name.len() + 2];
    text[tag.len()..].find(tag).map_or(text.len(), |end| tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_begin_or_end_a_transaction_are_refused() {
        for (statement, word) in [
            ("COMMIT", "COMMIT"),
            (" /* a /* b */ */ -- c\n commit;", "COMMIT"),
            ("INSERT INTO t VALUES ('a;b', \"c\"\";\"); END", "END"),
            ("SELECT $$ ; $$, $x$ $$ ; $x$, $1; abort", "ABORT"),
            ("SELECT E'\\';'; ROLLBACK WORK", "ROLLBACK"),
            ("ROLLBACK", "ROLLBACK"),
            ("rollback and chain", "ROLLBACK"),
            ("BEGIN; SELECT 1", "BEGIN"),
            ("START TRANSACTION", "START"),
            ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ] {
            assert_eq!(refused(statement), Some(Refused::Transaction(word)), "{statement}");
        }
        assert_eq!(refused("COPY t (a) FROM STDIN"), Some(Refused::Copy));
    }

    #[test]
    fn other_statements_are_not() {
        for statement in [
            "",
            ";;",
            "SELECT 'COMMIT'; -- COMMIT",
            "ROLLBACK TO a",
            "ROLLBACK WORK TO SAVEPOINT a; RELEASE a",
            "PREPARE x AS SELECT 1",
            "DO $$ BEGIN; COMMIT; END $$",
            "DO $a$ BEGIN PERFORM $$COMMIT;$$; END $a$; SELECT 1",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT 2",
            "COPY t TO '/tmp/x'",
            "SELECT a$b, 'it''s; COMMIT' FROM end_of_day",
            "SELECT type'\\'; SELECT 1",
            "UPDATE t SET ende = 1; /* COMMIT",
            "ü; €",
        ] {
            assert_eq!(refused(statement), None, "{statement}");
        }
    }
}
