use batch_runtime::prelude::*;
use std::fmt;

#[derive(Debug)]
struct Flight {
    minutes: f64,
}

#[derive(Debug)]
struct Delay {
    minutes: f64,
}

#[derive(Debug)]
struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too late")
    }
}

impl std::error::Error for Late {}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    [Flight { minutes: 3.0 }].into_iter()
}

#[processor]
fn late(flight: Flight) -> Result<Delay, Late> {
    if flight.minutes > 0.0 { Ok(Delay { minutes: flight.minutes }) } else { Err(Late) }
}

#[writer]
fn save(delays: &[Delay]) {
    println!("{}", delays.iter().map(|delay| delay.minutes).sum::<f64>());
}

#[resource]
fn letters(title: String) -> Vec<char> {
    title.chars().collect()
}

#[listener(before_step)]
fn begins(title: String, context: &StepContext) -> Result<(), std::io::Error> {
    println!("{title} {}", context.step());
    Ok(())
}

#[listener(after_step)]
fn ends(counters: &Counters, failure: Option<&Failure>, title: &str) {
    println!("{title} {counters:?} {failure:?}");
}

#[listener(before_chunk)]
fn chunk_begins() {}

#[listener(after_chunk)]
fn chunk_ends(counters: &Counters) -> anyhow::Result<()> {
    println!("{}", counters.commit);
    Ok(())
}

#[listener(on_chunk_error)]
fn chunk_fails(error: &Failure) {
    println!("{error}");
}

#[listener(before_read)]
fn reads(letters: &Vec<char>) {
    println!("{}", letters.len());
}

#[listener(after_read)]
fn has_read(flight: &Flight, connection: &Connection) -> Result<(), String> {
    println!("{flight:?} {connection:?}");
    Ok(())
}

#[listener(on_read_error)]
fn read_fails(error: &dyn std::error::Error) {
    println!("{error}");
}

#[listener(before_process)]
fn processes(flight: &Flight) {
    println!("{flight:?}");
}

#[listener(after_process)]
fn has_processed(delay: &Delay) {
    println!("{delay:?}");
}

#[listener(on_process_error)]
fn process_fails(error: &Late) {
    println!("{error}");
}

#[listener(before_write)]
fn writes(delays: &[Delay]) {
    println!("{delays:?}");
}

#[listener(after_write)]
fn has_written(delays: &[Delay]) {
    println!("{delays:?}");
}

#[listener(on_write_error)]
fn write_fails(delays: &[Delay], error: &(dyn std::error::Error + 'static)) {
    println!("{delays:?} {error}");
}

#[listener(on_skip_in_read)]
fn skips_read(error: &ReadError) {
    println!("{error}");
}

#[listener(on_skip_in_process)]
fn skips_process(error: &Late, title: String) -> Result<(), std::fmt::Error> {
    println!("{title} {error}");
    Ok(())
}

#[listener(on_skip_in_write)]
fn skips_write(delay: &Delay, error: &Failure) {
    println!("{delay:?} {error}");
}

#[listener(on_retry)]
fn repeats(error: &Late, repeat: u32) {
    println!("{error} {repeat}");
}

#[step(
    chunk = 100,
    skip(Late, limit = 3),
    listeners(
        begins, ends, chunk_begins, chunk_ends, chunk_fails, reads, has_read, read_fails, processes, has_processed,
        process_fails, writes, has_written, write_fails, skips_read, skips_process, skips_write, repeats
    )
)]
fn load() {
    flights | late | save
}

#[step(listeners(begins, ends))]
fn tidy() {}

#[listener(before_job)]
fn job_begins(title: &str, letters: &Vec<char>, job: &JobContext) -> Result<(), Late> {
    println!("{title} {} {}", letters.len(), job.job());
    Ok(())
}

#[listener(after_job)]
fn job_ends(end: &JobEnd) {
    println!("{}", end.status);
}

#[job(listeners(job_begins, job_ends))]
fn etl(title: String) {
    tidy;
    load;
}

fn main() {
    let _ = etl("night".to_owned());
}
