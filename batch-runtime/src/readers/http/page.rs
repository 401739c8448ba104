//! Finds the items, and whatever else the pagination needs, in the JSON text of a response.

use std::fmt;

use serde::de::{self, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::message::{Answer, values};
use super::secrets::Secrets;

/// The reason why a response is not a page.
#[derive(Debug)]
pub enum Broken {
    /// The response ends too early: another attempt may get all of it.
    Cut(String),
    /// Another attempt would not help.
    Bad(String),
    /// The pages have changed since an earlier request: another attempt would not help.
    Changed(String),
}

/// A complete answer whose body is JSON.
pub(super) struct Document<'a> {
    answer: &'a Answer,
    secrets: &'a Secrets,
    json: &'a RawValue,
}

impl<'a> Document<'a> {
    pub(super) fn parse(answer: &'a Answer, secrets: &'a Secrets) -> Result<Self, Broken> {
        let body = answer.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&answer.body);
        let text = std::str::from_utf8(body).map_err(|error| match error.error_len() {
            None => Broken::Cut("the response ends in the middle of a character".to_owned()),
            Some(_) => Broken::Bad(format!(
                "the response is not in UTF-8, which JSON requires (byte {})",
                error.valid_up_to()
            )),
        })?;
        match serde_json::from_str::<&RawValue>(text) {
            Ok(json) => Ok(Self { answer, secrets, json }),
            Err(error) if error.is_eof() && text.trim().is_empty() => {
                Err(Broken::Cut("the response is empty".to_owned()))
            }
            Err(error) if error.is_eof() => {
                Err(Broken::Cut(format!("the response ends in the middle of its JSON: {error}")))
            }
            Err(error) => Err(Broken::Bad(format!(
                "the response is not JSON: {error}, found `{}`",
                secrets.excerpt(text)
            ))),
        }
    }

    /// The items of the array at `pointer`.
    pub(super) fn items(&self, pointer: &str) -> Result<Vec<Box<RawValue>>, Broken> {
        let found = self.find(pointer)?.ok_or_else(|| {
            Broken::Bad(format!(
                "the response has nothing at `{pointer}`, where its items were expected; it begins with `{}`",
                self.secrets.excerpt(self.json.get())
            ))
        })?;
        serde_json::from_str(found.get()).map_err(|_| {
            let at = if pointer.is_empty() { "" } else { " at " };
            Broken::Bad(format!(
                "the response has no array{at}{pointer}, where its items were expected, but `{}`",
                self.secrets.excerpt(found.get())
            ))
        })
    }

    /// The value at a JSON pointer.
    pub(super) fn find(&self, pointer: &str) -> Result<Option<&'a RawValue>, Broken> {
        let mut at = self.json;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let mut inside = serde_json::Deserializer::from_str(at.get());
            match inside.deserialize_any(Inside(&step)).map_err(|error| Broken::Bad(error.to_string()))? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The number at a JSON pointer, which some APIs write as a string.
    pub(super) fn number(&self, pointer: &str) -> Result<u64, Broken> {
        let found = self.find(pointer)?;
        let text = found.map(RawValue::get).unwrap_or_default();
        let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        number.parse().map_err(|_| {
            let found = found
                .map_or("nothing".to_owned(), |found| format!("`{}`", self.secrets.excerpt(found.get())));
            Broken::Bad(format!("the response has {found} at `{pointer}`, where a total was expected"))
        })
    }

    pub(super) fn headers<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> + use<'h> {
        values(&self.answer.headers, name)
    }

    pub(super) fn answer(&self) -> &'a Answer {
        self.answer
    }

    pub(super) fn excerpt(&self, text: &str) -> Box<str> {
        self.secrets.excerpt(text)
    }
}

/// The hash of no items.
pub(super) const NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

/// Adds an item to the hash of the items before it. Like [`hash`](crate::readers::hash), but item by item.
pub(super) fn hashed(before: u64, item: &RawValue) -> u64 {
    let prime = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    // No byte of a UTF-8 text is 0xff, so it separates the items.
    item.get().bytes().chain([0xff]).fold(before, prime)
}

/// The hash of all these items.
pub(super) fn hashed_all(items: &[Box<RawValue>]) -> u64 {
    items.iter().fold(NOTHING, |before, item| hashed(before, item))
}

/// Finds a member of an object, or an element of an array.
struct Inside<'s>(&'s str);

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key != self.0 {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value()?).is_some() {
                return Err(de::Error::custom(format_args!("the response has two values for `{}`", self.0)));
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.0.parse().ok();
        let (mut found, mut index) = (None, 0);
        while let Some(element) = elements.next_element()? {
            if Some(index) == wanted {
                found = Some(element);
            }
            index += 1;
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::url::Url;
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { body: body.into(), headers: Vec::new(), from: Url::parse("http://h").unwrap() }
    }

    fn items(body: &str, pointer: &str) -> Result<Vec<String>, Broken> {
        let answer = answer(body);
        let secrets = Secrets::default();
        let items = Document::parse(&answer, &secrets)?.items(pointer)?;
        Ok(items.iter().map(|item| item.get().to_owned()).collect())
    }

    #[test]
    fn items_are_found_by_a_pointer_and_keep_their_text() {
        assert_eq!(items("\u{feff}[1, {\"a\": 2.50}]", "").unwrap(), ["1", "{\"a\": 2.50}"]);
        let body = r#"{"x": [[0], [1, 2]], "a/b": {"~": [3]}}"#;
        assert_eq!(items(body, "/x/1").unwrap(), ["1", "2"]);
        assert_eq!(items(body, "/a~1b/~0").unwrap(), ["3"]);
    }

    #[test]
    fn a_response_that_is_not_a_page_is_explained_and_only_a_cut_one_is_worth_another_attempt() {
        for body in ["", " ", "[1, 2", "{\"list\": [", "[\"a"] {
            assert!(matches!(items(body, ""), Err(Broken::Cut(_))), "{body}");
        }
        for (body, pointer, said) in [
            ("<html>", "", "the response is not JSON: expected value at line 1 column 1, found `<html>`"),
            ("[1] 2", "", "the response is not JSON: trailing characters"),
            ("{\"fault\": \"key\"}", "/list", "it begins with `{\"fault\": \"key\"}`"),
            ("{\"list\": null}", "/list", "no array at /list, where its items were expected, but `null`"),
            ("{\"list\": 7}", "/list/x", "nothing at `/list/x`"),
            ("{\"list\": [1], \"list\": [2]}", "/list", "two values for `list`"),
        ] {
            let Err(Broken::Bad(problem)) = items(body, pointer) else { panic!("{body}") };
            assert!(problem.contains(said), "{problem}");
        }
        let latin = Answer { body: b"[\"\xe9 \"]".to_vec(), ..answer("") };
        assert!(
            matches!(Document::parse(&latin, &Secrets::default()), Err(Broken::Bad(problem)) if problem.contains("UTF-8"))
        );
    }

    #[test]
    fn a_total_may_be_a_number_or_a_string() {
        let secrets = Secrets::default();
        let answer = answer(r#"{"a": 7, "b": "8", "c": -1, "d": 1.5}"#);
        let document = Document::parse(&answer, &secrets).unwrap();
        assert_eq!(document.number("/a").unwrap(), 7);
        assert_eq!(document.number("/b").unwrap(), 8);
        for pointer in ["/c", "/d", "/e"] {
            assert!(document.number(pointer).is_err(), "{pointer}");
        }
    }
}
