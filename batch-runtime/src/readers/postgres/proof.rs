//! Proves that a key is unique and never `NULL`, from the plan of the query and the indexes of its table.
//!
//! The key is proven if three things hold:
//!
//! - The plan is a single scan of one table, and nothing in it could repeat a row.
//! - The key consists of columns of that table, and all of them are `NOT NULL`.
//! - All columns of some unique index are among them.
//!
//! Then no page needs to look for equal keys. Otherwise each page compares neighbouring rows, and the reader looks for
//! `NULL` before it begins. See [`checks`](super::checks).

use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresReadError;
use super::key::KeyColumn;
use super::row::raw;
use super::sql::Sql;
use crate::postgres::{DescribedColumn, Parameter, Session};
use crate::readers::rows::{LIMITED, WINDOWED};

/// The known facts about a query.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// True if the key is unique and never `NULL`.
    pub(super) is_proven: bool,
    /// True if the rows are sorted for every page, because no index has them in order.
    pub(super) sorts: bool,
}

/// A node of a plan.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(rename = "Node Type")]
    kind: String,
    #[serde(rename = "Parent Relationship")]
    relationship: Option<String>,
    #[serde(rename = "Relation Name")]
    relation: Option<String>,
    schema: Option<String>,
    alias: Option<String>,
    #[serde(default)]
    output: Vec<String>,
    #[serde(default)]
    plans: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Explained {
    #[serde(rename = "Plan")]
    plan: Node,
}

/// Returns a row if the given columns of a table are all `NOT NULL`, and all columns of a unique index are among them.
/// The index must have the default operator classes and the collations of the columns, because only then does it
/// compare keys as the query does. An index of a deferrable constraint does not count: it lets equal keys in until the
/// transaction ends.
const IS_KEY: &str = "
SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (SELECT array_agg(a.attnum) AS numbers, bool_and(a.attnotnull) AS are_there FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname::text = ANY ($3::text[])) AS k
WHERE n.nspname::text = $1::text AND c.relname::text = $2::text AND k.are_there
    AND EXISTS (SELECT FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL
            AND NOT EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) AS s (n)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[s.n]
                JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[s.n]
                WHERE a.attnum <> ALL (k.numbers) OR a.attcollation <> i.indcollation[s.n] OR NOT o.opcdefault))";

/// Determines the facts about a query and its key.
pub(super) fn facts(
    session: &Session,
    sql: &Sql,
    key: &[KeyColumn],
    columns: &[DescribedColumn],
    parameters: &[Parameter],
    rows: usize,
) -> Result<Facts, PostgresReadError> {
    let plan = plan(&session.read(&sql.plan(rows), parameters)?)?;
    // The node at the top is the limit of the page.
    if input(&plan).is_some_and(limits) {
        return Err(PostgresReadError::query(LIMITED));
    }
    let facts = Facts { is_proven: false, sorts: sorts(&plan) };
    let Some((schema, relation, names)) = table(&plan, key) else {
        check_windows(session, sql, key, columns, parameters)?;
        return Ok(facts);
    };
    let given =
        [given(&schema, &Type::TEXT)?, given(&relation, &Type::TEXT)?, given(&names, &Type::TEXT_ARRAY)?];
    Ok(Facts { is_proven: !session.read(IS_KEY, &given)?.is_empty(), ..facts })
}

/// The schema and the name of the only table of a plan, and the names of its columns that are the key.
fn table<'p>(plan: &'p Node, key: &[KeyColumn]) -> Option<(&'p String, &'p String, Vec<String>)> {
    let scan = single_scan(plan)?;
    let alias = scan.alias.as_deref()?;
    let names =
        key.iter().map(|column| column_of(plan.output.get(column.index)?, alias)).collect::<Option<_>>()?;
    Some((scan.schema.as_ref()?, scan.relation.as_ref()?, names))
}

/// The name of the column, if an expression of a plan is nothing but a column of that table.
fn column_of(expression: &str, alias: &str) -> Option<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let rest = expression.strip_prefix(alias).or_else(|| expression.strip_prefix(&quoted(alias)))?;
    let name = rest.strip_prefix('.')?;
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..));
    if is_plain {
        return Some(name.to_owned());
    }
    let inner = name.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"");
    (quoted(&inner) == name).then_some(inner)
}

fn given(value: &(dyn ToSql + Sync), type_: &Type) -> Result<Parameter, PostgresReadError> {
    Parameter::new(value, type_).map_err(PostgresReadError::query)
}

/// Refuses a key that is made of numbers from a window function: they change as soon as a row is added.
fn check_windows(
    session: &Session,
    sql: &Sql,
    key: &[KeyColumn],
    columns: &[DescribedColumn],
    parameters: &[Parameter],
) -> Result<(), PostgresReadError> {
    for (number, column) in key.iter().enumerate() {
        if columns[column.index].is_of_a_table || !matches!(column.type_, Type::INT4 | Type::INT8) {
            continue;
        }
        // This query selects only the column, so its plan has a window only if a window function computes it.
        let plan = plan(&session.read(&sql.plan_of(number), parameters)?)?;
        if has(&plan, &|node| node.kind == "WindowAgg") {
            return Err(PostgresReadError::Key {
                key: format!("`{}`", column.name).into(),
                problem: WINDOWED.into(),
            });
        }
    }
    Ok(())
}

fn plan(rows: &[Row]) -> Result<Node, PostgresReadError> {
    let json = rows.first().and_then(|row| raw(row, 0)).unwrap_or_default();
    let explained: Result<[Explained; 1], _> = serde_json::from_slice(json);
    let [Explained { plan }] =
        explained.map_err(|error| PostgresReadError::query(format!("its plan cannot be read: {error}")))?;
    Ok(plan)
}

/// The scan of a plan, if all rows come from that single scan and none comes twice.
fn single_scan(node: &Node) -> Option<&Node> {
    match node.kind.as_str() {
        "Seq Scan" | "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan" => Some(node),
        "Limit" | "Sort" | "Incremental Sort" | "Gather" | "Gather Merge" | "Subquery Scan" | "Result" => {
            single_scan(input(node)?)
        }
        _ => None,
    }
}

/// The only input of a node. A node that computes a value within a row is not an input.
fn input(node: &Node) -> Option<&Node> {
    let is_value = |node: &&Node| matches!(node.relationship.as_deref(), Some("InitPlan" | "SubPlan"));
    let mut inputs = node.plans.iter().filter(|node| !is_value(node));
    let input = inputs.next()?;
    inputs.next().is_none().then_some(input)
}

fn sorts(plan: &Node) -> bool {
    match plan.kind.as_str() {
        "Limit" | "Incremental Sort" | "Gather Merge" | "Subquery Scan" | "Result" => {
            input(plan).is_none_or(sorts)
        }
        "Seq Scan" | "Index Scan" | "Index Only Scan" => false,
        // A sort, or anything else that has to finish before its first row.
        _ => true,
    }
}

/// True if a `LIMIT` chooses the rows of the plan. Beside a join it may choose a row for each other one, as in a `LATERAL`
/// subquery.
fn limits(node: &Node) -> bool {
    node.kind == "Limit" || input(node).is_some_and(limits)
}

fn has(node: &Node, is: &dyn Fn(&Node) -> bool) -> bool {
    is(node) || node.plans.iter().any(|node| has(node, is))
}

#[cfg(test)]
mod tests {
    use super::column_of;

    #[test]
    fn only_a_column_alone_has_a_name() {
        assert_eq!(column_of("t.id", "t").unwrap(), "id");
        assert_eq!(column_of("\"T t\".\"a\"\"b.c\"", "T t").unwrap(), "a\"b.c");
        for expression in
            ["(t.id + 1)", "t.id || ''", "u.id", "id", "(t.id)::text", "t.\"a\" || t.\"b\"", "NULL::bigint"]
        {
            assert_eq!(column_of(expression, "t"), None, "{expression}");
        }
    }
}
