//! The dashboard and the alerts of the guide use only metrics and labels that `metrics` prints.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::metrics::{Samples, of_every_kind, parsed};

const DASHBOARD: &str = include_str!("../../batch-runtime/docs/grafana.json");
const GUIDE: &str = include_str!("../../batch-runtime/docs/guide/observing.md");

/// The names in an expression of Prometheus.
#[derive(Debug, Default, PartialEq)]
struct Names {
    metrics: BTreeSet<String>,
    /// The labels of selectors, each with its metric, and with its value if that must be equal.
    selected: BTreeSet<(String, String, Option<String>)>,
    /// The labels after `by`.
    grouped: BTreeSet<String>,
}

/// The words of the language itself that our expressions use.
const WORDS: [&str; 9] = ["sum", "max", "by", "rate", "increase", "time", "label_values", "or", "unless"];

/// Cuts an expression into words, quoted texts, and single other characters.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = expression.chars().peekable();
    while let Some(first) = chars.next() {
        let mut token = String::from(first);
        if first == '"' {
            token.extend(chars.by_ref().take_while(|c| *c != '"'));
        } else if first.is_ascii_alphanumeric() || "_$".contains(first) {
            while let Some(next) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                token.push(next);
            }
        } else if first.is_whitespace() {
            continue;
        }
        tokens.push(token);
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn names(expression: &str) -> Names {
    let tokens = tokens(expression);
    let mut names = Names::default();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let until = |end: &str| at + tokens[at..].iter().position(|it| it == end).expect("it is closed");
        match token.as_str() {
            // A range, such as `[1h]`.
            "[" => at = until("]"),
            "by" => {
                let end = until(")");
                names.grouped.extend(tokens[at..end].iter().filter(|it| is_name(it) && *it != "by").cloned());
                at = end;
            }
            name if is_name(name) && !WORDS.contains(&name) => {
                names.metrics.insert(name.to_owned());
                if tokens.get(at + 1).is_some_and(|next| next == "{") {
                    let end = until("}");
                    for (here, label) in tokens.iter().enumerate().take(end).skip(at + 2) {
                        // `label="value"` is equal, `label=~"value"` is not.
                        let value = tokens[here + 2].strip_prefix('"').filter(|_| tokens[here + 1] == "=");
                        if is_name(label) {
                            let value = value.map(str::to_owned);
                            names.selected.insert((name.to_owned(), label.clone(), value));
                        }
                    }
                    at = end;
                }
            }
            _ => {}
        }
        at += 1;
    }
    names
}

#[test]
fn names_are_found_in_an_expression() {
    let found =
        names(r#"time() - max by (job) (a_b{x="1",y=~"$z"}) / 0.01 * increase(c_total[1h]) > 26 * 3600"#);
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found.metrics, texts(&["a_b", "c_total"]));
    assert_eq!(found.grouped, texts(&["job"]));
    let of =
        |label: &str, value: Option<&str>| ("a_b".to_owned(), label.to_owned(), value.map(str::to_owned));
    assert_eq!(found.selected, BTreeSet::from([of("x", Some("1")), of("y", None)]));
}

/// The values of each label of each metric.
fn printed(samples: &Samples) -> BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> {
    let mut printed: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (name, labels) in samples.keys() {
        let of_metric = printed.entry(name).or_default();
        for (label, value) in labels {
            of_metric.entry(label).or_default().insert(value);
        }
    }
    printed
}

/// Asserts that an expression names only what is printed.
#[track_caller]
fn is_printed(expression: &str, samples: &Samples) {
    let (printed, named) = (printed(samples), names(expression));
    assert!(!named.metrics.is_empty(), "{expression}");
    for metric in &named.metrics {
        assert!(printed.contains_key(metric.as_str()), "{expression}: no metric {metric}");
    }
    for (metric, label, value) in &named.selected {
        let values = printed[metric.as_str()].get(label.as_str());
        let values = values.unwrap_or_else(|| panic!("{expression}: {metric} has no label {label}"));
        let is_there = value.as_ref().is_none_or(|value| values.contains(value.as_str()));
        assert!(is_there, "{expression}: no {metric} has {label}={value:?}");
    }
    for label in &named.grouped {
        for metric in &named.metrics {
            let has_it = printed[metric.as_str()].contains_key(label.as_str());
            assert!(has_it, "{expression}: {metric} has no label {label}");
        }
    }
}

/// The texts of this key, at any depth.
fn texts_of<'d>(document: &'d Value, key: &str, found: &mut Vec<&'d str>) {
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    value => texts_of(value, key, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, key, found)),
        _ => {}
    }
}

#[test]
fn every_metric_and_label_of_the_dashboard_is_printed() {
    let samples = parsed(&of_every_kind());
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = Vec::new();
    for key in ["expr", "definition"] {
        texts_of(&dashboard, key, &mut expressions);
    }
    assert!(expressions.len() > 15, "{expressions:?}");
    let variable = "label_values(spring_batch_job_seconds_count, spring_batch_job_name)";
    for expression in expressions {
        if expression == variable {
            assert!(
                printed(&samples)["spring_batch_job_seconds_count"].contains_key("spring_batch_job_name")
            );
        } else {
            is_printed(expression, &samples);
        }
    }
}

#[test]
fn every_line_of_the_dashboard_is_named_by_a_label_of_its_expression() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
        let expression = target["expr"].as_str().unwrap();
        let shown: BTreeSet<String> = target["legendFormat"]
            .as_str()
            .unwrap()
            .split("{{")
            .skip(1)
            .map(|label| label.split("}}").next().unwrap().to_owned())
            .collect();
        assert_eq!(shown, names(expression).grouped, "{expression}");
    }
}

#[test]
fn no_two_panels_of_the_dashboard_are_the_same_or_overlap() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(place("x") + place("w") <= 24, "{panel}");
        for y in place("y")..place("y") + place("h") {
            for x in place("x")..place("x") + place("w") {
                assert!(cells.insert((x, y)), "{panel}");
            }
        }
    }
}

#[test]
fn every_metric_and_label_of_the_alerts_is_printed() {
    let samples = parsed(&of_every_kind());
    let (_, alerts) = GUIDE.split_once("# Alerts").unwrap();
    let rules: Vec<&str> = alerts.split("- alert:").skip(1).collect();
    assert!(rules.len() >= 4, "{alerts}");
    for rule in rules {
        let (_, expression) = rule.split_once("expr:").unwrap();
        // A folded text begins with `>` and goes on with deeper lines.
        let expression = expression.trim_start().trim_start_matches(">\n");
        let is_of_it = |line: &&str| !line.trim_start().starts_with("for:") && !line.starts_with("```");
        let lines: Vec<&str> = expression.lines().take_while(is_of_it).collect();
        is_printed(&lines.join(" "), &samples);
    }
}
