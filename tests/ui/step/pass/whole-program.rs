use batch_runtime::prelude::*;

struct Flight {
    carrier: String,
    delay: Option<f64>,
}

struct Delay {
    carrier: String,
    minutes: f64,
}

/// Reads one flight per line.
#[reader]
fn flights(input: PathBuf) -> std::io::Result<impl Iterator<Item = std::io::Result<Flight>>> {
    use std::io::BufRead;
    let file = std::io::BufReader::new(std::fs::File::open(input)?);
    Ok(file.lines().map(|line| line.map(|line| Flight { carrier: line, delay: Some(3.0) })))
}

/// Keeps the flights that left late.
#[processor]
fn late(flight: Flight, threshold: f64, names: &Names) -> Option<Delay> {
    let minutes = flight.delay?;
    let carrier = names.0.first().cloned().unwrap_or(flight.carrier);
    (minutes > threshold).then_some(Delay { carrier, minutes })
}

struct Names(Vec<String>);

#[resource]
fn names(names_path: &Path) -> Result<Names, String> {
    Ok(Names(vec![names_path.display().to_string()]))
}

#[derive(Default, Serialize, Deserialize)]
struct Seen {
    count: u64,
}

#[processor]
fn number(delay: &Delay, #[state] seen: &mut Seen) -> Result<(u64, String), std::fmt::Error> {
    seen.count += 1;
    Ok((seen.count, format!("{} {}", delay.carrier, delay.minutes)))
}

#[processor(bulk)]
fn shout(lines: &[(u64, String)]) -> Vec<Option<String>> {
    lines.iter().map(|(n, line)| (*n > 0).then(|| line.to_uppercase())).collect()
}

#[writer]
fn save(lines: &[String], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    lines.iter().try_for_each(|line| tx.execute("INSERT INTO line VALUES (?1)", [line]).map(drop))
}

#[writer]
fn audit(lines: &[String]) {
    println!("{} lines", lines.len());
}

enum Kind {
    Long,
    Short,
}

#[classifier]
fn kind(line: &String, limit: usize) -> Kind {
    if line.len() > limit { Kind::Long } else { Kind::Short }
}

#[step(chunk = 1_000)]
fn load() {
    flights(input = yesterday) | late | number | shout | save
}

const CHUNK: usize = 7;

#[step(chunk = CHUNK, start_limit = 3, allow_start_if_complete)]
fn load_both() {
    (flights, flights(input = "other.csv")) | late(threshold = 5.0) | number | shout | (
        save,
        audit,
        match kind(limit = 3) {
            Kind::Long => save,
            Kind::Short => audit,
        },
    )
}

#[derive(Serialize, Deserialize)]
struct Total {
    rows: i64,
}

#[step]
fn count(tx: &Transaction<'_>) -> rusqlite::Result<Total> {
    Ok(Total { rows: tx.query_row("SELECT count(*) FROM line", [], |row| row.get(0))? })
}

#[step]
fn print_total(total: &Output<count>, context: &StepContext, maybe: Option<&Output<count>>) {
    println!("{} {} {}", context.step(), total.rows, maybe.is_some());
}

#[step]
fn clean_up(#[state] seen: &mut Seen) -> Result<Repeat, Box<dyn std::error::Error>> {
    seen.count += 1;
    Ok(if seen.count > 3 { Repeat::Done } else { Repeat::Again })
}

enum Quality {
    Good,
    #[allow(dead_code)]
    Bad,
}

#[step]
fn judge() -> Quality {
    Quality::Good
}

fn main() {
    let late = late(Flight { carrier: "AA".into(), delay: Some(6.0) }, 5.0, &Names(vec![]));
    assert_eq!(late.unwrap().carrier, "AA");
    assert_eq!(load().name, "load");
    assert_eq!(load().components.len(), 5);
    assert_eq!(load_both().components.len(), 10);
    assert!(matches!(judge(), Quality::Good));
    let _ = (print_total, clean_up, count);
}
