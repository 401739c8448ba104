use super::fixture::*;

#[test]
fn try_it() {
    let folder = Folder::new();
    let all = [FLIGHT_DELAYS, UPLOAD, ONCE];
    let one = [FLIGHT_DELAYS];
    for (jobs, line) in [
        (&all[..], ""),
        (&all, "--help"),
        (&one, "run --help"),
        (&all, "run --help"),
        (&all, "run upload --help"),
        (&all, "run upload -h"),
        (&all, "jobs"),
        (&all, "jobs --json"),
        (&all, "executions"),
        (&one, "run"),
        (&one, "run --inptu a"),
        (&one, "run flight_delay --input a"),
        (&all, "run --input a"),
        (&one, "run --input flights.csv --fail-at 23"),
        (&one, "run --input flights.csv"),
        (&one, "run --input flights.csv"),
        (&one, "run flight_delays --input flights.csv --next --durability process -v"),
        (&one, "run flight_delays --input flights.csv --next --json"),
        (&one, "show 2"),
        (&one, "show 1"),
        (&all, "executions"),
        (&all, "executions --limit 1"),
        (&all, "executions --json --limit 1"),
        (&one, "show 2 --json"),
        (&one, "show 99"),
        (&one, "show abc"),
        (&one, "stop 2"),
        (&one, "abandon 2"),
        (&one, "recover"),
        (&all, "run once"),
        (&all, "run once"),
        (&all, "run upload"),
        (&all, "run upload --api-key hunter2 --param json=fast"),
        (&all, "restart 6"),
        (&all, "restart 6 --param api_key=x"),
        (&all, "restrat 6"),
        (&all, "run flight_delays --min-delay -x --input a --json"),
        (&all, "run flight_delays --min-delay --input a --json"),
        (&all, "executions foo"),
        (&all, "executions once --running"),
        (&all, "show"),
    ] {
        let a = folder.ask(jobs, line);
        eprintln!("$ {line}   -> {}\n{}-- err\n{}\n", a.code, a.out, a.err);
    }
}
