//! The documents of `JSONTestSuite`, as the package json-test-suite holds them.

use std::fs;

use batch_runtime::readers::{JsonArrayReader, JsonLinesReader};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::expected::{FREE, VALUES};
use crate::{Outcome, corpus, in_time, read, read_with_restarts};

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    input: String,
}

impl Case {
    /// The document. The package holds U+FFFD for each byte that is not UTF-8; here it is such a byte again.
    fn document(&self) -> Vec<u8> {
        let mut document = Vec::new();
        for (at, part) in self.input.split('\u{fffd}').enumerate() {
            if at > 0 {
                document.push(0xFF);
            }
            document.extend_from_slice(part.as_bytes());
        }
        document
    }

    fn is_array(&self) -> bool {
        self.input.trim_ascii_start().starts_with('[')
    }
}

/// The cases of a file of the package, whose names begin with `kind`; none if the package was not fetched.
fn cases(file: &str, kind: &str) -> Vec<Case> {
    let Some(package) = corpus("json-test-suite") else { return Vec::new() };
    let module = fs::read_to_string(package.join("data").join(file)).unwrap();
    let list = module[module.find('[').unwrap()..].trim_end();
    let cases: Vec<Case> = serde_json::from_str(list).unwrap();
    cases
        .into_iter()
        .filter(|case| case.name.starts_with(kind))
        .map(|case| Case { name: case.name.trim_end_matches(".json").to_owned(), ..case })
        .collect()
}

/// The ways in which a document is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// The file is the document.
    Whole,
    /// The document is the only element of an array.
    Element,
    /// The document is a line between two others.
    Line,
}

const WAYS: [Way; 3] = [Way::Whole, Way::Element, Way::Line];

/// A file in a folder of its own.
struct File(TempDir);

impl File {
    fn new(document: &[u8], way: Way) -> Self {
        let (before, after) = match way {
            Way::Whole => ("", ""),
            Way::Element => ("[", "]"),
            Way::Line => ("0\n", "\n0\n"),
        };
        let file = Self(tempfile::tempdir().unwrap());
        fs::write(file.path(), [before.as_bytes(), document, after.as_bytes()].concat()).unwrap();
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("document")
    }
}

/// Reads a document as items of any type.
fn any<T: DeserializeOwned + Send + 'static>(case: &Case, way: Way) -> Outcome<T> {
    let document = case.document();
    in_time(&case.name, move || {
        let file = File::new(&document, way);
        let most = document.len() + 3;
        match way {
            Way::Line => read(JsonLinesReader::<T>::open(file.path()), most),
            _ => read(JsonArrayReader::<T>::open(file.path()), most),
        }
    })
}

/// Reads a document as values, also after a restart at each position.
fn values(case: &Case, way: Way) -> Outcome<Value> {
    let document = case.document();
    in_time(&case.name, move || {
        let file = File::new(&document, way);
        let most = document.len() + 3;
        match way {
            Way::Line => read_with_restarts(|| JsonLinesReader::open(file.path()), most),
            _ => read_with_restarts(|| JsonArrayReader::open(file.path()), most),
        }
    })
}

#[test]
fn every_valid_document_has_its_value_as_an_array_as_an_element_and_as_a_line() {
    let cases = cases("parsing.js", "y_");
    let (mut not_arrays, mut several_lines) = (0, 0);
    for case in &cases {
        let name = &case.name;
        if name.starts_with("y_object_duplicated_key") {
            // A value would keep only one of the two members.
            refuse_a_duplicate(case);
            not_arrays += 1;
            continue;
        }
        let (_, expected) = VALUES.iter().find(|(known, _)| known == name).expect(name);
        let shown = |items: &[Value]| serde_json::to_string(items).unwrap();
        let whole = values(case, Way::Whole);
        if case.is_array() {
            assert!(whole.is_accepted(), "{name}: {whole:?}");
            assert_eq!(shown(&whole.items), **expected, "{name}");
        } else {
            // A file that is read as an array must be one.
            not_arrays += 1;
            assert!(whole.ended.as_ref().unwrap().contains("a JSON array was expected"), "{name}: {whole:?}");
        }
        let element = values(case, Way::Element);
        assert!(element.is_accepted(), "{name}: {element:?}");
        assert_eq!(shown(&element.items), format!("[{expected}]"), "{name}");
        let line = values(case, Way::Line);
        if case.input.trim_ascii().contains('\n') {
            // A value over several lines is not a line.
            several_lines += 1;
            assert!(!line.is_accepted(), "{name}: {line:?}");
        } else {
            assert!(line.is_accepted(), "{name}: {line:?}");
            assert_eq!(shown(&line.items), format!("[0,{expected},0]"), "{name}");
        }
    }
    if !cases.is_empty() {
        assert_eq!((cases.len(), not_arrays, several_lines), (95, 20, 2));
    }
}

fn refuse_a_duplicate(case: &Case) {
    for way in [Way::Element, Way::Line] {
        let outcome = values(case, way);
        let refused = outcome.refused.join("\n");
        assert!(refused.contains("duplicate field `a`"), "{}, {way:?}: {outcome:?}", case.name);
        let raw = any::<Box<RawValue>>(case, way);
        assert!(raw.is_accepted(), "{}, {way:?}: {raw:?}", case.name);
    }
}

#[test]
fn every_invalid_document_is_refused_even_by_an_item_that_ignores_its_value() {
    let cases = cases("parsing.js", "n_");
    for case in &cases {
        for way in WAYS {
            // An empty or blank document would make an empty array or a blank line, which are valid.
            if way != Way::Whole && case.input.trim_ascii().is_empty() {
                continue;
            }
            let name = &case.name;
            let outcome = values(case, way);
            assert!(!outcome.is_accepted(), "{name}, {way:?}: {outcome:?}");
            let ignored = any::<IgnoredAny>(case, way);
            assert!(!ignored.is_accepted(), "{name}, {way:?}: {ignored:?}");
            let raw = any::<Box<RawValue>>(case, way);
            assert!(!raw.is_accepted(), "{name}, {way:?}: {raw:?}");
        }
    }
    assert!(cases.is_empty() || cases.len() == 188, "{}", cases.len());
}

#[test]
fn every_document_on_which_the_standard_leaves_the_choice_is_read_as_the_table_says() {
    let mut cases = cases("parsing.js", "i_");
    cases.extend(self::cases("transform.js", ""));
    let mut differing = Vec::new();
    for case in &cases {
        let outcomes = WAYS.map(|way| values(case, way));
        let element = &outcomes[1];
        let shown = match element.error() {
            None => Ok(serde_json::to_string(&element.items[0]).unwrap()),
            Some(error) => Err(error.to_owned()),
        };
        let expected = FREE.iter().find(|(name, _)| *name == case.name).map(|(_, expected)| expected);
        let is_expected = match (&shown, expected) {
            (Ok(shown), Some(Ok(expected))) => shown == expected,
            (Err(shown), Some(Err(expected))) => shown.contains(expected),
            _ => false,
        };
        let agree = outcomes
            .iter()
            .skip(usize::from(!case.is_array()))
            .all(|outcome| outcome.is_accepted() == shown.is_ok());
        if !is_expected || !agree {
            differing.push((&case.name, shown, agree));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(cases.is_empty() || cases.len() == 57, "{}", cases.len());
}

#[test]
fn a_raw_value_keeps_the_text_of_every_number() {
    let mut cases = cases("parsing.js", "y_number");
    cases.extend(self::cases("parsing.js", "i_number"));
    cases.extend(self::cases("transform.js", "number"));
    for case in &cases {
        let text = case.input.trim_ascii().trim_matches(['[', ']']).trim_ascii();
        let outcome = any::<Box<RawValue>>(case, Way::Whole);
        assert!(outcome.is_accepted(), "{}: {outcome:?}", case.name);
        assert_eq!(outcome.items.iter().map(|raw| raw.get()).collect::<Vec<_>>(), [text], "{}", case.name);
    }
}
