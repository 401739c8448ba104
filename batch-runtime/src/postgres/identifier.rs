//! Names of schemas, tables and columns in statements.

/// Checks the name of a schema.
pub(super) fn checked(name: String) -> Result<String, String> {
    if name.is_empty() {
        Err("`schema=` is empty: name a schema, or leave it out for `public`".to_owned())
    } else if name.len() > 63 || name.chars().any(char::is_control) {
        Err("`schema=` is not a name: a name has at most 63 bytes, and no control characters".to_owned())
    } else {
        Ok(name)
    }
}

/// Quotes a name where it needs quotes.
pub(crate) fn quoted(name: &str) -> String {
    let starts = |first: char| first.is_ascii_lowercase() || first == '_';
    let goes_on = |c: char| starts(c) || c.is_ascii_digit();
    if name.starts_with(starts) && name.chars().all(goes_on) && !RESERVED.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The name of a table, perhaps with its schema, each part quoted where it needs quotes. A name that contains quotes is
/// returned as it is.
pub(crate) fn qualified(name: &str) -> String {
    if name.contains('"') {
        return name.to_owned();
    }
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// The reserved words of all `PostgreSQL` versions up to 18, which need quotes when they are used as names.
const RESERVED: [&str; 100] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_where_it_needs_quotes() {
        for (name, written) in [
            ("batch", "batch"),
            ("_b1", "_b1"),
            ("Batch", "\"Batch\""),
            ("1b", "\"1b\""),
            ("user", "\"user\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(quoted(name), written);
        }
        assert_eq!(qualified("staging.Late"), "staging.\"Late\"");
        assert_eq!(qualified("\"a.b\""), "\"a.b\"");
    }
}
