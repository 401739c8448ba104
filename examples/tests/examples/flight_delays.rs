use crate::flights::{Expected, read};
use crate::program::{Folder, data};

fn run(folder: &Folder, file: &str) -> crate::program::EndedProcess {
    folder.run("flight_delays", ["run", "--input", data(file).to_str().unwrap()])
}

#[test]
fn the_sample_yields_the_rows_counters_and_ranking_of_an_independent_computation() {
    let folder = Folder::new();
    run(&folder, "flights-5000.csv").ended_with(0);
    let expected = Expected::of(&read(&data("flights-5000.csv")));
    assert_eq!(expected.records(), 5_000);
    expected.compare(&folder);
}

#[test]
fn a_complete_instance_is_refused_with_its_own_exit_code_and_left_alone() {
    let folder = Folder::new();
    run(&folder, "flights-5000.csv").ended_with(0);
    let again = run(&folder, "flights-5000.csv").ended_with(4);
    assert!(again.err.contains("already COMPLETED"), "{}", again.err);
    Expected::of(&read(&data("flights-5000.csv"))).compare(&folder);
}

#[test]
fn the_next_instance_starts_with_an_empty_table() {
    let folder = Folder::new();
    let input = data("flights-5000.csv");
    let arguments = ["run", "--input", input.to_str().unwrap(), "--next"];
    folder.run("flight_delays", arguments).ended_with(0);
    folder.run("flight_delays", arguments).ended_with(0);
    Expected::of(&read(&input)).compare(&folder);
}

#[test]
fn a_missing_file_is_reported_in_one_line_and_nothing_is_loaded() {
    let folder = Folder::new();
    let ran = folder.run("flight_delays", ["run", "--input", "nowhere.csv"]).ended_with(1);
    assert!(ran.err.contains("nowhere.csv"), "{}", ran.err);
    let loaded: u32 =
        folder.database().query_row("SELECT count(*) FROM late_flight", [], |row| row.get(0)).unwrap();
    assert_eq!(loaded, 0);
}

#[test]
fn the_sample_consists_of_records_of_the_whole_file_and_has_every_carrier_and_month() {
    let whole = crate::killed::whole_file();
    let cut = read(&data("flights-5000.csv"));
    let values = |text: &str, column: usize| -> std::collections::BTreeSet<String> {
        text.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().to_owned()).collect()
    };
    for column in [1, 9] {
        assert_eq!(values(&cut, column), values(&whole, column), "column {column}");
    }
    let records: Vec<&str> = whole.lines().collect();
    for (i, line) in cut.lines().skip(1).enumerate() {
        assert_eq!(line, records[1 + 3 + 336_776 * i / 5_000], "record {i}");
    }
}

#[test]
fn the_shipped_file_is_the_default_where_the_readme_runs_it() {
    let folder = Folder::new();
    let help = folder.run("flight_delays", ["run", "--help"]).ended_with(0).out;
    assert!(help.contains("examples/data/flights.csv.zst"), "{help}");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(root.join("examples/data/flights.csv.zst").is_file());
}
