//! Promises of the writer of XML: what it publishes is well-formed, and reads back as the same items.
#![cfg(feature = "xml")]
#![allow(missing_docs, reason = "a test")]

mod folder;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;

use batch_runtime::readers::XmlReader;
use batch_runtime::writers::{FilePosition, WriteError, XmlWriter};
use batch_runtime::{ChunkTransaction, Durability, Partitionable, Reader, Writer};
use folder::Folder;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Trade {
    #[serde(rename = "@id")]
    id: i64,
    #[serde(rename = "@note")]
    note: Option<String>,
    #[serde(rename = "@tag")]
    tag: String,
    name: String,
    maybe: Option<String>,
    price: Option<f64>,
    yes: bool,
    #[serde(default)]
    list: Vec<String>,
    inner: Option<Inner>,
    #[serde(default)]
    pairs: Vec<Inner>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Inner {
    #[serde(rename = "@unit")]
    unit: Option<u32>,
    #[serde(rename = "$text")]
    text: Option<String>,
}

fn write(writer: &mut XmlWriter<Trade>, items: &[Trade]) -> Result<(), WriteError> {
    writer.write(items, &ChunkTransaction::none())?;
    writer.prepare(Durability::Process)
}

fn end(writer: &mut XmlWriter<Trade>) {
    writer.seal(Durability::Process).unwrap();
    writer.finish(Durability::Process).unwrap();
}

fn create(path: &Path) -> XmlWriter<Trade> {
    XmlWriter::create(path).root("trades").element("trade")
}

fn trades(count: i64) -> Vec<Trade> {
    (0..count).map(|id| Trade { id, name: "a < b & c]]>".into(), ..Trade::default() }).collect()
}

fn read(path: &Path) -> Vec<Trade> {
    let mut reader = XmlReader::options().element("trades/trade").open(path).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

#[test]
fn a_restart_after_any_chunk_and_a_rollback_leave_one_whole_document() {
    let items = trades(4);
    for committed in 0..=4 {
        let folder = Folder::new();
        let path = folder.path("out.xml");
        let mut first = create(&path);
        first.open(None).unwrap();
        let begin = first.position();
        write(&mut first, &trades(2)).unwrap();
        first.rollback(&begin).unwrap();
        for item in &items[..committed] {
            write(&mut first, std::slice::from_ref(item)).unwrap();
        }
        let position: FilePosition =
            serde_json::from_str(&serde_json::to_string(&first.position()).unwrap()).unwrap();
        write(&mut first, &trades(3)).unwrap();
        drop(first);
        let mut second = create(&path);
        second.open(Some(position)).unwrap();
        write(&mut second, &items[committed..]).unwrap();
        end(&mut second);
        assert_eq!(read(&path), items, "{committed} committed");
    }
}

#[test]
fn partitions_are_joined_in_one_document() {
    let folder = Folder::new();
    let path = folder.path("out.xml");
    let mut whole = create(&path);
    whole.open(None).unwrap();
    let mut parts = Vec::new();
    for (number, count) in [(0, 2), (1, 0), (2, 1)] {
        let mut part = create(&path);
        part.of_partition(number);
        part.open(None).unwrap();
        write(&mut part, &trades(count)).unwrap();
        end(&mut part);
        parts.push(Some(part.position()));
    }
    whole.merge(parts).unwrap();
    end(&mut whole);
    whole.clear(3).unwrap();
    assert_eq!(read(&path), [trades(2), trades(1)].concat());
}

#[test]
fn a_restart_with_other_names_of_elements_is_refused() {
    let folder = Folder::new();
    let path = folder.path("out.xml");
    let mut first = create(&path);
    first.open(None).unwrap();
    write(&mut first, &trades(1)).unwrap();
    let position = first.position();
    drop(first);
    for mut changed in [create(&path).root("deals"), create(&path).element("deal")] {
        let refused = changed.open(Some(position)).unwrap_err();
        assert!(matches!(refused, WriteError::Changed { .. }), "{refused}");
    }
    create(&path).open(Some(position)).unwrap();
}

#[test]
fn a_document_without_items_is_whole() {
    let folder = Folder::new();
    let path = folder.path("out.xml");
    let mut writer = create(&path);
    writer.open(None).unwrap();
    end(&mut writer);
    assert_eq!(read(&path), []);
}

#[test]
fn an_item_that_xml_cannot_hold_is_refused_alone_and_names_the_field() {
    let folder = Folder::new();
    let path = folder.path("out.xml");
    let mut writer = create(&path);
    writer.open(None).unwrap();
    let text = |text: &str| Inner { text: Some(text.into()), ..Inner::default() };
    for (bad, message) in [
        (
            Trade { name: "\u{1}".into(), ..Trade::default() },
            "field `name`: XML cannot hold the character \\u{1}",
        ),
        (
            Trade { tag: "\u{FFFF}".into(), ..Trade::default() },
            "field `@tag`: XML cannot hold the character \\u{ffff}",
        ),
        (
            Trade { inner: Some(text(" \r\n")), ..Trade::default() },
            "field `inner.$text`: readers of XML take a text of only white space for layout",
        ),
        (
            Trade { pairs: vec![text("")], ..Trade::default() },
            "field `pairs.$text`: readers of XML take a text of only white space for layout",
        ),
    ] {
        let error = write(&mut writer, &[trades(1)[0].clone(), bad]).unwrap_err();
        assert!(matches!(error, WriteError::Item { record: 2, .. }), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    write(&mut writer, &trades(1)).unwrap();
    end(&mut writer);
    assert_eq!(read(&path), trades(1));
}

/// Writes items of any type, and returns the document.
fn written<T: Serialize + Send + Sync + 'static>(items: &[T]) -> Result<(Folder, PathBuf), WriteError> {
    let folder = Folder::new();
    let path = folder.path("out.xml");
    let mut writer = XmlWriter::create(&path);
    writer.open(None)?;
    writer.write(items, &ChunkTransaction::none())?;
    writer.seal(Durability::Process)?;
    writer.finish(Durability::Process)?;
    Ok((folder, path))
}

#[track_caller]
fn reads_back<T: Serialize + DeserializeOwned + Debug + PartialEq + Send + Sync + 'static>(items: &[T]) {
    let (_folder, path) = written(items).unwrap();
    let mut reader = XmlReader::<T>::options().element("items/item").open(&path).unwrap();
    let read: Result<Vec<T>, _> = std::iter::from_fn(|| reader.read().transpose()).collect();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(read.map_err(|error| error.to_string()).as_deref(), Ok(items), "{text}");
}

#[track_caller]
fn is_refused<T: Serialize + Send + Sync + 'static>(item: T, because: &str) {
    match written(&[item]) {
        Ok((_folder, path)) => panic!("written: {}", std::fs::read_to_string(path).unwrap()),
        Err(error) => assert!(error.to_string().contains(because), "{error}"),
    }
}

/// A struct with one field of that serde name.
macro_rules! with {
    ($name:literal, $type:ty, $value:expr) => {{
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct With {
            #[serde(rename = $name, default)]
            field: $type,
        }
        With { field: $value }
    }};
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
enum Shape {
    #[default]
    Dot,
    Circle {
        radius: f64,
    },
    Named(String),
    Sides(Vec<u32>),
    Pair(u32, u32),
    #[serde(rename = "$text")]
    Text(String),
}

#[test]
fn values_of_every_form_read_back_as_the_same() {
    let blank = || " \t\r\n".to_owned();
    reads_back(&[1_u32, 2]);
    reads_back(&[String::new(), blank(), "a".into()]);
    reads_back(&[' ', 'a']);
    reads_back(&[f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324]);
    reads_back(&[with!("a", Option<String>, Some(String::new()))]);
    reads_back(&[with!("a", Option<String>, Some(blank()))]);
    reads_back(&[with!("a", char, '\n')]);
    reads_back(&[with!("a", Vec<String>, vec![String::new(), blank()])]);
    reads_back(&[with!("a", (String, String), (blank(), String::new()))]);
    reads_back(&[with!("a", Vec<()>, vec![(), ()])]);
    reads_back(&[with!("a", Shape, Shape::Dot)]);
    reads_back(&[with!("@a", String, blank())]);
    reads_back(&[with!("@a", char, '\t')]);
    reads_back(&[with!("@a", Option<String>, Some(String::new()))]);
    reads_back(&[with!("@a", Option<String>, Some(blank()))]);
    reads_back(&[with!("@a", Vec<String>, vec!["x".into(), "&#32;".into()])]);
    reads_back(&[with!("@a", Vec<String>, vec![])]);
    reads_back(&[with!("@a", Option<Vec<u32>>, Some(vec![]))]);
    reads_back(&[with!("$text", String, String::new())]);
    reads_back(&[with!("$text", String, format!("{}a{}", blank(), blank()))]);
    reads_back(&[with!("$text", Vec<u32>, vec![])]);
    reads_back(&[with!("$text", Option<Vec<u32>>, Some(vec![1, 2]))]);
    reads_back(&[with!("$value", String, format!("{}a{}", blank(), blank()))]);
    reads_back(&[with!("$value", Shape, Shape::Text(" a ".into()))]);
    reads_back(&[with!("$value", Shape, Shape::Circle { radius: 1.5 })]);
    reads_back(&[with!(
        "$value",
        Vec<Shape>,
        vec![Shape::Dot, Shape::Named(blank()), Shape::Named(String::new()), Shape::Circle { radius: 0.0 },]
    )]);
    let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    reads_back(&[map("a", ""), map("a", &blank()), map("@a", &blank()), map("$text", " a"), BTreeMap::new()]);
    reads_back(&[with!("m", BTreeMap<String, String>, map("a", "b"))]);
    reads_back(&[BTreeMap::from([("a".to_owned(), vec![String::new(), blank()])])]);
}

#[test]
fn a_value_without_a_form_in_xml_is_refused() {
    let blank = || " \n".to_owned();
    is_refused(vec![1, 2], "a list is not an item");
    is_refused((1, 2), "a list is not an item");
    is_refused(Shape::Dot, "an enum is not an item");
    is_refused(Shape::Named("a".into()), "an enum is not an item");
    is_refused(Shape::Circle { radius: 1.0 }, "an enum is not an item");
    is_refused(None::<u32>, "no form for a `None`");
    is_refused(with!("a", Option<Option<u32>>, Some(None)), "field `a`: XML has no form for a `None`");
    is_refused(with!("a", Vec<Option<u32>>, vec![None]), "field `a`: XML has no form for a `None`");
    is_refused(with!("a", Option<Vec<u32>>, Some(vec![])), "field `a`: an empty list");
    is_refused(with!("$text", Option<Vec<u32>>, Some(vec![])), "field `$text`: an empty list");
    is_refused(with!("a", Vec<Vec<u32>>, vec![vec![1]]), "would not separate the lists");
    is_refused(with!("a", Shape, Shape::Named("a".into())), "field `a`: unsupported value");
    for list in [vec![String::new()], vec!["a b".into()], vec!["\t".into()]] {
        is_refused(with!("@a", Vec<String>, list.clone()), "field `@a`: a word of a list");
        is_refused(with!("$text", Vec<String>, list), "field `$text`: a word of a list");
    }
    is_refused(with!("$text", char, ' '), "field `$text`: readers of XML");
    is_refused(with!("$text", Option<String>, Some(String::new())), "field `$text`: readers of XML");
    is_refused(with!("$value", String, blank()), "field `$value`: readers of XML");
    is_refused(with!("$value", Shape, Shape::Text(blank())), "field `$value`: readers of XML");
    is_refused(with!("$value", Vec<String>, vec!["a".into()]), "field `$value`: text among elements");
    is_refused(
        with!("$value", Vec<Shape>, vec![Shape::Text("a".into())]),
        "field `$value`: text among elements",
    );
    is_refused(with!("$value", Vec<u32>, vec![1, 2]), "field `$value`: unsupported value");
    is_refused(with!("$value", Vec<Shape>, vec![Shape::Sides(vec![1])]), "would not separate");
    is_refused(with!("$value", Vec<Shape>, vec![Shape::Pair(1, 2)]), "would not separate");
    for key in ["", "@", "a:b", "$value", "1a", "a b"] {
        is_refused(BTreeMap::from([(key, 1)]), "name");
    }
    is_refused(BTreeMap::from([("a", None::<u32>)]), "field `a`: XML has no form for a `None`");
    is_refused(BTreeMap::from([("a", Vec::<u32>::new())]), "field `a`: an empty list");
    is_refused(BTreeMap::from([("$text", "")]), "field `$text`: readers of XML");
}

#[test]
fn a_compressed_document_reads_back() {
    let names: [&str; 2] = ["out.xml.gz", "out.xml.zst"];
    let on = [cfg!(feature = "gzip"), cfg!(feature = "zstd")];
    for name in names.into_iter().zip(on).filter_map(|(name, on)| on.then_some(name)) {
        let folder = Folder::new();
        let path = folder.path(name);
        let mut writer = create(&path);
        writer.open(None).unwrap();
        write(&mut writer, &trades(2)).unwrap();
        write(&mut writer, &trades(3)).unwrap();
        end(&mut writer);
        assert_ne!(std::fs::read(&path).unwrap()[0], b'<', "{name} is compressed");
        assert_eq!(read(&path), [trades(2), trades(3)].concat());
    }
}

#[test]
fn a_name_that_is_none_is_refused_before_anything_is_written() {
    for name in ["", "1a", "a b", "<a>", "a:b"] {
        let folder = Folder::new();
        create(&folder.path("out.xml")).root(name).open(None).unwrap_err();
        create(&folder.path("out.xml")).element(name).open(None).unwrap_err();
    }
}

#[test]
fn python_reads_the_same_texts() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "python3 is missing: apt-get install python3");
        eprintln!("left out: this machine has no python3");
        return;
    }
    let folder = Folder::new();
    let path = folder.path("out.xml");
    let text = " \t<a href='x'>&amp;\r\n\"]]>\u{e9}\u{1f600}\u{85} ";
    let item = Trade { tag: text.into(), name: text.into(), ..Trade::default() };
    let mut writer = create(&path);
    writer.open(None).unwrap();
    write(&mut writer, &[item]).unwrap();
    end(&mut writer);
    let program = "import sys, json, xml.etree.ElementTree as t
trade = t.parse(sys.argv[1]).getroot().find('trade')
print(json.dumps([trade.get('tag'), trade.find('name').text]))";
    let output = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(serde_json::from_slice::<Vec<String>>(&output.stdout).unwrap(), [text, text]);
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        " ",
        "\n",
        "\t",
        "\r",
        "\r\n",
        "a",
        "b",
        "<",
        ">",
        "&",
        "\"",
        "'",
        "]]>",
        "&amp;",
        "<!--",
        "<x/>",
        "\u{85}",
        "\u{2028}",
        "\u{a0}",
        "\u{e9}",
        "\u{1f600}",
        "&#32;",
        "%",
        "0",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// A text that is not layout.
fn some_text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text().prop_filter("layout", |text| !text.chars().all(|c| " \t\r\n".contains(c))))
}

fn inner() -> impl Strategy<Value = Inner> {
    (any::<Option<u32>>(), some_text()).prop_map(|(unit, text)| Inner { unit, text })
}

prop_compose! {
    fn any_trade()(
        id: i64, note in prop::option::of(text()), tag in text(), name in text(), maybe in prop::option::of(text()),
        price in prop::option::of(prop::num::f64::ANY.prop_filter("equal", |price| !price.is_nan())), yes: bool,
        list in prop::collection::vec(text(), 0..3), inner in prop::option::of(inner()),
        pairs in prop::collection::vec(inner(), 0..3),
    ) -> Trade {
        Trade { id, note, tag, name, maybe, price, yes, list, inner, pairs }
    }
}

proptest! {
    #[test]
    fn every_item_reads_back_as_the_same_value(items in prop::collection::vec(any_trade(), 0..4)) {
        let folder = Folder::new();
        let path = folder.path("out.xml");
        let mut writer = create(&path);
        writer.open(None).unwrap();
        write(&mut writer, &items).unwrap();
        end(&mut writer);
        prop_assert_eq!(read(&path), items, "{}", std::fs::read_to_string(&path).unwrap());
    }
    #[test]
    fn an_item_of_any_types_reads_back_as_the_same_value_or_is_refused(item in any_mixed()) {
        let (_folder, path) = match written(std::slice::from_ref(&item)) {
            Err(WriteError::Item { .. }) => return Ok(()),
            written => written.unwrap(),
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let mut reader = XmlReader::<Mixed>::options().element("items/item").open(&path).unwrap();
        let read = reader.read().map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        // The text of a NaN equals that of another, and that of -0.0 differs from that of 0.0.
        prop_assert_eq!(format!("{:?}", read), format!("{:?}", Some(item)), "{}", text);
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Good,
    #[serde(rename = "on time")]
    OnTime,
    #[serde(rename = "7")]
    Seven,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mixed {
    #[serde(rename = "@mark")]
    mark: char,
    #[serde(rename = "@kind")]
    kind: Kind,
    #[serde(rename = "@single")]
    single: f32,
    #[serde(rename = "@wide")]
    wide: i128,
    character: char,
    maybe_character: Option<char>,
    status: Kind,
    maybe_status: Option<Kind>,
    real: f32,
    maybe_real: Option<f32>,
    widest: u128,
    nothing: (),
    text: String,
    #[serde(default)]
    characters: Vec<char>,
    #[serde(default)]
    named: BTreeMap<String, String>,
    #[serde(rename = "$value")]
    shape: Shape,
}

fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        any::<char>(),
        prop::sample::select(vec![
            ' ', '\n', '\r', '\t', '\0', '\u{1}', '\u{85}', '<', '&', '"', '\u{FEFF}', '\u{FFFF}'
        ]),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Good, Kind::OnTime, Kind::Seven])
}

fn single() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1e-45,
            16_777_216.0
        ]),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Dot),
        any::<f64>().prop_map(|radius| Shape::Circle { radius }),
        text().prop_map(Shape::Named),
        text().prop_map(Shape::Text),
    ]
}

prop_compose! {
    fn any_mixed()(
        (mark, character, maybe_character) in (character(), character(), prop::option::of(character())),
        (kind, status, maybe_status) in (kind(), kind(), prop::option::of(kind())),
        (single, real, maybe_real) in (single(), single(), prop::option::of(single())),
        wide: i128, widest: u128,
        text in prop::collection::vec(character(), 0..4),
        characters in prop::collection::vec(character(), 0..3),
        named in prop::collection::btree_map("[a-c@]{1,2}", text(), 0..3),
        shape in shape(),
    ) -> Mixed {
        let text = text.into_iter().collect();
        Mixed {
            mark, kind, single, wide, character, maybe_character, status, maybe_status, real, maybe_real, widest,
            nothing: (), text, characters, named, shape,
        }
    }
}

#[test]
fn a_name_that_is_written_twice_is_refused() {
    #[derive(Serialize)]
    struct Doubled {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<&'static str, u8>,
    }
    is_refused(Doubled { a: 1, rest: BTreeMap::from([("a", 2)]) }, "field `a`: it is written twice");
    written(&[Doubled { a: 1, rest: BTreeMap::from([("b", 2)]) }]).unwrap();
}
