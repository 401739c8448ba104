//! Promises of the reader of XML elements: a document is read to its end or refused, and bad elements are named.
#![cfg(feature = "xml")]
#![allow(missing_docs, reason = "a test")]

mod folder;

use batch_runtime::readers::{ReadError, XmlOptions, XmlReader};
use batch_runtime::{Date, DateTime, Reader};
use folder::Folder;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Debug, PartialEq, Deserialize)]
struct Trade {
    #[serde(rename = "@id")]
    id: u32,
    name: String,
}

/// Reads to the end; the ids of the items, the errors about one, and the error that ends the reading.
fn read_on(text: impl AsRef<[u8]>) -> (Vec<u32>, Vec<String>, Option<String>) {
    let folder = Folder::new();
    let path = folder.file("in.xml", text);
    let shown = |error: &ReadError| error.to_string().split_once("in.xml").unwrap().1.to_owned();
    let (mut ids, mut errors) = (Vec::new(), Vec::new());
    let mut reader = match XmlReader::<Trade>::options().element("trade").longest_record(1_000).open(path) {
        Ok(reader) => reader,
        Err(error) => return (ids, errors, Some(shown(&error))),
    };
    loop {
        match reader.read() {
            Ok(Some(trade)) => ids.push(trade.id),
            Ok(None) => return (ids, errors, None),
            Err(error) if reader.steps_over(&error) => errors.push(shown(&error)),
            Err(error) => {
                assert!(error.is_about_the_input(), "{error}");
                return (ids, errors, Some(shown(&error)));
            }
        }
    }
}

const GOOD: &str = r#"<trade id="1"><name>a</name></trade>"#;

#[test]
fn a_bad_element_is_named_by_its_line_its_byte_and_its_field_and_the_next_is_read() {
    for (bad, message) in [
        (
            r#"<trade id="2"></trade>"#,
            ", column `name`: missing field `name` (in the element at byte 22), found `<trade id=\"2\"></trade>`",
        ),
        (
            r#"<trade id="x"><name/></trade>"#,
            ": invalid type: string \"x\", expected u32 (in the element at byte 22), found `<trade id=\"x\">",
        ),
        (r#"<trade id="2"><name></x></name></trade>"#, ": ill-formed document"),
        (r#"<trade id="2"><name>a</trade>"#, ": ill-formed document"),
        (r#"<trade id="2"><name>&bomb;</name></trade>"#, ": "),
        (r#"<trade id="2" id="3"><name>a</name></trade>"#, ": "),
        ("<trade id=\"2\"><name>\u{1}</name></trade>", ": XML cannot hold the character \\u{1}"),
        (r#"<trade id="2"><name>&#x1;</name></trade>"#, ": XML cannot hold the character `&#x1;`"),
    ] {
        let (ids, errors, error) = read_on(format!("<t><!-- a comment -->\n{bad}{GOOD}</t>"));
        assert_eq!((ids, error, errors.len()), (vec![1], None, 1), "{bad}");
        assert!(errors[0].starts_with(&format!(", line 2{message}")), "{errors:?}");
    }
    let (ids, errors, error) = read_on(
        [b"<t>", &b"<trade id=\"2\"><name>\xFF</name></trade>"[..], GOOD.as_bytes(), b"</t>"].concat(),
    );
    assert_eq!((ids, errors.len(), error), (vec![1], 1, None));
    let long = format!("<trade id=\"2\"><name>{}</name></trade>", "x".repeat(500_000));
    let (ids, errors, error) = read_on(format!("<t>{long}{GOOD}</t>"));
    assert_eq!((ids, error), (vec![1], None));
    assert!(errors[0].contains("is a closing tag missing?"), "{errors:?}");
}

#[test]
fn the_text_of_a_bad_element_is_its_record() {
    let folder = Folder::new();
    let path = folder.file("in.xml", format!("<t> <trade id='2'>\n<x/></trade>{GOOD}</t>"));
    let mut reader = XmlReader::<Trade>::options().element("trade").open(path).unwrap();
    let error = reader.read().unwrap_err();
    assert_eq!(reader.record(&error).as_deref(), Some("<trade id='2'>\n<x/></trade>"));
}

#[test]
fn a_document_that_is_broken_is_never_read_as_if_it_ended_there() {
    for (text, ids, message) in [
        (
            format!("<t>{GOOD}"),
            1,
            ", line 1 (byte 39): the document ends, but `t` is open; is the file truncated?",
        ),
        (
            format!("<t>{GOOD}<trade id=\"2\"><na"),
            1,
            ", line 1 (byte 39): the document ends in an element `trade`",
        ),
        (format!("<t>{GOOD}</u>"), 1, ", line 1 (byte 39): `</u>` closes no element: `t` is open"),
        (format!("<t>{GOOD}</t></t>"), 1, ", line 1 (byte 43): `</t>` closes no element: none is open"),
        (format!("<t>{GOOD}</t><t/>"), 1, ", line 1 (byte 43): the document has ended, but `<t>` follows"),
        (format!("<t>{GOOD}</t>\nx"), 1, ", line 1 (byte 43): the document has ended, but text follows: `x`"),
        (format!("<t>{GOOD}<!-- "), 1, ", line 1 (byte 39): the document ends"),
        (format!("<t>{GOOD}<!-- -- --></t>"), 1, ", line 1 (byte 44): a comment contains `--`"),
        (format!("<t>{GOOD}< a></t>"), 1, ", line 1 (byte 39): `<` begins no tag"),
        (
            format!("<t>{GOOD}<trade id=\"2><name>x</name></trade></t>"),
            1,
            ", line 1 (byte 39): the value of an attribute has no closing quote",
        ),
        (format!("<t>{GOOD}<!DOCTYPE t></t>"), 1, ", line 1 (byte 39): a DOCTYPE is inside an element"),
        (String::new(), 0, ", line 1 (byte 0): it is empty: an XML document was expected"),
        (
            "id,name\n1,a\n".into(),
            0,
            ", line 1 (byte 0): an XML document was expected, found: `id,name\\n1,a`",
        ),
        (
            format!("{}{}", "<a>".repeat(200), "</a>".repeat(200)),
            0,
            ", line 1 (byte 384): more than 128 elements are open",
        ),
        (
            format!("<t><!--{}", "x".repeat(500_000)),
            0,
            ", line 1 (byte 3): the markup that begins here does not end within 1000 bytes",
        ),
    ] {
        let (read, errors, error) = read_on(&text);
        assert_eq!((read.len(), errors.len()), (ids, 0), "{text}");
        let error = error.expect(&text);
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn no_entity_that_a_doctype_declares_is_expanded() {
    let text = "<!DOCTYPE t [<!ENTITY a \"b\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]><t><trade id=\"1\"><name>&a;&x;</name></trade></t>";
    let (ids, errors, error) = read_on(text);
    assert_eq!((ids.len(), errors.len(), error), (0, 1, None));
}

#[test]
fn an_encoding_that_is_not_read_is_refused_when_the_file_is_opened() {
    for (text, message) in [
        (
            "<?xml version=\"1.0\" encoding='ISO-2022-JP'?><t/>",
            ": it is declared to be in the encoding ISO-2022-JP: ",
        ),
        ("<?xml version=\"1.1\"?><t/>", ": it is XML 1.1; XML 1.0 was expected"),
    ] {
        let error = read_on(text).2.unwrap();
        assert!(error.starts_with(message), "{error}");
    }
    assert_eq!(read_on("<?xml version=\"1.0\" encoding=\"utf-8\"?><t/>"), (vec![], vec![], None));
    let text: Vec<u8> = "<?xml version=\"1.0\"?><t/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        read_on(text).2.unwrap(),
        ": it is UTF-16; set `encoding(\"utf-16le\")`, or convert the input to UTF-8"
    );
}

#[test]
fn a_namespace_declared_around_an_element_holds_within_it_also_after_a_restart() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Price {
        value: Option<u32>,
    }
    let folder = Folder::new();
    let text = r#"<t xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><p><value>1</value></p><p><value xsi:nil="true"/></p></t>"#;
    let path = folder.file("in.xml", text);
    let open = || XmlReader::<Price>::options().element("p").open(&path).unwrap();
    let mut first = open();
    assert_eq!(first.read().unwrap(), Some(Price { value: Some(1) }));
    let mut second = open();
    second.resume(first.position()).unwrap();
    assert_eq!(second.read().unwrap(), Some(Price { value: None }));
}

#[test]
fn an_element_must_be_named() {
    for name in ["", "a//b", "/a", "a b", "<a>"] {
        let folder = Folder::new();
        let path = folder.file("in.xml", "<a/>");
        XmlReader::<Trade>::options().element(name).open(path).unwrap_err();
    }
}

#[test]
fn white_space_is_kept_unless_it_is_the_only_text_of_an_element_that_is_a_struct() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Note {
        #[serde(rename = "@tag")]
        tag: String,
        #[serde(rename = "$text")]
        text: Option<String>,
        field: String,
    }
    let folder = Folder::new();
    let read = |text: &str| {
        let path = folder.file("in.xml", format!("<a>\n  {text}\n</a>"));
        XmlReader::<Note>::options().element("note").open(path).unwrap().read().unwrap().unwrap()
    };
    let note = |tag: &str, text: Option<&str>, field: &str| Note {
        tag: tag.into(),
        text: text.map(str::to_owned),
        field: field.into(),
    };
    let layout = read("<note tag=' \t\r\n'>\n  <field> \t\r\n\r </field>\n</note>");
    assert_eq!(layout, note("   ", None, " \t\n\n "), "line endings are normalised as XML prescribes");
    let text = read("<note tag='&#9;&#13;&#10;'> a\r\n <field>&#13;&#10;<![CDATA[ ]]></field></note>");
    assert_eq!(text, note("\t\r\n", Some(" a\n "), "\r\n "));
    let written = read("<note tag=''>&#32;<![CDATA[ ]]><field/></note>");
    assert_eq!(written, note("", None, ""), "also as a reference or in a section");
}

/// The number of items of a document, or the error that ends the reading.
fn count(options: XmlOptions<IgnoredAny>, text: &str) -> Result<usize, String> {
    let folder = Folder::new();
    let mut reader = options.open(folder.file("in.xml", text)).unwrap();
    let mut items = 0;
    loop {
        match reader.read() {
            Ok(Some(_)) => items += 1,
            Ok(None) => return Ok(items),
            Err(error) => {
                assert!(!reader.steps_over(&error) && error.is_about_the_input(), "{error}");
                return Err(error.to_string().split_once("in.xml: ").unwrap().1.to_owned());
            }
        }
    }
}

#[test]
fn a_document_with_other_elements_in_the_place_of_the_wanted_ones_is_refused() {
    let options = || XmlReader::options().element("day/trades/trade");
    for (text, instead) in [
        ("<day><trades><Trade/></trades></day>", "day/trades/Trade"),
        ("<day><head/><trades><Trade/></trades></day>", "day/trades/Trade"),
        ("<days><trades><trade/></trades></days>", "days"),
        ("<day><Trades><trade/></Trades></day>", "day/Trades"),
    ] {
        let expected = format!(
            "it has no element `day/trades/trade`, but `{instead}`; name that one, or add `.may_be_absent()` if the document \
             may lack it"
        );
        assert_eq!(count(options(), text), Err(expected), "{text}");
        assert_eq!(count(options().may_be_absent(), text), Ok(0), "{text}");
    }
    for text in ["<day/>", "<day><trades/></day>", "<day><head><a/></head><trades> </trades></day>"] {
        assert_eq!(count(options(), text), Ok(0), "{text}");
    }
    assert_eq!(count(options(), "<day><head/><trades><x/><trade/></trades></day>"), Ok(1));
    let anywhere = || XmlReader::options().element("trade");
    assert!(
        count(anywhere(), "<day><Trade/></day>").unwrap_err().contains("no element `trade`, but `day/Trade`")
    );
    assert_eq!(count(anywhere(), "<day/>"), Ok(0));
}

#[test]
fn a_date_or_time_that_would_lose_a_part_is_refused() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Day {
        day: Option<Date>,
        at: Option<DateTime>,
    }
    let read = |text: &str| {
        let folder = Folder::new();
        let path = folder.file("in.xml", format!("<days><d>{text}</d></days>"));
        XmlReader::<Day>::options().element("d").open(path).unwrap().read().map_err(|error| error.to_string())
    };
    for (text, expected) in [
        ("<day>2024-01-31T10:00</day>", "expected a date alone"),
        ("<at>2024-01-31T10:00+02:00</at>", "expected a date and time without an offset"),
        ("<at>2024-01-31</at>", "expected a date with its time"),
        ("<at>20240131</at>", "expected a date with its time"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let whole = read("<day>2024-01-31</day><at>2024-01-31T10:00:59</at>").unwrap().unwrap();
    assert_eq!(whole.at.map(|at| (Some(at.date()), at.second())), Some((whole.day, 59)));
}
