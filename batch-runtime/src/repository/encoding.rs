//! Encodes the values of a context in a notation that both JSON serializers of Spring Batch 6 read (the one on Jackson 3
//! and the one on Jackson 2), for the columns `SHORT_CONTEXT` and `SERIALIZED_CONTEXT`, and decodes them.
//!
//! Booleans, strings, floats and null are written as in JSON. Other values are pairs of a class name and the
//! value: `["java.lang.Long",7]`, `["java.math.BigInteger",18446744073709551615]`,
//! `["java.util.ArrayList",[..]]`, `["java.util.LinkedHashMap",{..}]`. So every array in the text is such a
//! pair, and no two values can be confused.
//!
//! The context itself is an object that begins with `"@class"`, because the serializer on Jackson 2 refuses one without
//! it; for the other serializer this is one more entry. Spring Batch cannot hold null in a context, so the keys whose
//! value is null are in a list under `"@null"` instead. A key of a context that begins with `@` gets a second `@`.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Number, Value};

use super::ContextMap;

const CLASS: &str = "@class";
/// The keys whose value is null.
const NULL: &str = "@null";

/// The stored form of a context.
///
/// ```
/// use batch_runtime::repository::{ContextMap, decode_context, encode_context};
///
/// let context = ContextMap::from([("rows".to_owned(), 7.into())]);
/// let text = encode_context(&context);
/// assert_eq!(text, r#"{"@class":"java.util.HashMap","rows":["java.lang.Long",7]}"#);
/// assert_eq!(decode_context(&text).unwrap(), context);
/// ```
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "JSON values with text keys always serialise")]
pub fn encode_context(context: &ContextMap) -> String {
    serde_json::to_string(&Context(context)).expect("JSON values with text keys always serialise")
}

/// Decodes a text written by [`encode_context`] or by Spring Batch's JSON serializer.
///
/// # Errors
/// The reason why the text is not a context.
pub fn decode_context(text: &str) -> Result<ContextMap, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value {
        Value::Object(entries) => Ok(decode_object(entries).into_iter().collect()),
        other => Err(format!("a context is a JSON object, not `{other}`")),
    }
}

struct Context<'a>(&'a ContextMap);

impl Serialize for Context<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(CLASS, "java.util.HashMap")?;
        let nulls: Vec<&str> =
            self.0.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.as_str()).collect();
        if !nulls.is_empty() {
            map.serialize_entry(NULL, &("java.util.ArrayList", nulls))?;
        }
        for (key, value) in self.0.iter().filter(|(_, value)| !value.is_null()) {
            let key: Cow<'_, str> =
                if key.starts_with('@') { format!("@{key}").into() } else { key.as_str().into() };
            map.serialize_entry(&key, &Stored(value))?;
        }
        map.end()
    }
}

struct Stored<'a>(&'a Value);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) if number.is_i64() => ("java.lang.Long", number).serialize(serializer),
            Value::Number(number) if number.is_u64() => {
                ("java.math.BigInteger", number).serialize(serializer)
            }
            Value::Array(items) => ("java.util.ArrayList", Items(items)).serialize(serializer),
            Value::Object(entries) => ("java.util.LinkedHashMap", Entries(entries)).serialize(serializer),
            plain => plain.serialize(serializer),
        }
    }
}

struct Items<'a>(&'a [Value]);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Stored))
    }
}

struct Entries<'a>(&'a Map<String, Value>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, Stored(value))))
    }
}

fn decode(value: Value) -> Value {
    match value {
        Value::Array(mut pair) if pair.len() == 2 && pair[0].is_string() => {
            let inner = pair.pop().unwrap_or_default();
            match (pair[0].as_str().unwrap_or_default(), inner) {
                // Java writes a double without a fraction as `7.0`; other JSON libraries may not.
                ("java.lang.Double" | "java.lang.Float", Value::Number(number)) => {
                    number.as_f64().and_then(Number::from_f64).unwrap_or(number).into()
                }
                (_, Value::Array(items)) => items.into_iter().map(decode).collect(),
                // The class is known already, so all keys are the user's.
                (_, Value::Object(entries)) => {
                    entries.into_iter().map(|(key, value)| (key, decode(value))).collect()
                }
                (_, inner) => inner,
            }
        }
        Value::Array(items) => items.into_iter().map(decode).collect(),
        Value::Object(entries) => Value::Object(decode_object(entries)),
        plain => plain,
    }
}

/// Decodes the entries of a context, or of an object as the serializer on Jackson 2 writes it.
fn decode_object(mut entries: Map<String, Value>) -> Map<String, Value> {
    // Without a class it was written by the serializer on Jackson 3, which has no keys of its own.
    if entries.remove(CLASS).is_none() {
        return entries.into_iter().map(|(key, value)| (key, decode(value))).collect();
    }
    let nulls = entries.remove(NULL).map(decode);
    let nulls = nulls.as_ref().and_then(Value::as_array).into_iter().flatten();
    let nulls: Vec<String> = nulls.filter_map(|key| key.as_str().map(str::to_owned)).collect();
    entries
        .into_iter()
        .map(|(key, value)| (key.strip_prefix('@').map(str::to_owned).unwrap_or(key), decode(value)))
        .chain(nulls.into_iter().map(|key| (key, Value::Null)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small deterministic generator: every run gets the same values.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let x = self.0 ^ (self.0 >> 33);
            x.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 11
        }

        fn below(&mut self, limit: u64) -> u64 {
            self.next() % limit
        }

        fn text(&mut self) -> String {
            const PIECES: &[&str] = &[
                "@class",
                "@null",
                "@",
                "java.lang.Long",
                "[\"java.lang.Long\",7]",
                "java.util.ArrayList",
                "\"",
                "\\",
                "\u{0}",
                "\u{1f600}",
                "ä",
                "x",
                "",
                "batch.position",
                "{\"@class\":\"java.util.HashMap\"}",
            ];
            (0..self.below(4)).map(|_| PIECES[usize::try_from(self.below(15)).unwrap()]).collect()
        }

        fn value(&mut self, depth: u32) -> Value {
            match self.below(if depth == 0 { 7 } else { 9 }) {
                0 => Value::Null,
                1 => (self.below(2) == 0).into(),
                2 => self.text().into(),
                3 => (self.next().cast_signed() >> self.below(60)).into(),
                4 => (u64::MAX - self.below(1 << 40)).into(),
                5 => Value::from(f64::from_bits(self.next() << self.below(12))),
                6 => [0.0, -0.0, 7.0, 1e300, 0.1, 5e-324, f64::MAX][usize::try_from(self.below(7)).unwrap()]
                    .into(),
                7 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
                _ => {
                    let entries = (0..self.below(4)).map(|_| (self.text(), self.value(depth - 1)));
                    Value::Object(entries.collect())
                }
            }
        }
    }

    #[test]
    fn every_value_survives_a_round_trip() {
        let mut random = Random(7);
        for _ in 0..20_000 {
            let context: ContextMap = (0..4).map(|_| (random.text(), random.value(4))).collect();
            let text = encode_context(&context);
            assert_eq!(decode_context(&text).unwrap(), context, "{text}");
        }
    }

    #[test]
    fn values_are_written_as_both_serializers_of_spring_batch_read_them() {
        let context = ContextMap::from([
            ("a".to_owned(), serde_json::json!({ "n": 1, "list": [true, "x"], "@class": { "k": null } })),
            ("b".to_owned(), serde_json::json!(1.5)),
        ]);
        assert_eq!(
            encode_context(&context),
            concat!(
                r#"{"@class":"java.util.HashMap","a":["java.util.LinkedHashMap",{"#,
                r#""@class":["java.util.LinkedHashMap",{"k":null}],"#,
                r#""list":["java.util.ArrayList",[true,"x"]],"n":["java.lang.Long",1]}],"b":1.5}"#
            )
        );
    }

    #[test]
    fn no_value_of_a_context_is_written_as_null() {
        let context = ContextMap::from([
            ("@at".to_owned(), Value::Null),
            ("@null".to_owned(), serde_json::json!(["none"])),
            ("none".to_owned(), Value::Null),
            ("some".to_owned(), true.into()),
        ]);
        let text = encode_context(&context);
        assert_eq!(
            text,
            concat!(
                r#"{"@class":"java.util.HashMap","@null":["java.util.ArrayList",["@at","none"]],"#,
                r#""@@null":["java.util.ArrayList",["none"]],"some":true}"#
            )
        );
        assert_eq!(decode_context(&text).unwrap(), context);
    }

    #[test]
    fn contexts_of_both_serializers_of_spring_batch_are_read() {
        for text in [
            r#"{"@class":"java.util.HashMap","count":3,"names":["java.util.Arrays$ArrayList",["a","b"]],"when":["java.util.Date",5],"map":{"@class":"java.util.HashMap","k":["java.lang.Long",1]}}"#,
            r#"{"count":3,"names":["java.util.Arrays$ArrayList",["a","b"]],"when":["java.util.Date",5],"map":["java.util.HashMap",{"k":["java.lang.Long",1]}]}"#,
        ] {
            let context = decode_context(text).unwrap();
            assert_eq!(context["count"], 3);
            assert_eq!(context["names"], serde_json::json!(["a", "b"]));
            assert_eq!(context["when"], 5);
            assert_eq!(context["map"], serde_json::json!({ "k": 1 }));
        }
    }

    #[test]
    fn keys_of_a_context_of_jackson_3_are_read_as_they_are() {
        let context = decode_context(r#"{"@at":1,"@@at":2,"gone":null}"#).unwrap();
        assert_eq!(
            context,
            ContextMap::from([
                ("@at".to_owned(), 1.into()),
                ("@@at".to_owned(), 2.into()),
                ("gone".to_owned(), Value::Null)
            ])
        );
    }

    #[test]
    fn only_an_object_is_a_context() {
        assert!(decode_context("[1]").is_err());
        assert!(decode_context("{").is_err());
    }
}
