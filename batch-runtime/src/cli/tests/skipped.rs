//! How people and programs see the items that an execution skipped.

use serde_json::json;

use super::fixture::*;

const JOBS: &[&crate::JobInfo] = &[FLIGHT_DELAYS];

/// A folder with a run that skipped an unparsable record, and an item that CSV has to quote.
fn skipping_run() -> Folder {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input /flights.csv");
    let connection = rusqlite::Connection::open(folder.path("batch.db")).unwrap();
    let insert = "INSERT INTO BATCH_SKIPPED_ITEM VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
    let none: Option<&str> = None;
    let at = |ahead: u8| format!(r#"{{"v":1,"at":7,"ahead":{ahead}}}"#);
    connection.execute(insert, (1, "READ", at(0), "/flights.csv, line 8", "3 columns, not 4", none)).unwrap();
    connection
        .execute_batch("UPDATE BATCH_STEP_EXECUTION SET READ_SKIP_COUNT = 1, WRITE_SKIP_COUNT = 1 WHERE STEP_EXECUTION_ID = 1")
        .unwrap();
    connection
        .execute(insert, (2, "WRITE", at(1), none, "no \"carrier\",\nnone", r#"{"carrier":"","delay":7}"#))
        .unwrap();
    folder
}

#[test]
fn skipped_items_are_shown_as_a_table() {
    let answer = skipping_run().run(JOBS, "show 1 --skipped");
    let table = "\
execution  step         no  while    where                 why                 item
        1  load_delays   1  reading  /flights.csv, line 8  3 columns, not 4
        1  load_delays   2  writing                        no \"carrier\", none  {\"carrier\":\"\",\"delay\":7}
";
    assert_eq!((answer.code, answer.err.as_str(), answer.out.as_str()), (0, "", table));
}

#[test]
fn skipped_items_are_shown_as_json_with_what_was_stored_as_json() {
    let skipped = json!({
        "execution": 1,
        "skipped": [
            {
                "execution": 1, "step": "load_delays", "step_execution": 1, "sequence": 1, "phase": "READ",
                "position": { "v": 1, "at": 7, "ahead": 0 }, "location": "/flights.csv, line 8",
                "error": "3 columns, not 4", "item": null,
            },
            {
                "execution": 1, "step": "load_delays", "step_execution": 1, "sequence": 2, "phase": "WRITE",
                "position": { "v": 1, "at": 7, "ahead": 1 }, "location": null,
                "error": "no \"carrier\",\nnone", "item": { "carrier": "", "delay": 7 },
            },
        ],
        "next": null,
    });
    assert_eq!(skipping_run().json(JOBS, "show 1 --skipped"), skipped);
}

#[test]
fn skipped_items_are_shown_as_json_with_their_digits_and_keys_as_they_were() {
    let folder = skipping_run();
    let item = r#"{"a":1,"a":1e-400,"b":12345678901234567890123}"#;
    let connection = rusqlite::Connection::open(folder.path("batch.db")).unwrap();
    connection.execute("UPDATE BATCH_SKIPPED_ITEM SET ITEM = ?1 WHERE PHASE = 'WRITE'", [item]).unwrap();
    let shown = folder.run(JOBS, "show 1 --skipped --json").out;
    assert!(shown.contains(item), "{shown}");
}

#[test]
fn skipped_items_are_shown_page_by_page() {
    let folder = skipping_run();
    let first = folder.run(JOBS, "show 1 --skipped --limit 1").out;
    assert_eq!(first.lines().count(), 3, "{first}");
    assert_eq!(first.lines().last(), Some("later items are not shown: add `--after 1:1` to list them"));
    assert_eq!(folder.json(JOBS, "show 1 --skipped --limit 1")["next"], "1:1");
    let second = folder.json(JOBS, "show 1 --skipped --limit 1 --after 1:1");
    assert_eq!((&second["skipped"][0]["sequence"], &second["next"]), (&json!(2), &json!(null)));
    let csv = folder.run(JOBS, "show 1 --skipped --csv --after 1:1").out;
    assert!(csv.contains(",WRITE,") && !csv.contains(",READ,"), "{csv}");
    let end = folder.run(JOBS, "show 1 --skipped --after 1:2").out;
    assert_eq!(end, "no item was skipped after that one\n");
    let refused = folder.run(JOBS, "show 1 --skipped --after 7");
    assert!(refused.code == 2 && refused.err.contains("such as 12:300"), "{}", refused.err);
    assert_eq!(folder.run(JOBS, "show 1 --limit 1").code, 2);
}

#[test]
fn skipped_items_are_printed_as_csv_that_other_programs_read() {
    let answer = skipping_run().run(JOBS, "show 1 --skipped --csv");
    assert!(answer.out.lines().count() > 3 && answer.out.ends_with("\r\n"), "{}", answer.out);
    let mut reader = csv::Reader::from_reader(answer.out.as_bytes());
    let header =
        ["execution", "step", "step_execution", "sequence", "phase", "position", "location", "error", "item"];
    assert_eq!(reader.headers().unwrap(), header.as_slice());
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), 2);
    let first = ["1", "load_delays", "1", "1", "READ", r#"{"v":1,"at":7,"ahead":0}"#, "/flights.csv, line 8"];
    assert_eq!(records[0].iter().take(7).collect::<Vec<_>>(), first);
    assert_eq!(&records[1][7], "no \"carrier\",\nnone");
    assert_eq!(&records[1][8], r#"{"carrier":"","delay":7}"#);
}

#[test]
fn an_execution_that_skipped_nothing_says_so() {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input /flights.csv");
    assert_eq!(folder.run(JOBS, "show 1 --skipped").out, "the instance of execution 1 has skipped nothing\n");
    assert_eq!(folder.run(JOBS, "show 1 --skipped --csv").out.lines().count(), 1);
    assert_eq!(folder.json(JOBS, "show 1 --skipped"), json!({ "execution": 1, "skipped": [], "next": null }));
    assert_eq!(folder.run(JOBS, "show 2 --skipped").code, 4);
}

#[test]
fn an_execution_shows_what_all_executions_of_its_instance_skipped() {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input /flights.csv --fail-at 23");
    folder.run(JOBS, "run flight_delays --input /flights.csv");
    let connection = rusqlite::Connection::open(folder.path("batch.db")).unwrap();
    connection
        .execute_batch(
            "INSERT INTO BATCH_SKIPPED_ITEM VALUES (1, 1, 'READ', '{}', 'line 8', 'too short', NULL);
             INSERT INTO BATCH_SKIPPED_ITEM VALUES (2, 1, 'READ', '{}', 'line 9', 'too long', NULL);
             UPDATE BATCH_STEP_EXECUTION SET READ_SKIP_COUNT = 1 WHERE STEP_NAME = 'load_delays'",
        )
        .unwrap();
    let table = "\
execution  step         no  while    where   why        item
        1  load_delays   1  reading  line 8  too short
        2  load_delays   1  reading  line 9  too long
";
    assert_eq!(folder.run(JOBS, "show 2 --skipped").out, table);
    let last = "skipped 2 in all executions of this instance: `show 2 --skipped` lists them";
    assert_eq!(folder.run(JOBS, "show 2").out.lines().last(), Some(last));
}

#[test]
fn csv_is_only_for_skipped_items_and_excludes_json() {
    let folder = skipping_run();
    for line in ["show 1 --csv", "show 1 --skipped --csv --json"] {
        assert_eq!(folder.run(JOBS, line).code, 2, "{line}");
    }
}

#[test]
fn an_execution_that_skipped_says_where_to_look() {
    let shown = skipping_run().run(JOBS, "show 1").out;
    assert_eq!(shown.lines().last(), Some("skipped 2: `show 1 --skipped` lists them"));
}
