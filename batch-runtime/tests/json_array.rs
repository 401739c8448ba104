//! Promises of the reader of JSON arrays: a document is read to its end or refused, bad elements are named, and
//! the document around the array is not lost.

#![allow(missing_docs, reason = "a test")]

mod folder;

use batch_runtime::Reader;
use batch_runtime::readers::{JsonArrayReader, ReadError};
use folder::Folder;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Debug, PartialEq, Deserialize)]
struct Trade {
    id: u32,
    name: String,
}

fn open_at(folder: &Folder, at: &str, text: impl AsRef<[u8]>) -> Result<JsonArrayReader<Trade>, ReadError> {
    JsonArrayReader::options().at(at).open(folder.file("in.json", text))
}

/// Reads to the end; the ids of the items, and the message of the error that ends the reading.
fn read_on(reader: &mut JsonArrayReader<Trade>) -> (Vec<u32>, Option<String>) {
    let mut ids = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(trade)) => ids.push(trade.id),
            Ok(None) => return (ids, None),
            Err(error) if reader.steps_over(&error) => {}
            Err(error) => {
                assert!(error.is_about_the_input(), "{error}");
                return (ids, Some(error.to_string().split_once("in.json").unwrap().1.to_owned()));
            }
        }
    }
}

fn refused(at: &str, text: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    let error = open_at(&folder, at, text).map(|_| ()).unwrap_err();
    assert!(error.is_about_the_input());
    error.to_string().split_once("in.json").unwrap().1.to_owned()
}

#[test]
fn a_bad_element_is_named_by_its_line_its_byte_and_its_pointer() {
    let folder = Folder::new();
    let text = r#"{"data": [
  {"id": 1, "name": "a"},
  {"id": "x", "name": "b"},
  {
    "id": 3
  },
  {"id": 4, "name": "d",},
  {"id": 5, "name": "e"}
]}"#;
    let mut trades = open_at(&folder, "/data", text).unwrap();
    assert_eq!(trades.read().unwrap().unwrap().id, 1);
    for (line, shown, record) in [
        (
            3,
            "line 3: /data/1: invalid type: string \"x\", expected u32 (at character 10, byte 49), found \
             `{\"id\": \"x\", \"name\": \"b\"}`",
            r#"{"id": "x", "name": "b"}"#,
        ),
        (
            4,
            "line 4: /data/2: missing field `name` (at line 6, character 3, byte 84), found \
             `{\\n    \"id\": 3\\n  }`",
            "{\n    \"id\": 3\n  }",
        ),
        (
            7,
            "line 7: /data/3: trailing comma (at character 23, byte 111), found `{\"id\": 4, \"name\": \"d\",}`",
            r#"{"id": 4, "name": "d",}"#,
        ),
    ] {
        let error = trades.read().unwrap_err();
        assert!(error.is_about_a_record());
        let message = error.to_string();
        assert!(message.ends_with(shown), "{message}");
        let ReadError::Record { line: found, byte, .. } = error else { panic!("{error:?}") };
        assert_eq!((found, &text[usize::try_from(byte).unwrap()..][..record.len()]), (line, record));
        assert_eq!(trades.record(&error).as_deref(), Some(record));
    }
    assert_eq!(trades.read().unwrap().unwrap().id, 5);
    assert_eq!(trades.read().unwrap(), None);
}

#[test]
fn invalid_utf8_is_an_error_about_its_element_also_in_fields_that_the_item_ignores() {
    let folder = Folder::new();
    for bad in [&b"{\"id\":1,\"name\":\"\xFF\"}"[..], b"{\"id\":1,\"name\":\"a\",\"x\":\"\xFF\"}"] {
        let text = [b"[", bad, b", {\"id\":2,\"name\":\"b\"}]"].concat();
        let mut trades = open_at(&folder, "", text).unwrap();
        let error = trades.read().unwrap_err();
        let ReadError::InvalidUtf8 { byte, .. } = &error else { panic!("{error:?}") };
        assert_eq!(bad[usize::try_from(*byte).unwrap() - 1], 0xFF);
        assert!(error.to_string().contains("`/0`"), "{error}");
        assert_eq!(trades.record(&error).unwrap(), String::from_utf8_lossy(bad));
        assert_eq!(read_on(&mut trades), (vec![2], None));
    }
}

#[test]
fn an_element_over_the_limit_is_an_error_and_the_next_is_read() {
    let folder = Folder::new();
    for length in [200, 1_000_000] {
        let long = format!("{{\"id\":1,\"name\":\"{}\"}}", "]".repeat(length));
        let path = folder.file("in.json", format!("[{long}, {{\"id\":2,\"name\":\"b\"}}]"));
        let options = JsonArrayReader::<Trade>::options().longest_record(100);
        let mut trades = options.open(path).unwrap();
        let error = trades.read().unwrap_err();
        assert!(error.to_string().contains("the record is longer than 100 bytes"), "{error}");
        assert_eq!(read_on(&mut trades), (vec![2], None));
    }
}

#[test]
fn a_document_that_is_broken_is_never_read_as_if_it_ended_there() {
    let one = r#"{"id":1,"name":"a"}"#;
    let folder = Folder::new();
    for (text, ids, message) in [
        (
            format!("[{one}, {one}"),
            2,
            ", line 1 (byte 41): the document ends in the array; is the file truncated?",
        ),
        (format!("[{one},"), 1, ", line 1 (byte 21): the document ends in the array; is the file truncated?"),
        (
            format!("[{one},\n{{\"id\":2,\"na"),
            1,
            ", line 2 (byte 22): the document ends in element 1 of the array (at byte 33); is the file truncated?",
        ),
        (format!("[{one}\n {one}]"), 1, ", line 2 (byte 22): expected `,` or `]`, found `{`, in the array"),
        (
            format!("[{one},]"),
            1,
            ", line 1 (byte 21): an element is missing after the last comma, in the array",
        ),
        (
            format!("[{one},,{one}]"),
            1,
            ", line 1 (byte 21): an element is missing before a comma, in the array",
        ),
        (format!("[{one}; {one}]"), 1, ", line 1 (byte 20): expected `,` or `]`, found `;`, in the array"),
        (format!("[{one}, {{\"a\": [}}]"), 1, ", line 1 (byte 29): expected `]`, found `}`, in the array"),
        (
            format!("[{one}, {{\"id\":2,\"name\":\"x}}, {{\"id\":3, \"name\":\"y}}]"),
            1,
            ", line 1 (byte 37): /1: a string begins or ends where none can",
        ),
        (format!("[{one}] x"), 1, ", line 1 (byte 22): the document has ended, but `x` follows"),
        (format!("[{one}]]"), 1, ", line 1 (byte 21): the document has ended, but `]` follows"),
        (
            format!("[{one}, {}", "[".repeat(200)),
            1,
            ", line 1 (byte 150): an element is nested more than 128 levels deep, in the array",
        ),
    ] {
        let (read, error) = read_on(&mut open_at(&folder, "", &text).unwrap());
        assert_eq!(read.len(), ids, "{text}");
        let error = error.expect(&text);
        assert!(error.starts_with(message), "{text}\n{error}");
    }
}

#[test]
fn what_follows_an_array_in_a_document_must_be_its_rest() {
    let folder = Folder::new();
    for (after, message) in [
        ("}", None),
        (r#", "next": {"a": [1, "]", null, -1.5e+7, true]}} "#, None),
        ("", Some("the document ends too early, after the array `/a`; is the file truncated?")),
        (r#", "next": 1"#, Some("the document ends too early")),
        (r#", "next": "x"#, Some("the document ends too early")),
        ("]", Some("expected `,` or `}`, found `]`")),
        (r#", "next": 1}, {}"#, Some("the document has ended, but `,` follows")),
        (r#", "next": 01}"#, Some("expected a value, found `01`")),
        (r#", "next": nul}"#, Some("expected a value, found `nul`")),
        (r#", "next" 1}"#, Some("expected `:`, found `1`")),
        (r#", "next": 1,}"#, Some("expected a key in quotes, found `}`")),
        (r#", "a": 1}"#, Some("the key `a` appears again, so it is not certain which /a is meant")),
        (r#", "\u0061": 1}"#, Some("the key `a` appears again")),
        (r#", "b": {"a": 1}}"#, None),
        (r#", "b": "\x"}"#, Some("an escape in a string cannot have `x`")),
        (", \"b\": \"\n\"}", Some("byte 0x0A in a string must be escaped")),
    ] {
        let text = format!("{{\"a\": [{{\"id\":1,\"name\":\"a\"}}]{after}");
        let (ids, error) = read_on(&mut open_at(&folder, "/a", &text).unwrap());
        assert_eq!(ids, [1]);
        match (message, error) {
            (None, None) => {}
            (Some(message), Some(error)) => assert!(error.contains(message), "{text}\n{error}"),
            (message, error) => panic!("{text}: {message:?}, {error:?}"),
        }
    }
    let text = [&b"{\"a\": [], \"b\": \"\xFF\"}"[..], &b" ".repeat(10)].concat();
    let (_, error) = read_on(&mut open_at(&folder, "/a", text).unwrap());
    assert_eq!(error.unwrap(), ", line 1 (byte 16): invalid UTF-8; convert the input to UTF-8");
}

#[test]
fn a_pointer_that_leads_to_no_array_says_what_is_there() {
    let text = r#"{"meta": {"page": 1}, "data": {"rows": {"id": 1}, "list": [3, [4]]}, "n": null}"#;
    for (at, message) in [
        (
            "/data/rows",
            ": `/data/rows` is an object, but a JSON array was expected; name an array in it with `.at(..)`",
        ),
        ("/n", ": `/n` is null, but a JSON array was expected"),
        ("/data/trades", ": `/data` has `rows`, `list`, but no key `trades`: `/data/trades` leads nowhere"),
        ("/trades", ": the document has `meta`, `data`, `n`, but no key `trades`: `/trades` leads nowhere"),
        ("/meta/page/x", ": `/meta/page` is a number: `/meta/page/x` leads nowhere"),
        ("/data/list/2", ": `/data/list` is an array without an element `2`: `/data/list/2` leads nowhere"),
        ("/data/list/0", ": `/data/list/0` is a number, but a JSON array was expected"),
        ("data", ": `data` is not a JSON pointer: a pointer begins with a slash, as `/data` does"),
        (
            "",
            ": the document is an object, but a JSON array was expected; name an array in it with `.at(\"/key\")`, \
             or read one value per line with `JsonLinesReader`",
        ),
    ] {
        assert_eq!(refused(at, text), message, "{at}");
    }
}

#[test]
fn an_input_that_is_no_json_document_is_refused_when_it_is_opened() {
    let lines = ": it has one JSON value per line; read it with `JsonLinesReader`";
    for (at, text, message) in [
        ("", "", ", line 1 (byte 0): it is empty: a JSON array was expected"),
        ("", "\u{feff}\n", ", line 2 (byte 4): it is empty: a JSON array was expected"),
        ("", "{\"id\": 1}\n{\"id\": 2}\n", lines),
        ("", "[1, 2]\n[3, 4]\n", lines),
        ("/a", "{\"a\": [1]}\n\n{\"a\": [2]}", lines),
        ("", "id,name\n1,a", ", line 1 (byte 0): expected a value, found `i`"),
        ("", "null", ": the document is null, but a JSON array was expected"),
        ("/a", "{\"b\": 1\n \"a\": []}", ", line 2 (byte 9): expected `,` or `}`, found `\"`"),
        (
            "/a",
            "{\"b\": [",
            ", line 1 (byte 7): the document ends before the array `/a`; is the file truncated?",
        ),
        ("/a", &"[".repeat(1_000_000), ", line 1 (byte 128): the document is nested more"),
        ("/a", "[[]]", ": the document is an array without an element `a`: `/a` leads nowhere"),
        (
            "/0/a",
            &format!("{{\"b\":{}", "[".repeat(100_000)),
            ", line 1 (byte 132): the document is nested more",
        ),
    ] {
        let found = refused(at, text);
        assert!(found.starts_with(message), "{at}, {found}");
    }
    let text: Vec<u8> = "[1, 2, 3, 4, 5]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        refused("", text),
        ": it is UTF-16; set `encoding(\"utf-16le\")`, or convert the input to UTF-8"
    );
}

#[test]
fn what_stands_around_the_array_is_the_document_without_its_elements() {
    let folder = Folder::new();
    let text =
        r#"{"count": 2, "data": {"rows": [{"id": 1, "name": "a"}, {"id": "bad"}], "x": [1]}, "next": "p"}"#;
    let mut rows = open_at(&folder, "/data/rows", text).unwrap();
    let rest: Box<RawValue> = rows.rest().unwrap();
    assert_eq!(rest.get(), r#"{"count": 2, "data": {"rows": [], "x": [1]}, "next": "p"}"#);
    assert_eq!(rows.read().unwrap().unwrap().id, 1, "the reader has not moved");
    let misfit = rows.rest::<Vec<u8>>().unwrap_err().to_string();
    assert!(misfit.contains("the document around the array does not fit: invalid type: map"), "{misfit}");
    let cut = open_at(&folder, "/data/rows", &text[..90]).unwrap().rest::<Box<RawValue>>().unwrap_err();
    assert!(matches!(cut, ReadError::Broken { .. }), "{cut}");
}

#[test]
fn a_restart_on_another_array_of_the_document_is_refused() {
    let folder = Folder::new();
    let text = r#"{"a": [{"id": 1, "name": "a"}], "b": []}"#;
    let first = open_at(&folder, "/a", text).unwrap();
    let changed = open_at(&folder, "/b", text).unwrap().resume(first.position()).unwrap_err();
    assert!(changed.to_string().contains("that execution read another array in the file"), "{changed}");
}

/// As the names in the suite of Nicolas Seriot: what begins with `y` must be accepted, with `n` refused.
#[test]
fn json_is_accepted_and_anything_else_refused() {
    let folder = Folder::new();
    let accepted = [
        "[]",
        "[[]   ]",
        "[\"\"]",
        "[false]",
        "[null, 1, \"1\", {}]",
        "[1\n]",
        " [1]",
        "[1,null,null,null,2]",
        "[2] ",
        "[123e65]",
        "[0e+1]",
        "[0e1]",
        "[ 4]",
        "[-0]",
        "[1E22]",
        "[1e-2]",
        "[-123]",
        "[123.456789]",
        "[{\"asd\":\"sdf\", \"dfg\":\"fgh\"}]",
        "[{\"\":0}]",
        "[{\"foo\\u0000bar\": 42}]",
        "[\"\\u0060\\u012a\\u12AB\"]",
        "[\"\\uD801\\udc37\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
        "[\"a/*b*/c/*d//e\"]",
        "[\"\\u0000\"]",
        "[\"\u{2028}\"]",
        "[\"\u{7f}\"]",
        "[\"\u{1f600}\"]",
        "[\"new\\u000Aline\"]",
    ];
    for text in accepted {
        let mut reader = JsonArrayReader::<serde_json::Value>::open(folder.file("in.json", text)).unwrap();
        let items: Vec<_> = std::iter::from_fn(|| reader.read().unwrap()).collect();
        assert_eq!(serde_json::Value::from(items), serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
    let refused = [
        "[1 true]",
        "[\"\": 1]",
        "[\"\"],",
        "[,1]",
        "[1,,2]",
        "[\"x\",,]",
        "[\"x\"]]",
        "[\"\",]",
        "[\"x\"",
        "[x",
        "[3[4]]",
        "[1:2]",
        "[,]",
        "[-]",
        "[   , \"\"]",
        "[\"a\",\n4\n,1,",
        "[1,]",
        "[1,\n1\n,1",
        "[*]",
        "[\"\"",
        "[fals]",
        "[nul]",
        "[tru]",
        "[++1234]",
        "[+1]",
        "[+Inf]",
        "[-01]",
        "[-1.0.]",
        "[-2.]",
        "[-NaN]",
        "[.-1]",
        "[.2e-3]",
        "[0.1.2]",
        "[0.3e+]",
        "[0.e1]",
        "[0E+]",
        "[1.0e-]",
        "[1eE2]",
        "[2.e+3]",
        "[Inf]",
        "[NaN]",
        "[- 1]",
        "[-foo]",
        "[-012]",
        "[-Infinity]",
        "[0x1]",
        "[1+2]",
        "[1ea]",
        "[1.2a-3]",
        "[012]",
        "[{\"x\", null}]",
        "[{\"x\"::\"b\"}]",
        "[{key: 'value'}]",
        "[{\"a\":\"a\" 123}]",
        "[{:\"b\"}]",
        "[{\"a\" b}]",
        "[{\"a\":",
        "[{1:1}]",
        "[{\"id\":0,}]",
        "[{'a':0}]",
        "[{\"a\":\"b\"}/**/]",
        "[{\"a\":\"b\"}]#",
        "[{\"a\":\"b\",,\"c\":\"d\"}]",
        "[{a: \"b\"}]",
        "[{\"a\":\"a\"]",
        "[\"\\uD800\\\"]",
        "[\"\\uD800\\u\"]",
        "[\"\\u00A\"]",
        "[\"\\x00\"]",
        "[\"\\\\\\\"]",
        "[\"\\\t\"]",
        "[\"\\a\"]",
        "[\\u0020\"asd\"]",
        "[\\n]",
        "[\"\n\"]",
        "['single quote']",
        "abc",
        "[\"\\",
        "[\"\t\"]",
        "[1]x",
        "[1][1]",
        "[\"asd]",
        "aå",
        "[True]",
        "1]",
        "[a",
        "[1,",
        "]",
        "[\u{c}]",
        "[\u{2060}]",
        "[<null>]",
        "*",
        "{}",
        "\"\"",
        "<.>",
        "{\"a\":[]}",
        "[{\"a\":\"b\",\"a\":\"c\"}]",
        "[\\",
        "[[1]",
        "}",
    ];
    for text in refused {
        let Ok(mut reader) = JsonArrayReader::<serde_json::Value>::open(folder.file("in.json", text)) else {
            continue;
        };
        let end = std::iter::from_fn(|| reader.read().transpose()).find(Result::is_err);
        assert!(end.is_some(), "{text} was accepted");
    }
}

#[test]
fn an_element_of_which_a_part_would_be_lost_is_refused_with_its_place_and_the_next_is_read() {
    use batch_runtime::DateTime;

    #[derive(Debug, serde::Deserialize)]
    struct Stay {
        arrives: DateTime,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Booking {
        #[serde(flatten)]
        stay: Stay,
    }

    let folder = Folder::new();
    let stays = [31, 30, 29].map(|day| {
        let offset = if day == 30 { "+02:00" } else { "" };
        format!(r#"{{"arrives": "2024-01-{day}T10:00{offset}", "booked": "2024-01-01"}}"#)
    });
    let input = folder.file("in.json", format!("[{}]", stays.join(",\n")));
    let mut bookings = JsonArrayReader::<Booking>::open(input).unwrap();
    assert_eq!(bookings.read().unwrap().unwrap().stay.arrives.day(), 31);
    let error = bookings.read().unwrap_err();
    assert!(bookings.steps_over(&error));
    let error = error.to_string();
    assert!(
        error.contains("line 2") && error.contains("/1: expected a date and time without an offset"),
        "{error}"
    );
    assert!(error.contains("character 36"), "{error}");
    assert_eq!(bookings.read().unwrap().unwrap().stay.arrives.day(), 29);
    assert!(bookings.read().unwrap().is_none());
}
