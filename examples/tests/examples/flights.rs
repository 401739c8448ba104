//! Computes the expected result of `flight_delays` for a file of flights, without the framework.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::program::{Counters, Folder, counted};

/// Carrier, number, route, minutes.
type Late = (String, u32, String, f64);

/// The expected result for a file.
pub(crate) struct Expected {
    records: u64,
    /// In the order of the file.
    late: Vec<Late>,
}

impl Expected {
    pub(crate) fn of(text: &str) -> Self {
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        let column = |name| header.iter().position(|column| *column == name).unwrap();
        let [delay, carrier, flight, origin, dest] =
            ["dep_delay", "carrier", "flight", "origin", "dest"].map(column);
        let mut expected = Self { records: 0, late: Vec::new() };
        for line in lines {
            expected.records += 1;
            let fields: Vec<&str> = line.split(',').collect();
            let minutes = if fields[delay] == "NA" { 0.0 } else { fields[delay].parse().unwrap() };
            if minutes > 0.0 {
                let route = format!("{}-{}", fields[origin], fields[dest]);
                expected.late.push((
                    fields[carrier].to_owned(),
                    fields[flight].parse().unwrap(),
                    route,
                    minutes,
                ));
            }
        }
        expected
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The content of the ranking file. Delays are whole minutes, so the sums are exact in any order.
    fn ranking(&self) -> String {
        let mut sums: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
        for (carrier, _, _, minutes) in &self.late {
            let (flights, sum) = sums.entry(carrier).or_default();
            *flights += 1;
            *sum += minutes;
        }
        let mut means: Vec<(&str, u32, f64)> = sums
            .into_iter()
            .map(|(carrier, (flights, sum))| (carrier, flights, sum / f64::from(flights)))
            .collect();
        means.sort_by(|a, b| b.2.total_cmp(&a.2));
        let lines = means.iter().map(|(carrier, flights, mean)| format!("{carrier},{flights},{mean:?}\n"));
        "carrier,late_flights,mean_minutes\n".to_owned() + &lines.collect::<String>()
    }

    /// Compares every row, in order, every counter, and the ranking.
    #[track_caller]
    pub(crate) fn compare(&self, folder: &Folder) {
        let database = folder.database();
        let rows = rows(&database);
        assert_eq!(rows.len(), self.late.len(), "late flights");
        if let Some(at) = (0..rows.len()).find(|at| rows[*at] != self.late[*at]) {
            panic!("row {at} is {:?}, not {:?}", rows[at], self.late[at]);
        }
        let late = self.late.len() as u64;
        let chunks = self.records.div_ceil(1_000);
        let counters = Counters {
            read: self.records,
            filter: self.records - late,
            write: late,
            commit: chunks,
            skip: 0,
        };
        assert_eq!(counted(&database, "load_delays"), counters);
        assert_eq!(read(&folder.file("carriers.csv")), self.ranking());
        let ranking = folder.file("carriers.csv");
        let beside = fs::read_dir(ranking.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
        let unfinished = beside.filter(|name| name.to_str().unwrap().starts_with("carriers.csv."));
        assert_eq!(unfinished.count(), 0);
    }
}

fn rows(database: &Connection) -> Vec<Late> {
    let mut query =
        database.prepare("SELECT carrier, number, route, minutes FROM late_flight ORDER BY rowid").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
