use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
struct Stay {
    guest: String,
    arrives: Option<DateTime>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flattened<T> {
    id: u32,
    #[serde(flatten)]
    rest: T,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Tagged {
    Day { on: Date },
    Instant { on: Timestamp },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", content = "value")]
enum Adjacent {
    Days(Vec<Date>),
}

#[derive(Debug, PartialEq, Deserialize)]
enum External {
    At(DateTime),
    Between { from: Time },
}

#[track_caller]
fn refused<T: DeserializeOwned>(text: &str, problem: &str) {
    let error = from_str::<T>(text).map(drop).unwrap_err().to_string();
    assert!(error.contains(problem), "{text}: {error}");
}

#[track_caller]
fn refused_date_time<T: DeserializeOwned>(text: &str) {
    refused::<T>(text, "expected a date and time without an offset");
}

#[test]
fn a_date_or_time_that_would_lose_a_part_is_refused_wherever_it_is() {
    const AT: &str = "2024-01-31T10:00+02:00";
    refused_date_time::<DateTime>(&format!("\"{AT}\""));
    refused_date_time::<Stay>(&format!(r#"{{"guest": "x", "arrives": "{AT}"}}"#));
    refused_date_time::<Vec<Stay>>(&format!(r#"[{{"guest": "x", "arrives": "{AT}"}}]"#));
    refused_date_time::<(u8, Option<DateTime>)>(&format!(r#"[1, "{AT}"]"#));
    refused_date_time::<BTreeMap<String, DateTime>>(&format!(r#"{{"x": "{AT}"}}"#));
    refused_date_time::<BTreeMap<DateTime, u8>>(&format!(r#"{{"{AT}": 1}}"#));
    refused_date_time::<External>(&format!(r#"{{"At": "{AT}"}}"#));
    refused_date_time::<DateTime>(r#""2024-01-31T10:00\u002b02:00""#);
    refused::<External>(r#"{"Between": {"from": "2024-01-31T10:00"}}"#, "expected a time alone");
    refused::<Date>("\"2024-01-31T10:00\"", "expected a date alone");
    refused::<DateTime>("\"2024-01-31\"", "expected a date with its time");
}

#[test]
fn a_date_or_time_in_a_flattened_struct_or_a_tagged_enum_loses_no_part() {
    let guest = |arrives: &str| {
        format!(r#"{{"id": 7, "note": "2024-01-31", "guest": "2024-02-01", "arrives": {arrives}}}"#)
    };
    refused_date_time::<Flattened<Stay>>(&guest("\"2024-01-31T10:00+02:00\""));
    refused::<Flattened<Stay>>(&guest("\"2024-01-31\""), "expected a date with its time");
    refused::<Tagged>(r#"{"type": "day", "on": "2024-01-31T10:00"}"#, "expected a date alone");
    refused::<Tagged>(r#"{"on": "2024-01-31T10:00", "type": "day"}"#, "expected a date alone");
    refused::<Adjacent>(r#"{"value": ["2024-01-31T10:00"], "type": "Days"}"#, "expected a date alone");
    refused_date_time::<Flattened<HashMap<String, DateTime>>>(
        r#"{"id": 7, "x": "2024-01-31T10:00", "y": "2024-01-31T10:00-08"}"#,
    );
}

#[test]
fn a_value_that_keeps_every_part_is_read() {
    assert_eq!(from_str::<Date>("\"2024-01-31\"").unwrap().day(), 31);
    from_str::<Timestamp>("\"2024-01-31T10:00+02:00\"").unwrap();
    from_str::<Tagged>(r#"{"type": "instant", "on": "2024-01-31T10:00+02:00"}"#).unwrap();
    from_str::<Tagged>(r#"{"on": "2024-01-31", "type": "day"}"#).unwrap();
    from_str::<Adjacent>(r#"{"value": ["2024-01-31"], "type": "Days"}"#).unwrap();
    let stay = r#"{"id": 7, "guest": "2024-01-31T10:00+02:00", "arrives": "2024-01-31T10:00"}"#;
    assert_eq!(from_str::<Flattened<Stay>>(stay).unwrap().rest.guest, "2024-01-31T10:00+02:00");
    let text = r#"{"id": 7, "a": "2024-01-31", "b": ["10:00+02:00"]}"#;
    let rest = json!({"a": "2024-01-31", "b": ["10:00+02:00"]});
    assert_eq!(from_str::<Flattened<Value>>(text).unwrap().rest, rest);
}

#[test]
fn a_key_that_occurs_twice_is_refused_where_only_one_value_would_be_kept() {
    const TWICE: &str = "duplicate field `a`, of which the item would keep only one";
    for text in [r#"{"a": 1, "b": 2, "a": 3}"#, r#"{"a": null, "a": null}"#, r#"{"a": 1, "\u0061": 1}"#] {
        refused::<HashMap<String, Value>>(text, TWICE);
        refused::<BTreeMap<String, Option<u8>>>(text, TWICE);
        refused::<Map<String, Value>>(text, TWICE);
        refused::<Value>(text, TWICE);
        refused::<Value>(&format!("[[{{\"x\": {text}}}]]"), TWICE);
        refused::<Option<HashMap<char, Option<u8>>>>(text, TWICE);
        let flattened = text.replacen('{', "{\"id\": 7, ", 1);
        refused::<Flattened<HashMap<String, Value>>>(&flattened, TWICE);
        refused::<Flattened<Value>>(&format!("{{\"id\": 7, \"x\": {text}}}"), TWICE);
    }
    refused::<HashMap<i8, u8>>(r#"{"1": 1, "-2": 2, "-2": 2}"#, "duplicate field `-2`");
    refused::<HashMap<bool, u8>>(r#"{"true": 1, "true": 2}"#, "duplicate field `true`");
    refused::<HashMap<Date, u8>>(r#"{"2024-01-31": 1, "2024-01-31": 2}"#, "duplicate field `2024-01-31`");
    let many: Vec<String> = (0..40).chain([3]).map(|number| format!("\"k{number}\": {number}")).collect();
    refused::<Value>(&format!("{{{}}}", many.join(", ")), "duplicate field `k3`");
}

#[test]
fn a_key_may_occur_in_several_objects_or_where_no_value_is_taken() {
    let text = r#"[{"a": {"a": 1}}, {"a": {"a": [{"a": 2}, {"a": 3}]}}]"#;
    assert_eq!(from_str::<Value>(text).unwrap().to_string().replace(' ', ""), text.replace(' ', ""));
    let many: Vec<String> = (0..100).map(|number| format!("\"k{number}\":{number}")).collect();
    assert_eq!(from_str::<HashMap<String, u32>>(&format!("{{{}}}", many.join(","))).unwrap().len(), 100);
    let twice = r#"{"guest": "x", "y": 1, "y": {"z": 1, "z": 2}}"#;
    assert_eq!(from_str::<Stay>(twice).unwrap().guest, "x");
    from_str::<IgnoredAny>(twice).unwrap();
    assert_eq!(from_str::<Box<RawValue>>(twice).unwrap().get(), twice);
}

#[test]
fn the_error_has_the_place_of_the_value() {
    let place = |error: serde_json::Error| (error.line(), error.column());
    let text = "{\"guest\": \"x\",\n \"arrives\": \"2024-01-31T10:00Z[UTC]\"}".replace('Z', "+00");
    assert_eq!(place(from_str::<Stay>(&text).unwrap_err()), (2, 38));
    let text = text.replacen('{', "{\"id\": 7, ", 1);
    assert_eq!(place(from_str::<Flattened<Stay>>(&text).unwrap_err()), (2, 38));
    assert_eq!(place(from_str::<Value>("{\"a\": 1,\n \"a\": 2}").unwrap_err()), (2, 4));
}
