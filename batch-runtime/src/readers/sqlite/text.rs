//! Finds where the statement of a query ends, so that SQL can be put around it.

/// The only statement of `sql`, without comments and semicolons behind it; `None` where there is more than one.
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
                at = behind(bytes, at + 2, b"\n");
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = behind(bytes, at + 2, b"*/");
                continue;
            }
            // A doubled quote in a quoted text closes one and opens another.
            quote @ (b'\'' | b'"' | b'`') => at = behind(bytes, at + 1, &[quote]),
            b'[' => at = behind(bytes, at + 1, b"]"),
            _ => at += 1,
        }
        if ended && from >= end {
            return None;
        }
        end = at;
    }
    Some(sql[..end].trim_start())
}

/// The offset behind the next `close`, or the end.
fn behind(bytes: &[u8], from: usize, close: &[u8]) -> usize {
    bytes[from..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |at| from + at + close.len())
}

#[cfg(test)]
mod tests {
    use super::statement;

    #[test]
    fn what_is_behind_the_statement_is_left_out() {
        for behind in [
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
            assert_eq!(statement(&format!(" SELECT 1{behind}")), Some("SELECT 1"), "{behind}");
        }
    }

    #[test]
    fn what_is_within_it_is_kept() {
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
    fn a_second_statement_is_seen() {
        assert_eq!(statement("SELECT 1; SELECT 2"), None);
        assert_eq!(statement("SELECT 1; /* x */ 'a'"), None);
        assert_eq!(statement("SELECT 'not closed ; SELECT 2"), Some("SELECT 'not closed ; SELECT 2"));
    }
}
