use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::program::Folder;

const WAYS: [&str; 5] = ["offset", "key", "cursor", "bulk", "batch"];

type Top = (i64, i64, i64);

fn rows<T>(
    database: &Connection,
    sql: &str,
    row: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut query = database.prepare(sql).unwrap();
    query.query_map([], |found| row(found)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// The best members of the week from `first` to `last`, counted chore by chore.
fn expected(database: &Connection, first: &str, last: &str) -> BTreeSet<Top> {
    let kept: BTreeSet<i64> =
        rows(database, "SELECT id FROM room WHERE deleted = 0", |row| row.get(0)).into_iter().collect();
    let chores: Vec<(i64, i64, String)> = rows(database, "SELECT room, member, day FROM chore", |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    let mut counts = BTreeMap::<i64, BTreeMap<i64, i64>>::new();
    for (room, member, day) in chores {
        if kept.contains(&room) && first <= day.as_str() && day.as_str() <= last {
            *counts.entry(room).or_default().entry(member).or_default() += 1;
        }
    }
    let best = |(room, members): (i64, BTreeMap<i64, i64>)| {
        let most = members.values().copied().max().unwrap_or_default();
        members
            .into_iter()
            .filter(move |(_, chores)| *chores == most)
            .map(move |(member, _)| (room, member, most))
    };
    counts.into_iter().flat_map(best).collect()
}

fn found(database: &Connection, way: &str) -> Vec<Top> {
    let sql = format!("SELECT room, member, chores FROM by_{way}");
    rows(database, &sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

#[test]
fn every_way_finds_the_best_members_of_the_week_in_every_room_that_is_not_deleted() {
    let folder = Folder::new();
    for (week, last, monday) in
        [("2024-01-08", "2024-01-14", "2024-01-15"), ("2024-01-22", "2024-01-28", "2024-01-29")]
    {
        folder.run("weekly_top_user", ["run", "--rooms", "230", "--monday", monday]).ended_with(0);
        let database = folder.database();
        let expected = expected(&database, week, last);
        let rooms: BTreeSet<i64> = expected.iter().map(|(room, _, _)| *room).collect();
        assert!(rooms.len() < 230 && expected.len() > rooms.len(), "rooms are deleted, and members tie");
        for way in WAYS {
            let found = found(&database, way);
            assert_eq!(found.len(), expected.len(), "{way}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{way}");
        }
    }
}

#[test]
fn a_week_without_chores_has_no_best_member() {
    let folder = Folder::new();
    folder.run("weekly_top_user", ["run", "--rooms", "40", "--monday", "2030-01-07"]).ended_with(0);
    for way in WAYS {
        assert!(found(&folder.database(), way).is_empty(), "{way}");
    }
}

#[test]
fn a_backfill_runs_each_monday_of_some_weeks_once() {
    let folder = Folder::new();
    let backfill = ["run", "--rooms", "40", "--backfill", "2024-01-08..2024-01-22", "--yes"];
    folder.run("weekly_top_user", backfill).ended_with(0);
    let mut mondays: Vec<String> = rows(
        &folder.database(),
        "SELECT PARAMETER_VALUE FROM BATCH_JOB_EXECUTION_PARAMS WHERE PARAMETER_NAME = 'monday'",
        |row| row.get(0),
    );
    mondays.sort_unstable();
    assert_eq!(mondays, ["2024-01-08", "2024-01-15", "2024-01-22"]);
    let again = folder.run("weekly_top_user", backfill).ended_with(0);
    assert!(again.out.contains("there is nothing to run for weekly_top_user on these days"), "{}", again.out);
}
