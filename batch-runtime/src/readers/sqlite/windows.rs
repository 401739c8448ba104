//! Finds out whether a window function computes a column of a query.

use super::text::{AFTER_FROM, Token, tokens};

/// True if a window function computes the column `name` of the first statement, which is a query. The column may be
/// made from columns of subqueries, or of the views that are the other statements; those columns are checked too.
///
/// Columns are told apart by their names alone, so a column may be refused because another one of the same name is
/// computed by a window function.
pub(super) fn windows<S: AsRef<str>>(statements: &[S], name: &str) -> bool {
    let statements: Vec<Vec<Token<'_>>> = statements.iter().map(|sql| tokens(sql.as_ref())).collect();
    let columns: Vec<Column<'_>> = statements.iter().flat_map(|tokens| columns(tokens)).collect();
    let mut names = vec![name.to_ascii_lowercase()];
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        for column in columns.iter().filter(|column| column.name.as_ref() == Some(&name)) {
            if is_computed(column.expression) {
                return true;
            }
            for made_from in names_in(column.expression) {
                if !names.contains(&made_from) {
                    names.push(made_from);
                }
            }
        }
        at += 1;
    }
    false
}

/// A column of a `SELECT`.
struct Column<'t> {
    name: Option<String>,
    expression: &'t [Token<'t>],
}

/// Returns the columns of every `SELECT` of a statement.
fn columns<'t>(tokens: &'t [Token<'t>]) -> Vec<Column<'t>> {
    let mut columns = Vec::new();
    // The names of the first `SELECT` in each parenthesis: those after a `UNION` have the same names.
    let mut enclosing = vec![None];
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => enclosing.push(None),
            Token::Close if enclosing.len() > 1 => drop(enclosing.pop()),
            token if token.is("SELECT") => {
                let expressions = expressions(&tokens[at + 1..]);
                // A star stands for any number of columns.
                let has_star = expressions.iter().any(|column| column.last() == Some(&Token::Symbol(b'*')));
                let first = enclosing.last_mut().expect("the last one is not removed");
                let is_later = at > 0 && tokens[at - 1].is_one_of(&["UNION", "ALL", "EXCEPT", "INTERSECT"]);
                let own = || expressions.iter().map(|column| name_of(column)).collect();
                let names: Vec<Option<String>> = match (first.as_ref(), listed_names(&tokens[..at])) {
                    (Some(names), _) if is_later && !has_star => Vec::clone(names),
                    (_, Some(listed)) if !is_later && has_star => {
                        let rest = &tokens[at..];
                        columns.extend(listed.into_iter().map(|name| Column { name, expression: rest }));
                        own()
                    }
                    (_, Some(listed)) if !is_later => listed,
                    _ => own(),
                };
                columns.extend(
                    names
                        .iter()
                        .zip(&expressions)
                        .map(|(name, expression)| Column { name: name.clone(), expression }),
                );
                if !is_later {
                    *first = Some(names);
                }
            }
            _ => {}
        }
    }
    columns
}

/// Returns the names in the list of a view or of a `WITH` query, as in `n(k) AS (SELECT ..)`, if the tokens before the
/// `SELECT` end with one.
fn listed_names(before: &[Token<'_>]) -> Option<Vec<Option<String>>> {
    let is_between = |token: &&Token<'_>| **token == Token::Open || token.is_one_of(&["NOT", "MATERIALIZED"]);
    let before = &before[..before.len() - before.iter().rev().take_while(is_between).count()];
    let [before @ .., word] = before else { return None };
    let [before @ .., Token::Close] = before else { return None };
    if !word.is("AS") {
        return None;
    }
    let begin = before.iter().rposition(|token| matches!(token, Token::Open | Token::Close))?;
    (before[begin] == Token::Open)
        .then(|| before[begin + 1..].iter().filter_map(|token| token.name()).map(Some).collect())
}

/// Returns the expressions after `SELECT`.
fn expressions<'t>(tokens: &'t [Token<'t>]) -> Vec<&'t [Token<'t>]> {
    let skipped = usize::from(tokens.first().is_some_and(|first| first.is_one_of(&["DISTINCT", "ALL"])));
    let (mut expressions, mut begin, mut depth) = (Vec::new(), skipped, 0);
    let mut end = tokens.len();
    for (at, token) in tokens.iter().enumerate().skip(skipped) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::Comma if depth == 0 => {
                expressions.push(&tokens[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        let is_from = token.is("FROM") && (at == 0 || !tokens[at - 1].is("DISTINCT"));
        if depth < 0 || depth == 0 && (is_from || token.is_one_of(AFTER_FROM)) {
            end = at;
            break;
        }
    }
    expressions.push(&tokens[begin..end]);
    expressions
}

/// Returns the name of a column: the one that it is given, or that of the column that it repeats.
fn name_of(column: &[Token<'_>]) -> Option<String> {
    match column {
        [.., Token::Symbol(symbol), _] if *symbol != b'.' => None,
        [.., last] => last.name(),
        [] => None,
    }
}

/// True if a window function is a part of the expression.
fn is_computed(expression: &[Token<'_>]) -> bool {
    expression.windows(3).any(|tokens| {
        tokens[0] == Token::Close
            && tokens[1].is("OVER")
            && matches!(tokens[2], Token::Open | Token::Word(_) | Token::Quoted(_))
    })
}

/// Returns the names of the columns in an expression, and perhaps its own name.
fn names_in<'t>(expression: &'t [Token<'t>]) -> impl Iterator<Item = String> {
    expression.iter().enumerate().filter_map(|(at, token)| {
        let is_qualifier = matches!(expression.get(at + 1), Some(Token::Symbol(b'.') | Token::Open));
        token.name().filter(|_| !is_qualifier)
    })
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn a_column_that_a_window_function_computes_is_found() {
        for sql in [
            "SELECT row_number() OVER () AS k FROM t",
            "SELECT id, 1 + rank() over (ORDER BY a, b) \"k\" FROM t",
            "SELECT CAST(row_number() OVER w AS TEXT) AS K, id FROM t WINDOW w AS ()",
            "WITH n AS (SELECT count(*) OVER (ORDER BY id) AS k FROM t) SELECT k FROM n",
            "WITH n(id, k) AS (SELECT id, count(*) OVER (ORDER BY id) FROM t) SELECT k FROM n",
            "SELECT n AS k FROM (SELECT row_number() OVER () AS n FROM t)",
            "SELECT k FROM a UNION ALL SELECT row_number() OVER () FROM b",
            "WITH n(id, k) AS (SELECT id, k FROM a UNION SELECT id, rank() OVER (ORDER BY id) FROM b) SELECT k FROM n",
            "SELECT a IS DISTINCT FROM b, count(*) FILTER (WHERE c) OVER w AS k FROM t WINDOW w AS ()",
            "SELECT max(1, v.m + 2) k FROM (SELECT n AS m FROM (SELECT row_number() OVER () AS n FROM t)) AS v",
        ] {
            assert!(windows(&[sql], "k"), "{sql}");
        }
        for sql in [
            "SELECT k, row_number() OVER (ORDER BY k) AS place FROM t",
            "SELECT k, count(*) AS c FROM (SELECT k, row_number() OVER (PARTITION BY a ORDER BY d) AS rn FROM t)
             WHERE rn <= 3 GROUP BY k",
            "SELECT t.k FROM t JOIN (SELECT ref, row_number() OVER (PARTITION BY ref ORDER BY day DESC) AS rn FROM u) u
             ON u.rn = 1 AND u.ref = t.k",
            "SELECT a.k FROM (SELECT k, rank() OVER (ORDER BY d) AS place FROM t) a",
            "WITH r AS (SELECT k, rank() OVER (ORDER BY d) AS place FROM t) SELECT r.k, r.place FROM r",
            "SELECT x.k, y.n FROM t AS x LEFT JOIN (SELECT ref, count(*) OVER (PARTITION BY ref) AS n FROM u) AS y
             ON y.ref = x.k",
            "SELECT k FROM (SELECT k, row_number() OVER (PARTITION BY grp ORDER BY k) AS n FROM
             (SELECT k, sum(flag) OVER (ORDER BY k) AS grp FROM t)) WHERE n = 1",
            "SELECT t.over AS k FROM t",
            "WITH n(k) AS (VALUES (1), (2)) SELECT k, count(*) OVER () AS total FROM n",
            "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT n.k, count(*) OVER () AS total FROM n",
            "SELECT n.k FROM (SELECT k, row_number() OVER (ORDER BY k) AS n FROM t) AS n",
            "SELECT count(d) AS k FROM (SELECT d, count(*) OVER () AS count FROM t)",
            "SELECT a IS DISTINCT FROM b AS k, row_number() OVER (ORDER BY a) AS n FROM t",
            "SELECT k FROM (SELECT k, row_number() OVER (PARTITION BY a ORDER BY k) AS n FROM t) WHERE n = 1",
            "SELECT a AS k, n FROM (SELECT a, row_number() OVER (ORDER BY a) AS n FROM t)",
            "SELECT id AS k, 'OVER' AS over FROM t",
        ] {
            assert!(!windows(&[sql], "k"), "{sql}");
        }
        let view = "CREATE VIEW v AS SELECT row_number() OVER () AS n FROM t";
        let named = "CREATE VIEW v(n) AS SELECT row_number() OVER () FROM t";
        assert!(windows(&["SELECT n AS k FROM v", view], "k"));
        assert!(windows(&["SELECT n AS k FROM v", named], "k"));
        assert!(!windows(&["SELECT k FROM t JOIN v", view], "k"));
        let two = "CREATE VIEW v(n, k) AS SELECT row_number() OVER (ORDER BY a, b), (a) FROM t";
        assert!(windows(&["SELECT n FROM v", two], "n"));
        assert!(!windows(&["SELECT k FROM v", two], "k"));
        let text = "CREATE VIEW v(kind, k, n) AS SELECT 'x', id, row_number() OVER (ORDER BY id) FROM t";
        assert!(!windows(&["SELECT k FROM v", text], "k"));
        let star = "CREATE VIEW v(n, k) AS SELECT * FROM (SELECT row_number() OVER (), a FROM t)";
        assert!(windows(&["SELECT n FROM v", star], "n"));
    }
}
