use serde::Deserialize;

use super::*;
use crate::readers::tests::{Input, detached_records_equal_reads, restarts_everywhere, splits_everywhere};

fn document(text: impl AsRef<[u8]>) -> Input {
    Input::new("trades.xml", text)
}

fn open<T>(input: &Input, element: &str) -> Result<XmlReader<T>, ReadError> {
    XmlReader::options().element(element).longest_record(1_000).open(&input.0)
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Trade {
    #[serde(rename = "@id")]
    id: u32,
    name: Option<String>,
    #[serde(default, rename = "trade")]
    inner: Vec<Trade>,
}

fn trade(id: u32, name: &str) -> Trade {
    Trade { id, name: (!name.is_empty()).then(|| name.to_owned()), inner: Vec::new() }
}

/// Reads to the end: the items, the errors about one of them, and the error that ends the reading.
fn read_on<T: DeserializeOwned>(reader: &mut XmlReader<T>) -> (Vec<T>, Vec<String>, Option<String>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    loop {
        match reader.read() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, errors, None),
            Err(error) if reader.steps_over(&error) => errors.push(error.to_string()),
            Err(error) => {
                let again = reader.read().err().map(|error| error.to_string());
                assert_eq!(again, Some(error.to_string()), "the next read fails alike");
                return (items, errors, Some(error.to_string()));
            }
        }
    }
}

const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE trades [ <!ENTITY x "]>"> <!-- ]> --> ]>
<!-- <trade id="0"/> -->
<trades xmlns:t="urn:t" note='a > b'><![CDATA[<trade id="0"/>]]><?pi <trade id="0"/>?>
  <trade id="1"><name>a &amp; b</name></trade><trade id="2"/>
  <group><t:trade id='3'
     note="/trade>"><!-- </trade> --><name><![CDATA[</trade>]]></name></t:trade></group>
  text <trade id="4"><trade id="5"><name>inner</name></trade><trade id="6"/></trade >
  <trader id="7"/><trade id="8"></trade>
</trades>
<!-- end -->
"#;

fn trades() -> Vec<Trade> {
    let nested = Trade { inner: vec![trade(5, "inner"), trade(6, "")], ..trade(4, "") };
    vec![trade(1, "a & b"), trade(2, ""), trade(3, "</trade>"), nested, trade(8, "")]
}

#[test]
fn a_restart_a_part_and_a_detached_element_read_what_one_reader_reads() {
    let mark = format!("\u{feff}{DOCUMENT}");
    for text in [DOCUMENT, &mark] {
        let input = document(text);
        restarts_everywhere(|| open(&input, "trade").unwrap(), &trades());
        splits_everywhere(|| open::<Trade>(&input, "trade").unwrap());
    }
    let input = document(DOCUMENT);
    let (direct, _, error) = read_on(&mut open::<Trade>(&input, "trades/trade").unwrap());
    assert_eq!((direct.len(), error), (4, None), "a path leads to the elements there only");
    let long = format!(
        "<a><b>1</b><b>{}</b><b>x</b><!--{}--><b>2</b></a>",
        "<!-- </b> -->".repeat(20_000),
        "</a>".repeat(100)
    );
    let input = document(long);
    let (items, errors, error) = read_on(&mut open::<u32>(&input, "b").unwrap());
    assert_eq!((items, errors.len(), error), (vec![1, 2], 2, None));
    restarts_everywhere(|| open::<u32>(&input, "b").unwrap(), &[1, 2]);
    splits_everywhere(|| open::<u32>(&input, "b").unwrap());
    let input = document(format!("<a>{}</a>", "<b>7</b>\n<c/>".repeat(20_000)));
    detached_records_equal_reads(|| open::<u32>(&input, "b").unwrap());
    let input = document("<b>7</b>");
    restarts_everywhere(|| open::<u32>(&input, "b").unwrap(), &[7]);
}

#[test]
fn each_flipped_byte_and_each_cut_is_noticed_or_changes_one_item() {
    let whole = trades();
    let text = DOCUMENT.as_bytes();
    let ends: Vec<usize> =
        ["</trade><trade id=\"2\"/>", "\n  <group>", "</group>", "\n  <trader", "\n</trades>"]
            .iter()
            .map(|after| DOCUMENT.find(after).unwrap())
            .collect();
    let known: Vec<&Trade> = whole.iter().chain(&whole[3].inner).collect();
    for byte in 0..text.len() {
        for mask in [1, 2, 0x20, 0xFF] {
            let mut damaged = text.to_vec();
            damaged[byte] ^= mask;
            let input = document(&damaged);
            let Ok(mut reader) = open::<Trade>(&input, "trade") else { continue };
            let (items, _, _) = read_on(&mut reader);
            let before = ends.iter().filter(|end| **end + 8 < byte).count();
            assert!(
                items.len() >= before && items[..before] == whole[..before],
                "{items:?}, damaged at {byte}"
            );
            for item in items.iter().skip(before + 1) {
                // Without its brackets, a comment or a section may expose its content.
                assert!(known.contains(&item) || item.id == 0 || item.id == 7, "{item:?}, damaged at {byte}");
            }
        }
        if !text[byte..].trim_ascii().is_empty() && byte < DOCUMENT.find("\n<!-- end").unwrap() {
            let input = document(&text[..byte]);
            if let Ok(mut reader) = open::<Trade>(&input, "trade") {
                let (items, errors, error) = read_on(&mut reader);
                assert!(error.is_some(), "cut at {byte}: {items:?}");
                assert!(errors.is_empty(), "{errors:?}");
                assert_eq!(items, whole[..items.len()]);
            }
        }
    }
}

/// The error that ends the reading of a document with records `b`, also if it refuses to open.
fn ends_with(text: &str) -> Option<String> {
    match open::<u32>(&document(text), "b") {
        Ok(mut reader) => read_on(&mut reader).2,
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn a_doctype_in_a_record_ends_the_reading_however_often_it_is_tried() {
    let error = ends_with("<a><b>1<!DOCTYPE a></b><b>2</b></a>").unwrap();
    assert!(error.contains("(byte 7): a DOCTYPE is inside an element"), "{error}");
}

#[test]
fn a_reference_is_one_only_in_texts_and_attributes() {
    let read = |text: &str| read_on(&mut open::<String>(&document(text), "b").unwrap());
    let (items, errors, _) =
        read("<a><b><![CDATA[&#0;]]></b><b><!--&#0;-->1</b><b>&#x0;</b><b c='&#1;'>2</b><b>&#0</b></a>");
    assert_eq!(items, ["&#0;", "1"]);
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn an_xml_declaration_is_read_strictly_at_the_start_and_refused_elsewhere() {
    for declaration in [
        "",
        "\u{feff}",
        "<?xml version=\"1.0\"?>",
        "<?xml\tversion = '1.0'\r\nencoding='us-ascii' standalone=\"yes\" ?>",
        "\u{feff}<?xml version='1.0' encoding='UTF-8'?>",
        "<?xml-stylesheet version='2.0' encoding='x'?>",
        "<?x?>",
        " <?xm l?>",
    ] {
        assert_eq!(ends_with(&format!("{declaration}<a><b>1</b></a>")), None, "{declaration}");
    }
    let long = format!("<?xml version='1.0'{}?>", " ".repeat(2_000));
    for (declaration, problem) in [
        (" <?xml version='1.0'?>", "white space is before"),
        ("\n<?xml version='1.0' encoding='iso-2022-jp'?>", "white space is before"),
        ("<!----><?xml version='1.0' encoding='iso-2022-jp'?>", "not at the start"),
        ("<?xml version='1.0'?><?xml version='1.0'?>", "not at the start"),
        ("<?XML version='1.0'?>", "malformed"),
        ("<?xml?>", "malformed"),
        ("<?xml version='1.0' encoding 'iso-2022-jp'?>", "malformed"),
        ("<?xml version='1.0' encoding=iso-2022-jp?>", "malformed"),
        ("<?xml version='1.0'encoding='iso-2022-jp'?>", "malformed"),
        ("<?xml encoding='UTF-8' version='1.0'?>", "malformed"),
        ("<?xml version='1.0' standalone='maybe'?>", "malformed"),
        (&long, "malformed"),
        ("<?xml version='1.0' encoding='iso-2022-jp'?>", "the encoding iso-2022-jp"),
        ("<?xml version='1.1'?>", "it is XML 1.1"),
    ] {
        let error = ends_with(&format!("{declaration}<a><b>1</b></a>")).unwrap();
        assert!(error.contains(problem), "{declaration}: {error}");
    }
    for before in ["<a>", "<a><b>1</b>"] {
        let error = ends_with(&format!("{before}<?xml version='1.0'?><b>2</b></a>")).unwrap();
        assert!(error.contains("not at the start"), "{error}");
    }
    let error = ends_with("<a><b>1<?xml version='1.0'?></b></a>").unwrap();
    assert!(error.contains("(byte 7): an XML declaration is inside an element"), "{error}");
    assert_eq!(ends_with("<a/><?x?>"), None);
}

#[test]
fn a_restart_at_the_first_position_reads_the_declaration_again() {
    let input = document("<?xml version='1.0'?><a><b>7</b></a>");
    let mut reader = open::<u32>(&input, "b").unwrap();
    let position = serde_json::to_string(&reader.position()).unwrap();
    assert_eq!(reader.read().unwrap(), Some(7));
    reader.resume(serde_json::from_str(&position).unwrap()).unwrap();
    assert_eq!(reader.read().unwrap(), Some(7));
}

#[test]
fn damage_between_records_is_noticed() {
    for (text, problem) in [
        ("<a><b>1</b><b#>2</b#></a>", "`b#` is not a valid name"),
        ("<a><b>1</b><c,/></a>", "`c,` is not a valid name"),
        ("<a><c\u{d7}/></a>", "`c\u{d7}` is not a valid name"),
        ("<a><\u{b7}c/></a>", "`\u{b7}c` is not a valid name"),
        ("<a><b>1</b>\0\0\0<b>3</b></a>", "XML cannot hold the character \\u{0}"),
        ("<a><b>1</b>\u{ffff}<b>3</b></a>", "XML cannot hold the character \\u{ffff}"),
    ] {
        let error = ends_with(text).unwrap();
        assert!(error.contains(problem), "{text}: {error}");
    }
    assert_eq!(ends_with("<a.b-c_d:\u{e9}\u{b7}><b>1</b></a.b-c_d:\u{e9}\u{b7}>"), None);
}

#[test]
fn an_element_or_attribute_that_occurs_twice_is_refused_where_only_one_value_would_be_kept() {
    use std::collections::{BTreeMap, HashMap};

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Flattened {
        id: String,
        #[serde(flatten)]
        rest: HashMap<String, String>,
    }

    fn reads<T: DeserializeOwned + Send + 'static>(element: &str) -> Result<T, String> {
        let input = document(format!("<a>\n<b><id>0</id></b>\n{element}\n<b><id>1</id></b></a>"));
        let (mut items, mut errors, end) = read_on(&mut open::<T>(&input, "b").unwrap());
        assert_eq!((items.len() + errors.len(), end), (3, None), "the records around it are read");
        let refused = errors.pop().map(|error| error.split_once("trades.xml").unwrap().1.to_owned());
        refused.map_or_else(|| Ok(items.remove(1)), Err)
    }

    for element in [
        "<b><id>7</id><x>1</x><x>2</x></b>",
        "<b><id>7</id><x>1</x><y>2</y><x>3</x></b>",
        "<b><x>1</x><id>7</id><x>1</x></b>",
    ] {
        let error = reads::<HashMap<String, String>>(element).unwrap_err();
        assert!(error.contains("line 3") && error.contains("column `x`"), "{error}");
        assert!(error.contains("duplicate field `x`, of which the item would keep only one"), "{error}");
        assert_eq!(reads::<BTreeMap<String, String>>(element).unwrap_err(), error);
        assert_eq!(reads::<Flattened>(element).map(drop).unwrap_err(), error);
    }
    let lists: HashMap<String, Vec<String>> = reads("<b><id>7</id><x>1</x><x>2</x></b>").unwrap();
    assert_eq!(lists["x"], ["1", "2"]);
}
