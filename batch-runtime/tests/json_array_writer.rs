//! Promises of the writer of JSON arrays: what it publishes is valid JSON, whatever happened before.

#![allow(missing_docs, reason = "a test")]

mod folder;

use std::path::Path;
use std::process::Command;

use batch_runtime::readers::JsonArrayReader;
use batch_runtime::writers::{FilePosition, JsonArrayWriter};
use batch_runtime::{ChunkTransaction, Durability, Partitionable, Reader, Writer};
use folder::Folder;
use proptest::prelude::*;
use serde_json::Value;

fn write(writer: &mut JsonArrayWriter<Value>, items: &[Value]) {
    writer.write(items, &ChunkTransaction::none()).unwrap();
    writer.prepare(Durability::Process).unwrap();
}

fn end<T: serde::Serialize>(writer: &mut JsonArrayWriter<T>) {
    writer.seal(Durability::Process).unwrap();
    writer.finish(Durability::Process).unwrap();
}

fn values(count: usize) -> Vec<Value> {
    (0..count).map(|n| serde_json::json!({ "id": n, "text": "a]\n\"," })).collect()
}

fn read(path: &Path) -> Vec<Value> {
    let items: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut reader = JsonArrayReader::open(path).unwrap();
    assert_eq!(std::iter::from_fn(|| reader.read().unwrap()).collect::<Vec<Value>>(), items);
    items
}

#[test]
fn the_array_is_valid_with_any_number_of_items_and_chunks() {
    for (count, chunk) in [(0, 1), (1, 1), (2, 1), (7, 3), (7, 100)] {
        let folder = Folder::new();
        let path = folder.path("out.json");
        let mut writer = JsonArrayWriter::create(&path);
        writer.open(None).unwrap();
        for items in values(count).chunks(chunk) {
            write(&mut writer, items);
        }
        end(&mut writer);
        assert_eq!(read(&path), values(count));
    }
}

#[test]
fn a_restart_after_any_chunk_and_a_rollback_leave_one_valid_array() {
    let items = values(4);
    for committed in 0..4 {
        let folder = Folder::new();
        let path = folder.path("out.json");
        let mut first = JsonArrayWriter::create(&path);
        first.open(None).unwrap();
        let begin = first.position();
        write(&mut first, &values(2));
        first.rollback(&begin).unwrap();
        for item in &items[..committed] {
            write(&mut first, std::slice::from_ref(item));
        }
        let position: FilePosition =
            serde_json::from_str(&serde_json::to_string(&first.position()).unwrap()).unwrap();
        write(&mut first, &values(3));
        drop(first);
        let mut second = JsonArrayWriter::create(&path);
        second.open(Some(position)).unwrap();
        write(&mut second, &items[committed..]);
        end(&mut second);
        assert_eq!(read(&path), items, "{committed} committed");
    }
}

#[test]
fn partitions_are_joined_with_commas_between_those_that_hold_items() {
    for counts in [[0, 0, 0], [2, 1, 3], [0, 2, 0], [1, 0, 1], [0, 0, 1]] {
        let folder = Folder::new();
        let path = folder.path("out.json");
        let mut whole = JsonArrayWriter::<Value>::create(&path);
        whole.open(None).unwrap();
        let mut parts = Vec::new();
        for (number, count) in (0..).zip(counts) {
            let mut part = JsonArrayWriter::create(&path);
            part.of_partition(number);
            part.open(None).unwrap();
            if count > 0 {
                write(&mut part, &values(count));
            }
            end(&mut part);
            parts.push(Some(part.position()));
        }
        whole.merge(parts).unwrap();
        end(&mut whole);
        whole.clear(3).unwrap();
        assert_eq!(read(&path), counts.into_iter().flat_map(values).collect::<Vec<_>>());
    }
}

#[test]
fn an_item_that_json_cannot_hold_is_refused_and_leaves_no_comma() {
    let folder = Folder::new();
    let path = folder.path("out.json");
    let mut writer = JsonArrayWriter::create(&path);
    writer.open(None).unwrap();
    for (items, is_refused) in [([f64::NAN, 1.0], true), ([1.0, f64::INFINITY], true), ([1.0, 2.0], false)] {
        let written = writer.write(&items, &ChunkTransaction::none());
        assert_eq!(written.is_err(), is_refused, "{written:?}");
        if let Err(error) = written {
            assert!(error.to_string().contains("JSON has no number for"), "{error}");
        }
    }
    end(&mut writer);
    assert_eq!(read(&path), [1.0, 2.0].map(Value::from));
}

#[test]
fn python_reads_the_same_items() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "python3 is missing: apt-get install python3");
        eprintln!("left out: this machine has no python3");
        return;
    }
    let folder = Folder::new();
    let path = folder.path("out.json");
    let items =
        vec![serde_json::json!({ "text": "a\u{1}\n\"\\\u{e9}\u{1f600}", "number": -1.5e300, "none": null })];
    let mut writer = JsonArrayWriter::create(&path);
    writer.open(None).unwrap();
    write(&mut writer, &items);
    end(&mut writer);
    let program = "import json,sys; print(json.dumps(json.load(open(sys.argv[1], encoding='utf-8'))))";
    let output = Command::new("python3").args(["-c", program]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap(), items);
}

proptest! {
    #[test]
    fn whatever_text_an_item_holds_it_reads_back(texts in prop::collection::vec(any::<String>(), 0..5)) {
        let folder = Folder::new();
        let path = folder.path("out.json");
        let items: Vec<_> = texts.into_iter().map(Value::from).collect();
        let mut writer = JsonArrayWriter::create(&path);
        writer.open(None).unwrap();
        write(&mut writer, &items);
        end(&mut writer);
        prop_assert_eq!(read(&path), items);
    }
}
