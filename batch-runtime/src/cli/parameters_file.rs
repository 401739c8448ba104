//! `--parameters`: the parameters of a job as a JSON object, from a file or from standard input.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::console::Console;
use crate::frontend::refusal::Refusal;

/// The parameters as strings, in the order of the object. A list becomes one string for each of its values, and `null`
/// is left out.
pub(super) fn read(file: &OsStr, console: &Console) -> Result<Vec<(String, OsString)>, Refusal> {
    let place = if file == "-" { "standard input".to_owned() } else { file.display().to_string() };
    let refuse = |why: String| Refusal::usage(format!("the parameters in {place} cannot be used: {why}"));
    let text = if file == "-" { (console.input)() } else { fs::read_to_string(file) };
    let text = text.map_err(|error| refuse(error.to_string()))?;
    parse(&text).map_err(refuse)
}

/// Parses the object. No message repeats a value, because it may be a secret.
fn parse(text: &str) -> Result<Vec<(String, OsString)>, String> {
    let Object(members) = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            "expected an object such as {\"input\": \"flights.csv\"}".to_owned()
        }
        _ => format!("it is not JSON: line {}, column {}", error.line(), error.column()),
    })?;
    let mut parameters: Vec<(String, OsString)> = Vec::new();
    for (at, (name, value)) in members.iter().enumerate() {
        if members[..at].iter().any(|(other, _)| other == name) {
            return Err(format!("`{name}` is given twice"));
        }
        let wrong = || format!("`{name}` is neither a string, a number, true or false, nor a list of these");
        let values: Vec<Box<RawValue>> = match value.get().as_bytes().first() {
            Some(b'[') => serde_json::from_str(value.get()).map_err(|_| wrong())?,
            Some(b'n') => continue,
            _ => vec![value.clone()],
        };
        for value in values {
            parameters.push((name.clone(), scalar(value.get()).ok_or_else(wrong)?.into()));
        }
    }
    Ok(parameters)
}

/// A number keeps the form in which it is written, because a parameter may have more digits than our number types hold.
fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'[' | b'{' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

/// The members of an object, including duplicates.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Result<Vec<String>, String> {
        let parsed = parse(text)?;
        Ok(parsed.iter().map(|(name, text)| format!("{name}={}", text.display())).collect())
    }

    #[test]
    fn values_keep_the_form_in_which_they_are_written() {
        let given = texts(
            r#"{"input": "a \"b\".csv", "id": 340282366920938463463374607431768211455, "rate": 1.10,
                "dry": true, "none": null, "years": [2024, "2025"]}"#,
        );
        let expected = [
            "input=a \"b\".csv",
            "id=340282366920938463463374607431768211455",
            "rate=1.10",
            "dry=true",
            "years=2024",
            "years=2025",
        ];
        assert_eq!(given.unwrap(), expected);
    }

    #[test]
    fn a_mistake_is_reported_without_the_value() {
        for (text, said) in [
            ("[]", "expected an object"),
            (r#"{"key": "hunter2""#, "it is not JSON: line 1, column 17"),
            (r#"{"key": {"hunter2": 1}}"#, "`key` is neither a string, a number"),
            (r#"{"key": ["hunter2", null]}"#, "`key` is neither a string, a number"),
            (r#"{"key": "hunter2", "key": 2}"#, "`key` is given twice"),
        ] {
            let wrong = texts(text).unwrap_err();
            assert!(wrong.starts_with(said) && !wrong.contains("hunter2"), "{text}: {wrong}");
        }
    }
}
