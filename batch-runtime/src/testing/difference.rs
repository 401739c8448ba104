//! Describes how two results differ: which rows are lost, duplicated or unexpected.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// The most rows of each kind that a message shows.
const SHOWN: usize = 5;

/// The difference between what an undisturbed run leaves and what is left now, in words; `None` if there is none.
pub(super) fn between(expected: &Value, left: &Value) -> Option<String> {
    if expected == left {
        return None;
    }
    let (Some(expected_rows), Some(left_rows)) = (rows(expected), rows(left)) else {
        let whole = format!("an undisturbed run leaves {}, this run left {}", short(expected), short(left));
        return Some(inside(expected, left).unwrap_or(whole));
    };
    let (before, now) = (counted(&expected_rows), counted(&left_rows));
    let count = |all: &BTreeMap<String, usize>, row: &String| all.get(row).copied().unwrap_or(0);
    let lost = before.keys().filter(|row| count(&now, row) < count(&before, row)).collect::<Vec<_>>();
    let (duplicated, new): (Vec<_>, Vec<_>) = now
        .keys()
        .filter(|row| count(&now, row) > count(&before, row))
        .partition(|row| before.contains_key(*row));
    let kinds = [("lost", lost), ("duplicated", duplicated), ("unexpected", new)];
    let said: Vec<_> =
        kinds.iter().filter(|(_, rows)| !rows.is_empty()).map(|(kind, rows)| said(kind, rows)).collect();
    Some(if said.is_empty() {
        "the rows are the same, but in another order".to_owned()
    } else {
        said.join("; ")
    })
}

/// The elements of a list, or the lines of a string of several lines.
fn rows(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(rows) => Some(rows.iter().map(Value::to_string).collect()),
        Value::String(text) if text.contains('\n') || text.is_empty() => {
            Some(text.lines().map(|line| Value::from(line).to_string()).collect())
        }
        _ => None,
    }
}

/// The differences between two objects, field by field; `None` for anything else.
fn inside(expected: &Value, left: &Value) -> Option<String> {
    let (Value::Object(expected), Value::Object(left)) = (expected, left) else { return None };
    let mut text = String::new();
    for name in expected.keys().chain(left.keys().filter(|name| !expected.contains_key(*name))) {
        let part = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
        if let Some(difference) = between(&part(expected), &part(left)) {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{name}: {difference}");
        }
    }
    Some(text)
}

fn counted(rows: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.clone()).or_default() += 1;
    }
    counts
}

/// `2 rows lost: "3", "4"`
fn said(kind: &str, rows: &[&String]) -> String {
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    let shown: Vec<_> = rows.iter().take(SHOWN).map(|row| cut(row)).collect();
    let more = if rows.len() > SHOWN { ", …" } else { "" };
    format!("{} {noun} {kind}: {}{more}", rows.len(), shown.join(", "))
}

fn short(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    crate::observe::words::line(text, 200)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::between;

    #[test]
    fn equal_results_have_no_difference() {
        assert_eq!(between(&json!([1, 2]), &json!([1, 2])), None);
    }

    #[test]
    fn lost_and_duplicated_rows_are_named() {
        let said = between(&json!([1, 2, 3]), &json!([1, 1, 3, 4])).unwrap();
        assert_eq!(said, "1 row lost: 2; 1 row duplicated: 1; 1 row unexpected: 4");
    }

    #[test]
    fn another_order_is_a_difference() {
        assert_eq!(
            between(&json!([1, 2]), &json!([2, 1])).unwrap(),
            "the rows are the same, but in another order"
        );
    }

    #[test]
    fn a_text_is_compared_by_lines_and_an_object_by_parts() {
        assert_eq!(between(&json!("a\nb\n"), &json!("a\na\nb\n")).unwrap(), "1 row duplicated: \"a\"");
        let said = between(&json!({"sum": 6, "rows": [1]}), &json!({"sum": 7, "rows": [1]})).unwrap();
        assert_eq!(said, "sum: an undisturbed run leaves 6, this run left 7");
    }
}
