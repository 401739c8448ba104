//! Finds, for every room, the members who did the most chores in a week (all of them if they tie): one result, five
//! ways.
//!
//! Each way differs from the previous one in a single point. The summary shows the time of each step; `compare` fails
//! the run if the results of two ways differ.

use std::collections::BTreeMap;

use batch_runtime::prelude::*;
use batch_runtime::readers::{Pages, PagingReader, SqliteReadError, SqliteReader};
use batch_runtime::writers::SqliteTable;
use rayon::prelude::*;

/// Rooms per page: as many as a screen shows, because most paged queries are written for screens.
const PAGE: usize = 20;

#[derive(Debug, Clone, Deserialize)]
struct Room {
    id: i64,
}

/// A member who did as many chores as any in the room.
#[derive(Debug, Serialize)]
struct Top {
    room: i64,
    member: i64,
    chores: i64,
}

/// Creates rooms, with ten members and a hundred chores each, unless they exist. The numbers are computed from the key
/// of each row, so they are the same in every run.
#[step]
fn generate(rooms: i64, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'chore'";
    if tx.query_row(known, [], |row| row.get::<_, i64>(0))? > 0 {
        return Ok(());
    }
    tx.execute_batch(
        "CREATE TABLE room (id INTEGER PRIMARY KEY, deleted INTEGER);
         CREATE TABLE member (id INTEGER PRIMARY KEY, room INTEGER);
         CREATE TABLE chore (id INTEGER PRIMARY KEY, room INTEGER, member INTEGER, day TEXT)",
    )?;
    let numbers = "WITH RECURSIVE number(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < ?1)";
    tx.execute(&format!("INSERT INTO room {numbers} SELECT id, id * 7919 % 20 = 0 FROM number"), [rooms])?;
    tx.execute(
        &format!("INSERT INTO member {numbers} SELECT id, (id - 1) / 10 + 1 FROM number"),
        [rooms * 10],
    )?;
    tx.execute(
        &format!(
            "INSERT INTO chore {numbers}
             SELECT id, (id - 1) / 100 + 1, (id - 1) / 100 * 10 + id * 48271 % 2147483647 % 10 + 1,
                    date('2024-01-01', '+' || (id * 7919 % 1000003 % 28) || ' days')
             FROM number"
        ),
        [rooms * 100],
    )?;
    tx.execute_batch("CREATE INDEX chore_of_room ON chore (room, day)")
}

/// Creates empty tables for the results.
#[step]
fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for way in ["offset", "key", "cursor", "bulk", "batch"] {
        tx.execute_batch(&format!(
            "DROP TABLE IF EXISTS by_{way}; CREATE TABLE by_{way} (room INTEGER, member INTEGER, chores INTEGER)"
        ))?;
    }
    Ok(())
}

/// Reads a page by its number: `SQLite` passes over all rows before it.
struct RoomPages(rusqlite::Connection);

impl Pages for RoomPages {
    type Item = Room;
    type Error = rusqlite::Error;

    fn read_page(&mut self, page: u64) -> rusqlite::Result<Vec<Room>> {
        let mut query =
            self.0.prepare_cached("SELECT id FROM room WHERE deleted = 0 ORDER BY id LIMIT ?1 OFFSET ?2")?;
        let (size, page) = (i64::try_from(PAGE).unwrap_or(i64::MAX), i64::try_from(page).unwrap_or(i64::MAX));
        query.query_map([size, page.saturating_mul(size)], |row| Ok(Room { id: row.get(0)? }))?.collect()
    }
}

#[reader]
fn rooms_by_offset(connection: &Connection) -> rusqlite::Result<PagingReader<RoomPages>> {
    let path = connection.path().unwrap_or_default();
    Ok(PagingReader::new(RoomPages(rusqlite::Connection::open(path)?)))
}

/// Reads a page after the last key of the previous page.
#[reader]
fn rooms_by_key(connection: &Connection) -> Result<SqliteReader<Room>, SqliteReadError> {
    SqliteReader::query(connection, "SELECT id FROM room WHERE deleted = 0").key("id").page(PAGE).rows_as()
}

/// Reads all rooms with one query.
#[reader]
fn rooms_by_cursor(connection: &Connection) -> Result<SqliteReader<Room>, SqliteReadError> {
    let query = SqliteReader::query(connection, "SELECT id FROM room WHERE deleted = 0");
    query.key("id").page(usize::MAX).rows_as()
}

/// The members with the highest number of chores.
fn tops(room: i64, chores: &[(i64, i64)]) -> Vec<Top> {
    let most = chores.iter().map(|(_, chores)| *chores).max();
    let best = chores.iter().filter(|(_, chores)| Some(*chores) == most);
    best.map(|&(member, chores)| Top { room, member, chores }).collect()
}

/// Queries the chores of one room.
#[processor]
fn top_of_room(room: &Room, monday: Date, connection: &Connection) -> rusqlite::Result<Many<Vec<Top>>> {
    let mut query = connection.prepare_cached(
        "SELECT member, count(*) FROM chore
         WHERE room = ?1 AND day >= date(?2, '-7 days') AND day < ?2 GROUP BY member ORDER BY member",
    )?;
    let rows = query.query_map((room.id, monday.to_string()), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let chores = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Many(tops(room.id, &chores)))
}

/// Queries the chores of all rooms of a chunk at once, and finds their best members on all cores.
#[processor(bulk)]
fn top_of_rooms(
    rooms: &[Room],
    monday: Date,
    connection: &Connection,
) -> rusqlite::Result<Vec<Many<Vec<Top>>>> {
    let (Some(first), Some(last)) = (rooms.first(), rooms.last()) else { return Ok(Vec::new()) };
    let mut query = connection.prepare_cached(
        "SELECT room, member, count(*) FROM chore
         WHERE room BETWEEN ?1 AND ?2 AND day >= date(?3, '-7 days') AND day < ?3
         GROUP BY room, member ORDER BY room, member",
    )?;
    let rows = query.query_map((first.id, last.id, monday.to_string()), |row| {
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
    })?;
    let mut of_rooms = BTreeMap::<i64, Vec<(i64, i64)>>::new();
    for row in rows {
        let (room, chores) = row?;
        of_rooms.entry(room).or_default().push(chores);
    }
    let tops = rooms
        .par_iter()
        .map(|room| Many(of_rooms.get(&room.id).map_or_else(Vec::new, |of| tops(room.id, of))));
    Ok(tops.collect())
}

fn insert(table: &str, tops: &[Top], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for top in tops {
        tx.execute(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3)"), (top.room, top.member, top.chores))?;
    }
    Ok(())
}

#[writer]
fn save_by_offset(tops: &[Top], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    insert("by_offset", tops, tx)
}

#[writer]
fn save_by_key(tops: &[Top], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    insert("by_key", tops, tx)
}

#[writer]
fn save_by_cursor(tops: &[Top], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    insert("by_cursor", tops, tx)
}

#[writer]
fn save_by_bulk(tops: &[Top], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    insert("by_bulk", tops, tx)
}

/// Inserts many rows with one statement.
#[writer]
fn save_by_batch() -> SqliteTable<Top> {
    SqliteTable::into("by_batch")
}

#[step(chunk = 500)]
fn offset() {
    rooms_by_offset | top_of_room | save_by_offset
}

#[step(chunk = 500)]
fn key() {
    rooms_by_key | top_of_room | save_by_key
}

#[step(chunk = 500)]
fn cursor() {
    rooms_by_cursor | top_of_room | save_by_cursor
}

#[step(chunk = 500)]
fn bulk() {
    rooms_by_cursor | top_of_rooms | save_by_bulk
}

#[step(chunk = 500)]
fn batch() {
    rooms_by_cursor | top_of_rooms | save_by_batch
}

/// Compares the results row by row.
#[step]
fn compare(tx: &Transaction<'_>) -> Result<(), batch_runtime::BoxError> {
    let rows = |way: &str| -> rusqlite::Result<Vec<(i64, i64, i64)>> {
        let mut query = tx.prepare(&format!("SELECT room, member, chores FROM by_{way} ORDER BY rowid"))?;
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    };
    let expected = rows("offset")?;
    for way in ["key", "cursor", "bulk", "batch"] {
        let found = rows(way)?;
        if found.len() != expected.len() {
            return Err(format!("{way}: {} rows, not {}", found.len(), expected.len()).into());
        }
        if let Some((found, expected)) =
            found.iter().zip(&expected).find(|(found, expected)| found != expected)
        {
            return Err(format!("{way}: {found:?}, not {expected:?}").into());
        }
    }
    Ok(())
}

/// Finds the members who did most in the week before a Monday, five ways.
///
/// Its schedule is every Monday at three in Seoul: `schedule` runs it then, and so does `run --due` from a cron job.
#[job(schedule("0 3 * * MON", zone = "Asia/Seoul", restarts = 2))]
fn weekly_top_user(
    /// The Monday after the week
    #[param(scheduled)]
    monday: Date,
    /// Number of rooms to create where there are none
    #[param(default = 20_000, identifying = false)]
    rooms: i64,
) {
    generate;
    clear;
    offset;
    key;
    cursor;
    bulk;
    batch;
    compare;
}

batch_runtime::main!(weekly_top_user);
