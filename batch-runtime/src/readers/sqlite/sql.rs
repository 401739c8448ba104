//! Builds the SQL around the user's query: its pages, and the checks that a page is complete.

use rusqlite::Connection;

/// The parameter for a column of the last key.
pub(super) fn key_parameter(column: usize) -> String {
    format!(":batch_key_{column}")
}

/// The parameter for a column of the key that ends a part.
pub(super) fn last_parameter(column: usize) -> String {
    format!(":batch_last_{column}")
}

/// The parameter for the number of rows of a page.
pub(super) const LIMIT: &str = ":batch_limit";

/// The SQL around the user's query.
///
/// `ORDER BY k` compares values as they are stored. `k > ?` applies the affinity of `k` to the parameter, and
/// in a compound `SELECT` that of each arm; `+k > ?` applies none and keeps the collation, but uses no index.
/// So `+k` is the exact condition, and `k` the fast one.
///
/// If `SQLite` has to sort the rows, they are sorted by `+k` too: it may merge the arms of a compound
/// `SELECT` by a collation other than the one that compares the results. An index has the collation of its
/// column.
pub(super) struct Sql {
    /// The first page, or the first page of a part without a start key.
    pub(super) first: String,
    /// The rows after a key, by the fast condition, which can use an index.
    pub(super) later: String,
    /// The same for a key with a text: excludes surplus rows in case values are converted.
    pub(super) later_filtered: String,
    /// The rows after a key, by the exact condition alone.
    pub(super) exact: String,
    /// For each column of the key: its greatest value among the rows whose columns before it equal those of a
    /// key.
    pub(super) greatest: Vec<String>,
    /// For each column of the key: whether a text in it is compared as a number.
    pub(super) converted: Vec<String>,
    /// The number of rows with a given key.
    pub(super) same: String,
    /// The keys of all rows.
    pub(super) keys: String,
    pub(super) count: String,
    pub(super) count_later: String,
    /// The user's query.
    query: String,
    key: Vec<String>,
    pub(super) plan: Plan,
}

/// Quotes a name for SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Sql {
    /// Builds the SQL for the whole query.
    pub(super) fn new(query: &str, key: &[String], connection: &Connection) -> rusqlite::Result<Self> {
        let unplanned = Self::of(query, key, Plan::default(), false);
        let plan = Plan::of(&unplanned.later, connection)?;
        Ok(Self::of(query, key, plan, false))
    }

    /// Builds the SQL for a part, which ends with a key or is the last.
    pub(super) fn of_part(&self, ends: bool) -> Self {
        Self::of(&self.query, &self.key, self.plan, ends)
    }

    fn of(query: &str, key: &[String], plan: Plan, ends: bool) -> Self {
        let whole = format!("FROM (\n{query}\n)");
        let columns: Vec<_> = key.iter().map(|name| quoted(name)).collect();
        let unconverted: Vec<_> = columns.iter().map(|column| format!("+{column}")).collect();
        let parameters: Vec<_> = (0..key.len()).map(key_parameter).collect();
        let last = (0..key.len()).map(last_parameter).collect::<Vec<_>>().join(", ");
        let (fast, exact) = (columns.join(", "), unconverted.join(", "));
        let values = parameters.join(", ");
        let order = if plan.sorts { &exact } else { &fast };
        let limited = format!("ORDER BY {order} LIMIT {LIMIT}");
        // Whether a row belongs to the part is an extra column after the query's own. As an exact condition
        // it could not use the index, and would read on to the end of the whole result.
        let select = if ends { format!("SELECT *, ({exact}) <= ({last})") } else { "SELECT *".to_owned() };
        let later = format!("{whole} WHERE ({fast}) > ({values})");
        // `LIMIT` keeps SQLite from pushing the condition down to values that are not yet the query's
        // results.
        let out = format!("FROM (SELECT * {whole} LIMIT -1)");
        let greatest = |column: usize| {
            let (fast_before, exact_before) =
                (columns[..column].join(", "), unconverted[..column].join(", "));
            let values = parameters[..column].join(", ");
            let rows = match (column, plan.nests) {
                (0, _) => whole.clone(),
                (_, true) => format!("{out} WHERE ({exact_before}) = ({values})"),
                (_, false) => {
                    format!("{whole} WHERE ({fast_before}) = ({values}) AND ({exact_before}) = ({values})")
                }
            };
            let by = if plan.sorts { &unconverted[column] } else { &columns[column] };
            format!("SELECT {} {rows} ORDER BY {by} DESC LIMIT 1", columns[column])
        };
        let converted = |column: usize| {
            // A text that is less than the empty string was compared as a number.
            format!(
                "SELECT EXISTS (SELECT 1 {whole} WHERE {} < :batch_empty AND {} >= :batch_empty)",
                columns[column], unconverted[column]
            )
        };
        let up_to = |whole: &str, word: &str| {
            if ends { format!("{whole} {word} ({fast}) <= ({last})") } else { whole.to_owned() }
        };
        Self {
            first: format!("{select} {whole} {limited}"),
            later_filtered: format!("{select} {later} AND ({exact}) > ({values}) {limited}"),
            exact: format!("{select} {out} WHERE ({exact}) > ({values}) {limited}"),
            greatest: (0..key.len()).map(greatest).collect(),
            converted: (0..key.len()).map(converted).collect(),
            same: if plan.nests {
                format!("SELECT count(*) {out} WHERE ({exact}) = ({values})")
            } else {
                format!("SELECT count(*) {whole} WHERE ({fast}) = ({values}) AND ({exact}) = ({values})")
            },
            keys: format!("SELECT * {whole} ORDER BY {order}"),
            count: format!("SELECT count(*) {}", up_to(&whole, "WHERE")),
            count_later: format!("SELECT count(*) {}", up_to(&later, "AND")),
            later: format!("{select} {later} {limited}"),
            query: query.to_owned(),
            key: key.to_vec(),
            plan,
        }
    }

    /// Counts the distinct keys in the rows of a page, as `SQLite` compares them.
    pub(super) fn keys_of(&self, page: &str) -> String {
        let columns = self.key.iter().map(|name| format!("+{}", quoted(name))).collect::<Vec<_>>().join(", ");
        format!("SELECT count(*) FROM (SELECT DISTINCT {columns} FROM ({page}))")
    }
}

/// Returns whether the rows of the query or their keys may be different each time it is run, because it calls a
/// function that is not known to return the same again.
pub(super) fn may_change(query: &str, key: &[String], connection: &Connection) -> rusqlite::Result<bool> {
    let columns = key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut program = connection.prepare(&format!("EXPLAIN SELECT {columns} FROM (\n{query}\n)"))?;
    let mut steps = program.raw_query();
    while let Some(step) = steps.next()? {
        let (opcode, called): (String, Option<String>) = (step.get(1)?, step.get(5)?);
        let Some((name, _)) = called.as_deref().and_then(|called| called.split_once('(')) else { continue };
        // The current time stays the same while a statement runs, and a row is not the later for it.
        if opcode != "Function" || name.starts_with("current_") {
            continue;
        }
        let mut functions = connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM pragma_function_list WHERE name = ?1 COLLATE NOCASE AND flags & 0x800 = 0)",
        )?;
        if functions.query_row([name], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The relevant parts of the query plan for a page.
#[expect(clippy::struct_excessive_bools, reason = "the query plan determines each separately")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    /// True if the plan sorts rows: all of them, or those of an arm of a compound `SELECT`.
    sorts: bool,
    /// True if it materializes a full join, or a subquery before it evaluates the condition around the subquery.
    nests: bool,
    /// True if it evaluates the condition in each arm of a compound `SELECT`, and again on the result.
    pub(super) judges_twice: bool,
    /// True if it materializes a full join, whose values may have other types than its columns.
    pub(super) joins_fully: bool,
}

impl Plan {
    fn of(page: &str, connection: &Connection) -> rusqlite::Result<Self> {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {page}"))?;
        let mut steps = explain.raw_query();
        let (mut plan, mut sorts_arms, mut compounds, mut distinct) = (Self::default(), false, false, false);
        while let Some(step) = steps.next()? {
            let (parent, what): (i64, String) = (step.get(1)?, step.get(3)?);
            let is_sort = what == "USE TEMP B-TREE FOR ORDER BY";
            plan.sorts |= is_sort && parent == 0;
            sorts_arms |= is_sort;
            plan.joins_fully |= what.starts_with("RIGHT-JOIN");
            plan.nests |= what.starts_with("CO-ROUTINE") || what.starts_with("MATERIALIZE");
            compounds |= what.starts_with("MERGE") || what.starts_with("COMPOUND");
            distinct |= what.starts_with("MERGE") && what != "MERGE (UNION ALL)";
        }
        // Arms merged by their indexes share one collation, unless they are merged as a subquery.
        plan.judges_twice = compounds && (plan.nests || distinct);
        plan.sorts |= compounds && sorts_arms || plan.judges_twice;
        plan.nests |= plan.joins_fully || plan.judges_twice;
        Ok(plan)
    }
}
