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

#[cfg(test)]
mod tests {
    use super::statement;

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
}
