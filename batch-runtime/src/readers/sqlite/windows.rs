//! Finds out whether a window function computes a column of a query.

use super::text::{Token, tokens};

/// True if a window function computes the column `name` of the first statement, which is a query. The column may be
/// made from columns of subqueries, or of the views that are the other statements; those columns are checked too.
pub(super) fn windows<S: AsRef<str>>(statements: &[S], name: &str) -> bool {
    let statements: Vec<Vec<Token<'_>>> = statements.iter().map(|sql| tokens(sql.as_ref())).collect();
    let mut names = vec![name.to_ascii_lowercase()];
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        for tokens in &statements {
            let places = || (0..tokens.len()).filter(|place| tokens[*place].names(&name));
            let is_listed = |place| expression_of_listed(tokens, place);
            let listed: Vec<Listed<'_>> = places().filter_map(is_listed).collect();
            let has_window = |of: &[Token<'_>]| of.iter().any(|token| token.is("OVER"));
            let is_computed = listed.iter().any(|listed| match listed {
                Listed::By(expression) => has_window(expression),
                Listed::Unknown => has_window(tokens),
            });
            if is_computed
                || (0..tokens.len()).any(|at| tokens[at].is("OVER") && name_after(&tokens[at + 1..], &name))
            {
                return true;
            }
            let from_lists = listed.iter().flat_map(|listed| match listed {
                Listed::By(expression) => *expression,
                Listed::Unknown => &[],
            });
            let from_lists = from_lists.filter_map(|token| token.name());
            let more: Vec<String> = places()
                .flat_map(|place| named_in_expression_before(tokens, place))
                .chain(from_lists)
                .collect();
            for name in more {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        at += 1;
    }
    false
}

/// The expression of a column that is named in the list of a view or of a `WITH` query, as in `n(k) AS (SELECT ..)`.
enum Listed<'t> {
    By(&'t [Token<'t>]),
    Unknown,
}

/// Returns the expression of the column whose name is the token at `at`, if the token is in such a list.
fn expression_of_listed<'t>(tokens: &'t [Token<'t>], at: usize) -> Option<Listed<'t>> {
    let is_parenthesis = |token: &Token<'_>| matches!(token, Token::Open | Token::Close);
    let begin =
        tokens[..at].iter().rposition(is_parenthesis).filter(|begin| tokens[*begin] == Token::Open)?;
    let end = at + tokens[at..].iter().position(is_parenthesis)?;
    if tokens[end] != Token::Close || !tokens.get(end + 1)?.is("AS") {
        return None;
    }
    let place = tokens[begin..at].iter().filter(|token| **token == Token::Comma).count();
    let is_prefix = |token: &Token<'_>| {
        *token == Token::Open || ["NOT", "MATERIALIZED"].iter().any(|word| token.is(word))
    };
    let query = &tokens[end + 2..];
    let query = &query[query.iter().take_while(|token| is_prefix(token)).count()..];
    if !query.first()?.is("SELECT") {
        return ["WITH", "VALUES"].iter().any(|word| query[0].is(word)).then_some(Listed::Unknown);
    }
    // A star stands for any number of columns.
    let is_star = |expression: &&[Token<'_>]| matches!(expression, [Token::Other] | [.., Token::Other]);
    let columns = columns(&query[1..]);
    let expression = columns.get(place).filter(|_| !columns[..=place].iter().any(is_star));
    Some(expression.map_or(Listed::Unknown, |expression| Listed::By(expression)))
}

/// Returns the expressions after `SELECT`.
fn columns<'t>(tokens: &'t [Token<'t>]) -> Vec<&'t [Token<'t>]> {
    let (mut columns, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::Comma if depth == 0 => {
                columns.push(&tokens[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        if depth < 0 || depth == 0 && token.is("FROM") {
            columns.push(&tokens[begin..at]);
            return columns;
        }
    }
    columns.push(&tokens[begin..]);
    columns
}

/// Returns the names in the expression of a column, if the token at `end` ends it.
fn named_in_expression_before<'t>(tokens: &'t [Token<'t>], end: usize) -> impl Iterator<Item = String> {
    let is_end = match tokens.get(end + 1) {
        None | Some(Token::Comma | Token::Close) => true,
        Some(token) => token.is("FROM"),
    };
    let mut depth = 0;
    let expression = tokens[..if is_end { end } else { 0 }].iter().rev().take_while(move |token| {
        match token {
            Token::Close => depth += 1,
            Token::Open => depth -= 1,
            _ => {}
        }
        depth > 0 || !(depth < 0 || **token == Token::Comma || token.is("SELECT") || token.is("DISTINCT"))
    });
    expression.filter_map(|token| token.name())
}

/// True if the expression of a column has this name. `tokens` begins within the expression, after its `OVER`.
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
            "SELECT max(1, v.m + 2) k FROM (SELECT n AS m FROM (SELECT row_number() OVER () AS n FROM t)) AS v",
        ] {
            assert!(windows(&[sql], "k"), "{sql}");
        }
        for sql in [
            "SELECT k, row_number() OVER (ORDER BY k) AS place FROM t",
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
        let star = "CREATE VIEW v(n, k) AS SELECT * FROM (SELECT row_number() OVER (), a FROM t)";
        assert!(windows(&["SELECT n FROM v", star], "n"));
    }
}
