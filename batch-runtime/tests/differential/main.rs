//! The readers read what other readers read, for inputs that are often almost valid. The fuzz targets of `tests/fuzz` make
//! the same comparisons, for inputs that a fuzzer finds.

#![cfg(all(feature = "csv", feature = "encodings", feature = "fixed", feature = "xml"))]

mod checks;

use proptest::prelude::*;
use proptest::sample::select;

/// Joins pieces, of which any byte may be one.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        30 => select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const CSV: &[&str] = &[
    "a", "bc", "\u{e9}", "1", " ", ",", ",", "\"", "\"", "\"\"", "\n", "\n", "\r\n", "\r", "\u{feff}", "#",
    "sep=;",
];

const JSON: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "1",
    "-",
    "0",
    ".5",
    "e9",
    "e-999",
    "null",
    "true",
    "\"a\"",
    "\"a\":",
    "[1,2]",
    "{\"a\":[1]}",
    "\\u00e9",
    "\\ud834",
    "\u{e9}",
    "\u{30bd}",
    "\u{8868}\"",
    "\t",
    "/",
];

const XML: &[&str] = &[
    "<a>",
    "</a>",
    "<a/>",
    "<a id=\"1\">",
    "<a id='>'/>",
    "<b>",
    "</b>",
    "<x:a>",
    "</x:a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?p ",
    "?>",
    "&lt;",
    "&#49;",
    "&x;",
    "text",
    " ",
    "\n",
    "<",
    ">",
    "\"",
    "'",
    "\u{e9}",
    "\u{30bd}]",
    "\u{8868}",
    "<!DOCTYPE a [",
    "]>",
];

const FIXED: &[&str] =
    &["abc", "de", "12345", "        ", " ", "\n", "\n", "\r\n", "\r", "\u{e9}", "\u{1d11e}", "\u{feff}"];

proptest! {
    #[test]
    fn csv_is_read_as_the_csv_crate_reads_it(bytes in pieces(CSV)) {
        checks::csv(&bytes);
    }

    #[test]
    fn a_json_array_is_read_as_serde_json_reads_it(bytes in pieces(JSON)) {
        checks::json_array(&[b"[", &bytes[..], b"]"].concat());
        checks::json_array(&bytes);
    }

    #[test]
    fn xml_has_as_many_elements_as_quick_xml_finds(bytes in pieces(XML)) {
        checks::xml(&[b"<r>", &bytes[..], b"</r>"].concat());
        checks::xml(&bytes);
    }

    #[test]
    fn a_json_array_in_an_encoding_is_read_as_in_utf8(bytes in pieces(JSON), first: u8) {
        let text = String::from_utf8_lossy(&bytes);
        checks::json_array_in_an_encoding(&checks::encoded(first, &format!("[{text}]")));
        checks::json_array_in_an_encoding(&[&checks::encoded(first, "["), &bytes[..], b"\"]"].concat());
    }

    #[test]
    fn xml_in_an_encoding_is_read_as_in_utf8(bytes in pieces(XML), first: u8) {
        let text = String::from_utf8_lossy(&bytes);
        checks::xml_in_an_encoding(&checks::encoded(first, &format!("<r>{text}</r>")));
        checks::xml_in_an_encoding(&[&checks::encoded(first, "<r>"), &bytes[..], b"</r>"].concat());
    }

    #[test]
    fn fixed_width_columns_are_characters(bytes in pieces(FIXED)) {
        checks::fixed(&bytes);
    }
}
