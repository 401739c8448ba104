//! `writers::rolling` and `writers::by_key`: many files, exact after failures, skips and restarts.

use std::collections::BTreeMap;
use std::path::Path;

use batch_runtime::prelude::*;
use batch_runtime::writers::{ByKey, JsonLinesWriter, Rolling, by_key, rolling};

use crate::support::{World, step};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sale {
    id: u32,
    region: String,
}

#[reader]
fn sales(count: u32) -> impl Iterator<Item = Sale> {
    (1..=count).map(|id| Sale { id, region: ["north", "south", "west"][id as usize * 7 % 3].to_owned() })
}

#[processor]
fn check(sale: Sale, bad: Option<u32>) -> Result<Sale, String> {
    if bad == Some(sale.id) { Err(format!("sale {} is bad", sale.id)) } else { Ok(sale) }
}

#[writer]
fn parts(folder: PathBuf) -> Rolling<CsvWriter<Sale>> {
    rolling(move |n| CsvWriter::create(folder.join(format!("part-{n}.csv")))).every_items(4)
}

#[writer]
fn regions(folder: PathBuf) -> ByKey<JsonLinesWriter<Sale>, String> {
    by_key(
        |sale: &Sale| sale.region.clone(),
        move |region| JsonLinesWriter::create(folder.join(format!("{region}.jsonl"))),
    )
}

/// The second writer groups the items of each chunk by their regions, for the first one too.
#[step(chunk = 3)]
fn export() {
    sales | check | (parts, regions)
}

#[job]
fn exports(count: u32, folder: PathBuf, #[param(identifying = false)] bad: Option<u32>) {
    export;
}

#[step(chunk = 3, threads = 3)]
fn export_on_threads() {
    sales | check | (parts, regions)
}

#[job]
fn exports_on_threads(count: u32, folder: PathBuf, #[param(identifying = false)] bad: Option<u32>) {
    export_on_threads;
}

type Job = fn(u32, PathBuf, Option<u32>) -> batch_runtime::Launch;

/// The files in a folder, without the tags in their names.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (batch_tests::without_tags(name), std::fs::read_to_string(&path).unwrap())
    });
    named.collect()
}

fn world() -> (World, PathBuf) {
    let world = World::new();
    let folder = world.path("out");
    std::fs::create_dir(&folder).unwrap();
    (world, folder)
}

#[test]
fn a_restart_ends_with_the_files_of_an_undisturbed_run() {
    for job in [exports as Job, exports_on_threads] {
        let (undisturbed, expected) = world();
        undisturbed.completes(&job(23, expected.clone(), None));
        let expected = files(&expected);
        assert_eq!(expected.keys().filter(|name| name.starts_with("part-")).count(), 6);
        assert_eq!(expected["part-5.csv"], "id,region\n20,west\n22,south\n23,west\n");
        assert_eq!(expected["north.jsonl"].lines().count(), 7);

        let (world, folder) = world();
        for bad in [1, 2, 5, 9, 13, 23] {
            world.fails(&job(23, folder.clone(), Some(bad)));
        }
        world.completes(&job(23, folder.clone(), None));
        assert_eq!(files(&folder), expected);
    }
}

#[test]
fn complete_files_have_their_names_while_the_step_runs_and_the_others_do_not() {
    let (world, folder) = world();
    world.fails(&exports(23, folder.clone(), Some(12)));
    let names: Vec<_> = files(&folder).into_keys().collect();
    assert_eq!(
        names,
        [
            "north.jsonl.part",
            "part-0.csv",
            "part-1.csv",
            "part-2.csv.part",
            "south.jsonl.part",
            "west.jsonl.part"
        ]
    );
}

#[test]
fn a_file_that_is_in_the_way_stops_the_step_there_and_is_left_alone() {
    let (world, folder) = world();
    std::fs::write(folder.join("part-2.csv"), "precious").unwrap();
    let failed = world.fails(&exports(23, folder.clone(), None));
    assert!(failed.exit.description.contains("part-2.csv exists already"), "{}", failed.exit.description);
    assert_eq!(files(&folder)["part-2.csv"], "precious");
    std::fs::remove_file(folder.join("part-2.csv")).unwrap();
    world.completes(&exports(23, folder.clone(), None));
    assert_eq!(files(&folder)["part-2.csv"], "id,region\n8,west\n12,north\n10,south\n11,west\n");
}

// Skips

#[derive(Debug, thiserror::Error)]
#[error("a sale was refused")]
struct Refused;

#[writer]
fn strict(sales: &[Sale]) -> Result<(), Refused> {
    if sales.iter().any(|sale| [3, 4, 11].contains(&sale.id)) { Err(Refused) } else { Ok(()) }
}

#[step(chunk = 10, skip(Refused), isolate = allow)]
fn export_most() {
    sales | (parts, regions, strict)
}

#[job]
fn exports_most(count: u32, folder: PathBuf) {
    export_most;
}

#[test]
fn skipped_items_are_left_out_of_the_files_and_not_counted_for_them() {
    let (world, folder) = world();
    let report = world.completes(&exports_most(12, folder.clone()));
    assert_eq!(step(&report, "export_most").counters.write_skip, 3);
    let files = files(&folder);
    assert_eq!(files["part-0.csv"].lines().skip(1).count(), 4);
    assert_eq!(files["part-1.csv"].lines().skip(1).count(), 4);
    assert_eq!(files["part-2.csv"], "id,region\n12,north\n");
    let names: Vec<_> = files.keys().collect();
    assert_eq!(names, ["north.jsonl", "part-0.csv", "part-1.csv", "part-2.csv", "south.jsonl", "west.jsonl"]);
}

// Sizes

#[writer]
fn sized(folder: PathBuf) -> Rolling<JsonLinesWriter<Sale>> {
    rolling(move |n| JsonLinesWriter::create(folder.join(format!("{n:03}.jsonl.zst")))).every_bytes(200)
}

#[step(chunk = 7)]
fn export_sized() {
    sales | check | sized
}

#[job]
fn exports_sized(count: u32, folder: PathBuf, #[param(identifying = false)] bad: Option<u32>) {
    export_sized;
}

#[test]
fn compressed_files_of_a_size_hold_all_items_in_order() {
    let (world, folder) = world();
    for bad in [50, 51, 300] {
        world.fails(&exports_sized(500, folder.clone(), Some(bad)));
    }
    world.completes(&exports_sized(500, folder.clone(), None));
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    let mut ids = Vec::new();
    for path in &paths {
        let text = zstd::decode_all(&*std::fs::read(path).unwrap()).unwrap();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            ids.push(serde_json::from_slice::<Sale>(line).unwrap().id);
        }
    }
    assert_eq!(ids, (1..=500).collect::<Vec<_>>());
    let sizes: Vec<_> = paths.iter().map(|path| std::fs::metadata(path).unwrap().len()).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| (200..500).contains(size)), "{sizes:?}");
}
