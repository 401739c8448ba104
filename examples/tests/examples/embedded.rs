use crate::program::Folder;

#[test]
fn days_are_booked_once_and_the_program_says_so() {
    let folder = Folder::new();
    let ran = folder.run("embedded", ["batch.db", "3", "4"]).ended_with(0);
    assert_eq!(ran.out, "day 3: 100 sales booked\nday 4: 100 sales booked\n");
    let ran = folder.run("embedded", ["batch.db", "4", "5"]).ended_with(0);
    assert_eq!(ran.out, "day 4: already booked\nday 5: 100 sales booked\n");

    let database = folder.database();
    let mut query = database.prepare("SELECT day, cents FROM takings ORDER BY day").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let takings: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>().unwrap();
    // A hundred sales of `day * 1,000` and one cent to one hundred cents.
    assert_eq!(takings, [3, 4, 5].map(|day| (day, day * 100_000 + 5_050)));
}

#[test]
fn an_argument_that_is_not_a_day_is_an_error() {
    let folder = Folder::new();
    folder.run("embedded", ["batch.db", "Monday"]).ended_with(1);
}
