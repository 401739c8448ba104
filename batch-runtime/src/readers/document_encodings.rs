//! A document of JSON or XML is read in every encoding as it is read in UTF-8, also after a restart and in parts.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tests::{Input, rest, restarts_everywhere, splits_everywhere, stored};
use super::{JsonArrayReader, ReadError};
use crate::definition::{Reader, Splittable};

/// The encodings of the tests: in one of them, a byte of markup may be a part of a character of most.
const ENCODINGS: [&str; 14] = [
    "utf-8",
    "windows-1252",
    "iso-8859-2",
    "iso-8859-3",
    "koi8-u",
    "windows-1255",
    "shift_jis",
    "euc-jp",
    "gbk",
    "gb18030",
    "big5",
    "euc-kr",
    "utf-16le",
    "utf-16be",
];

/// Encodings of each kind: as they are, or converted.
const SPLIT: [&str; 4] = ["windows-1252", "iso-8859-2", "shift_jis", "utf-16be"];

fn encoding(name: &str) -> &'static Encoding {
    Encoding::for_label(name.as_bytes()).unwrap()
}

/// Encodes a text; `None` if the encoding does not have all of its characters.
fn encoded(name: &str, text: &str) -> Option<Vec<u8>> {
    let encoding = encoding(name);
    if encoding == UTF_16LE {
        return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    if encoding == UTF_16BE {
        return Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    let (bytes, _, has_others) = encoding.encode(text);
    (!has_others).then(|| bytes.into_owned())
}

/// Characters that the encoding has: all of one byte, and those of two bytes of which the second is ASCII or a bracket of
/// a section.
fn characters(name: &str) -> Vec<char> {
    let encoding = encoding(name);
    let high = 0x80..=0xFF_u8;
    let twos = high.clone().flat_map(|first| b"[\\]{|}@_~0\x81\xFE".map(|second| vec![first, second]));
    let found = high.map(|byte| vec![byte]).chain(twos).filter_map(|bytes| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
        let mut characters = text.chars();
        let character = characters.next().filter(|_| characters.next().is_none())?;
        (encoded(name, &text)? == bytes && !character.is_control()).then_some(character)
    });
    let mut found: Vec<char> = found.collect();
    found.extend("é€ソ表功𝄞 \u{feff}".chars().filter(|one| encoded(name, &one.to_string()).is_some()));
    found
}

/// An encoding, and texts of its characters among those that markup is made of.
fn encoding_and_texts() -> impl Strategy<Value = (&'static str, Vec<String>)> {
    select(&ENCODINGS[..]).prop_flat_map(|name| {
        let high = select(characters(name));
        let low = select("[]{}\\\"<>&'/,: \n-!?x".chars().collect::<Vec<_>>());
        let text = prop::collection::vec(prop_oneof![3 => high, 2 => low], 0..12);
        let texts = prop::collection::vec(text.prop_map(String::from_iter), 0..7);
        (Just(name), texts)
    })
}

fn json_reader<T: DeserializeOwned>(
    input: &Input,
    at: &str,
    name: &str,
) -> Result<JsonArrayReader<T>, ReadError> {
    JsonArrayReader::options().at(at).encoding(name).longest_record(2_000).open(&input.0)
}

/// Reads to the end: the items, and the errors without the name of the file and without the offsets of bytes, which differ
/// from one encoding to the other.
fn outcomes<R: Reader<Error = ReadError>>(reader: Result<R, ReadError>) -> (Vec<R::Item>, Vec<String>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (items, vec![without_bytes(&error)]),
    };
    loop {
        match reader.read() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, errors),
            Err(error) => {
                errors.push(without_bytes(&error));
                if !reader.steps_over(&error) {
                    return (items, errors);
                }
            }
        }
    }
}

fn without_bytes(error: &ReadError) -> String {
    let text = without_path(error);
    let mut parts = text.split("byte ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "byte _" + part.trim_start_matches(|character: char| character.is_ascii_digit())
    })
}

fn without_path(error: &ReadError) -> String {
    error.to_string().strip_prefix(error.resource()).unwrap().to_owned()
}

/// A document with an array of these texts, a value that does not fit, and other members around it.
fn json_document(texts: &[String]) -> String {
    let mut items: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    items.insert(items.len() / 2, json!([texts]));
    let other = texts.concat();
    let document = json!({ "a": { &other: other, "data": items }, "z": other });
    serde_json::to_string_pretty(&document).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_json_document_in_any_encoding_reads_as_in_utf8((name, texts) in encoding_and_texts()) {
        let text = json_document(&texts);
        let input = Input::new("array.json", encoded(name, &text).unwrap());
        let utf8 = Input::new("array.json", &text);
        let expected = outcomes(json_reader::<String>(&utf8, "/a/data", "utf-8"));
        prop_assert_eq!(&expected.0, &texts);
        prop_assert_eq!(outcomes(json_reader::<String>(&input, "/a/data", name)), expected);
        restarts_everywhere(|| json_reader::<String>(&input, "/a/data", name).unwrap(), &texts);
        let around = |input, name| json_reader::<String>(input, "/a/data", name).unwrap().rest::<Value>().unwrap();
        prop_assert_eq!(around(&input, name), around(&utf8, "utf-8"));
    }

    #[test]
    fn a_cut_json_document_in_any_encoding_is_noticed(
        (name, texts) in encoding_and_texts(),
        cut: Index,
    ) {
        let whole = encoded(name, &json_document(&texts)).unwrap();
        let length = cut.index(whole.len());
        let input = Input::new("array.json", &whole[..length]);
        let (items, errors) = outcomes(json_reader::<String>(&input, "/a/data", name));
        prop_assert!(!errors.is_empty());
        prop_assert_eq!(&items[..], &texts[..items.len()]);
    }
}

#[test]
fn a_json_array_splits_unless_it_is_converted() {
    for name in SPLIT {
        let some: Vec<String> = characters(name).chunks(9).map(String::from_iter).take(6).collect();
        let input = Input::new("array.json", encoded(name, &json_document(&some)).unwrap());
        splits_everywhere(|| json_reader::<String>(&input, "/a/data", name).unwrap());
        let parts = json_reader::<String>(&input, "/a/data", name).unwrap().split(3).unwrap().len();
        assert_eq!(parts == 1, !encoding(name).is_single_byte(), "{name}");
    }
}

/// The offset of a part in the bytes that the framing reads: those of the file, or those of the converted text.
fn place(name: &str, text: &str, part: &str) -> usize {
    let name = if encoding(name).is_single_byte() { name } else { "utf-8" };
    let bytes = |text| encoded(name, text).unwrap();
    memchr::memmem::find(&bytes(text), &bytes(part)).unwrap()
}

#[test]
fn a_bad_json_element_is_named_by_its_bytes_in_the_file_unless_that_is_converted() {
    #[derive(Debug, Deserialize)]
    struct Named {
        #[expect(dead_code, reason = "only errors are looked at")]
        name: String,
    }
    let text = "[{\"name\": \"é\"},\n {\"é\": 1,\n \"é\": 2, \"name\": 7}]";
    for name in ["utf-8", "windows-1252", "gbk", "utf-16le"] {
        let start = place(name, text, "{\"é\"");
        let end = place(name, text, "7") + 1;
        let input = Input::new("array.json", encoded(name, text).unwrap());
        let mut reader = json_reader::<Named>(&input, "", name).unwrap();
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert_eq!(error.record_byte(), Some(start as u64), "{name}");
        assert!(error.to_string().contains("line 2: /1: invalid type: integer `7`"), "{name}: {error}");
        assert!(
            error.to_string().contains(&format!("(at line 3, character 18, byte {end})")),
            "{name}: {error}"
        );
        let record = "{\"é\": 1,\n \"é\": 2, \"name\": 7}";
        assert_eq!(reader.record(&error).as_deref(), Some(record), "{name}");
    }
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_encoding() {
    for (name, bytes) in [("iso-8859-3", &b"\xA5"[..]), ("shift_jis", b"\x83\xFF"), ("big5", b"\xFF")] {
        let encoding = encoding(name).name();
        let input = Input::new("array.json", [b"[\"a\", \"", bytes, b"\", \"c\"]"].concat());
        let (items, errors) = outcomes(json_reader::<String>(&input, "", name));
        assert_eq!((items, errors.len()), (vec!["a".to_owned(), "c".to_owned()], 1), "{name}");
        assert!(errors[0].contains(&format!("invalid {encoding}")), "{errors:?}");
        let input = Input::new("array.json", [b"{\"a\": \"", bytes, b"\", \"b\": []}"].concat());
        let (_, errors) = outcomes(json_reader::<String>(&input, "/b", name));
        assert!(errors[0].contains(&format!("invalid {encoding}")), "{errors:?}");
    }
}

#[test]
fn a_restart_in_a_long_converted_document_converts_from_a_place_before_its_position() {
    let items: Vec<String> = (0..20_000).map(|number| format!("{number} ソ表]\\")).collect();
    let text = serde_json::to_string_pretty(&items).unwrap();
    for name in ["shift_jis", "gb18030", "utf-16be"] {
        let input = Input::new("array.json", encoded(name, &text).unwrap());
        let mut reader = json_reader::<String>(&input, "", name).unwrap();
        for (item, number) in items.iter().zip(1..) {
            assert_eq!(reader.read().unwrap().as_ref(), Some(item));
            if number % 4_999 == 0 {
                let position = serde_json::to_value(reader.position()).unwrap();
                assert!(position["input"]["member"]["stored"].as_u64() > Some(0), "{position}");
                let mut restarted = json_reader::<String>(&input, "", name).unwrap();
                restarted.resume(stored(&reader)).unwrap();
                assert_eq!(rest(&mut restarted), items[number..]);
            }
        }
    }
}

#[test]
fn a_document_in_another_encoding_than_the_one_set_is_refused() {
    let utf16 = encoded("utf-16le", "\u{feff}[\"a\"]").unwrap();
    for (bytes, name, problem) in [
        (&utf16[..], "utf-8", "it is UTF-16; set `encoding(\"utf-16\")`, or convert the input to UTF-8"),
        (&utf16, "shift_jis", "it is UTF-16LE, but the encoding is set to Shift_JIS"),
        (
            b"\xEF\xBB\xBF[]",
            "windows-1252",
            "it begins with the byte order mark of UTF-8, but another encoding is set",
        ),
        (
            b"\xEF\xBB\xBF[]",
            "gbk",
            "it begins with the byte order mark of UTF-8, but another encoding is set",
        ),
        (b"[]", "cp037", "documents cannot be read in cp037; convert the input to UTF-8"),
        (
            b"[]",
            "iso-2022-jp",
            "records cannot be found in ISO-2022-JP, which does not keep ASCII characters as single bytes; convert the \
             input to UTF-8",
        ),
    ] {
        let error = json_reader::<String>(&Input::new("array.json", bytes), "", name).unwrap_err();
        assert!(error.is_about_the_input(), "{error}");
        assert_eq!(without_path(&error), format!(": {problem}"));
    }
}

#[cfg(feature = "xml")]
mod xml {
    use std::fmt::Write as _;

    use super::*;
    use crate::readers::XmlReader;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Row {
        #[serde(rename = "@name")]
        name: String,
        #[serde(default)]
        text: String,
    }

    fn reader(input: &Input, name: Option<&str>) -> Result<XmlReader<Row>, ReadError> {
        let options = XmlReader::options().element("row").longest_record(4_000);
        match name {
            Some(name) => options.encoding(name),
            None => options,
        }
        .open(&input.0)
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace("]]>", "]]&gt;")
    }

    /// A document with these texts in elements, in sections, and between the elements, and an element that does not fit.
    fn document(declared: Option<&str>, texts: &[String]) -> String {
        let plain = texts.concat().replace('>', "");
        let comment = plain.replace('-', "");
        let mut text =
            declared.map_or(String::new(), |name| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>"));
        writeln!(text, "<!DOCTYPE t [ <!-- {comment} --> <!ENTITY e \"{}\"> ]>", escaped(&plain)).unwrap();
        writeln!(text, "<t><!--{comment} --><![CDATA[{plain}]]>").unwrap();
        for (number, item) in texts.iter().enumerate() {
            let (item, section) = (escaped(item), item.replace('>', ""));
            let bad = if number == 1 { "<row/>" } else { "" };
            write!(
                text,
                "<row name=\"{item}\"><!--{comment} --><text>x{item}<![CDATA[{section}]]></text></row>"
            )
            .unwrap();
            write!(text, "{bad}\n{item}").unwrap();
        }
        text + "</t>\n"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn an_xml_document_in_any_encoding_reads_as_in_utf8(
            (name, texts) in encoding_and_texts(),
            is_declared: bool,
        ) {
            let text = document(None, &texts);
            let expected = outcomes(reader(&Input::new("rows.xml", &text), None));
            prop_assert_eq!(expected.0.len(), texts.len());
            // In UTF-16, a document has a byte order mark, or names its encoding.
            let text = if is_declared { document(Some(name), &texts) } else { text };
            let input = Input::new("rows.xml", encoded(name, &text).unwrap());
            let set = (!is_declared).then_some(name);
            prop_assert_eq!(outcomes(reader(&input, set)), expected.clone());
            restarts_everywhere(|| reader(&input, set).unwrap(), &expected.0);
        }

        #[test]
        fn a_cut_xml_document_in_any_encoding_is_noticed(
            (name, texts) in encoding_and_texts(),
            cut: Index,
        ) {
            let text = document(None, &texts);
            let expected = outcomes(reader(&Input::new("rows.xml", &text), None)).0;
            let whole = encoded(name, text.trim_end()).unwrap();
            let input = Input::new("rows.xml", &whole[..cut.index(whole.len())]);
            let (items, errors) = outcomes(reader(&input, Some(name)));
            prop_assert!(!errors.is_empty());
            prop_assert_eq!(&items[..], &expected[..items.len()]);
        }
    }

    #[test]
    fn an_xml_document_splits_unless_it_is_converted() {
        for name in SPLIT {
            let some: Vec<String> = characters(name).chunks(9).map(String::from_iter).take(6).collect();
            let input = Input::new("rows.xml", encoded(name, &document(Some(name), &some)).unwrap());
            splits_everywhere(|| reader(&input, None).unwrap());
            let parts = reader(&input, None).unwrap().split(3).unwrap().len();
            assert_eq!(parts == 1, !encoding(name).is_single_byte(), "{name}");
        }
    }

    #[test]
    fn names_are_compared_in_any_encoding() {
        for (name, word) in
            [("windows-1252", "prix·é"), ("iso-8859-2", "cenął"), ("gbk", "表"), ("shift_jis", "ソ表")]
        {
            let text = format!(
                "<?xml version='1.0' encoding='{name}'?><r:{word} xmlns:r='{word}'><x><{word}>1</{word}></x>\
                 <{word}>2</{word}></r:{word}>"
            );
            let input = Input::new("rows.xml", encoded(name, &text).unwrap());
            let open =
                || XmlReader::<u32>::options().element(format!("{word}/{word}")).open(&input.0).unwrap();
            restarts_everywhere(open, &[2]);
            let input = Input::new("rows.xml", encoded(name, &format!("{text}</{word}>")).unwrap());
            let options = XmlReader::<u32>::options().element(word).encoding(name);
            let last = outcomes(options.open(&input.0)).1.pop().unwrap();
            assert!(last.contains(&format!("`</{word}>` closes no element")), "{last}");
        }
    }

    #[test]
    fn a_bad_element_is_named_by_its_bytes_in_the_file_unless_that_is_converted() {
        let text = "<t>é é\n<row name='a'></row>\n<row n='é'/></t>";
        for name in ["utf-8", "windows-1252", "gbk", "utf-16le"] {
            let byte = place(name, text, "<row n=");
            let input = Input::new("rows.xml", encoded(name, text).unwrap());
            let mut reader = reader(&input, Some(name)).unwrap();
            reader.read().unwrap();
            let error = reader.read().unwrap_err();
            assert!(error.to_string().contains("line 3, column `@name`"), "{name}: {error}");
            assert!(
                error.to_string().contains(&format!("(in the element at byte {byte})")),
                "{name}: {error}"
            );
            assert_eq!(reader.record(&error).as_deref(), Some("<row n='é'/>"), "{name}");
        }
    }

    #[test]
    fn a_byte_order_mark_of_utf16_and_a_declaration_are_believed() {
        let body = "<t><row name='é'/></t>";
        for name in ["utf-16le", "utf-16be"] {
            for declaration in ["", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='UTF-16'?>"] {
                let text = format!("\u{feff}{declaration}{body}");
                let input = Input::new("rows.xml", encoded(name, &text).unwrap());
                let (rows, errors) = outcomes(reader(&input, None));
                assert_eq!((&*rows[0].name, errors), ("é", vec![]), "{name} {declaration}");
            }
        }
        for (declared, name) in [("ISO-8859-1", "windows-1252"), ("us-ascii", "utf-8"), ("GB2312", "gbk")] {
            let text = format!("<?xml version='1.0' encoding='{declared}' standalone=\"yes\"?>{body}");
            let input = Input::new("rows.xml", encoded(name, &text).unwrap());
            for set in [None, Some(name)] {
                let (rows, errors) = outcomes(reader(&input, set));
                assert_eq!((&*rows[0].name, errors), ("é", vec![]), "{declared}");
            }
        }
    }

    #[test]
    fn a_declaration_that_contradicts_the_option_or_the_first_bytes_is_refused() {
        for (name, mark, declared, set, problem) in [
            (
                "windows-1252",
                "",
                "ISO-8859-1",
                Some("utf-8"),
                "the encoding is set to UTF-8, but it is declared to be in the encoding ISO-8859-1; leave out the option, \
                 or correct the declaration",
            ),
            ("koi8-u", "", "utf-8", Some("koi8-u"), "the encoding is set to KOI8-U, but it is declared"),
            ("utf-16le", "", "utf-8", Some("utf-16le"), "the encoding is set to UTF-16, but it is declared"),
            (
                "utf-8",
                "\u{feff}",
                "ISO-8859-1",
                None,
                "it begins as a document in UTF-8, but it is declared to be in the encoding ISO-8859-1; correct the",
            ),
            ("utf-16be", "\u{feff}", "utf-8", None, "it begins as a document in UTF-16, but it is declared"),
            ("utf-16be", "", "utf-8", None, "it begins as a document in UTF-16, but it is declared"),
            (
                "utf-8",
                "",
                "UTF-16",
                None,
                "it is declared to be in the encoding UTF-16, but does not begin as a document in it; correct the",
            ),
            (
                "utf-8",
                "",
                "latin-7000",
                None,
                "it is declared to be in the encoding latin-7000: there is no encoding",
            ),
            (
                "utf-8",
                "",
                "iso-2022-jp",
                None,
                "it is declared to be in the encoding iso-2022-jp: records cannot",
            ),
            (
                "utf-8",
                "",
                "cp037",
                None,
                "it is declared to be in the encoding cp037: documents cannot be read",
            ),
        ] {
            let text = format!("{mark}<?xml version='1.0' encoding='{declared}'?><t/>");
            let input = Input::new("rows.xml", encoded(name, &text).unwrap());
            let error = reader(&input, set).unwrap_err();
            assert!(error.is_about_the_input(), "{error}");
            assert!(without_path(&error).starts_with(&format!(": {problem}")), "{error}");
        }
    }

    #[test]
    fn utf16_without_a_mark_must_be_declared_or_set() {
        let body = "<t><row name='é'/></t>";
        let bare = Input::new("rows.xml", encoded("utf-16le", body).unwrap());
        let error = reader(&bare, None).unwrap_err();
        assert!(
            error.to_string().contains("it is UTF-16; set `encoding(\"utf-16le\")`, or convert"),
            "{error}"
        );
        assert_eq!(rest(&mut reader(&bare, Some("utf-16le")).unwrap()).len(), 1);
        let text = format!("<?xml version='1.0' encoding='utf-16'?>{body}");
        let declared = Input::new("rows.xml", encoded("utf-16be", &text).unwrap());
        assert_eq!(rest(&mut reader(&declared, None).unwrap()).len(), 1);
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn a_compressed_document_in_any_encoding_restarts_everywhere() {
        use std::io::Write as _;

        for name in ENCODINGS {
            let some: Vec<String> = characters(name).chunks(9).map(String::from_iter).take(3).collect();
            let text = document(Some(name), &some);
            let expected = outcomes(reader(&Input::new("rows.xml", document(None, &some)), None)).0;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&encoded(name, &text).unwrap()).unwrap();
            let input = Input::new("rows.xml.gz", gzip.finish().unwrap());
            restarts_everywhere(|| reader(&input, None).unwrap(), &expected);
        }
    }
}
