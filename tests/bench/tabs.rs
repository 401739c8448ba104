//! The web page beside a running job: how much ten open tabs slow the job, how much memory the server takes, and how often
//! it wakes up when nobody looks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::measure::{Pair, Spread, interleaved, median_seconds, time};
use crate::process::{CHILD, child_process};
use crate::report::{Row, Target};
use crate::{Outcome, Plan, data, places};

/// The open tabs, each of which looks every two seconds, as the script of the page does.
const TABS: u64 = 10;
const EVERY: Duration = Duration::from_secs(2);
/// After this time without a request, the server has ended the threads of its queries.
const QUIET: Duration = Duration::from_secs(7);
/// The files of the repository and of the job.
const FILES: [&str; 3] = ["tabs.db", "tabs.csv", "tabs-out.csv"];

/// The server of a repository, which ends with the benchmark.
struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(repository: &Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(CHILD, "page").args(["serve", "--listen", "0", "--repository"]).arg(repository);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut link = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut link)?;
        let (address, token) = link
            .trim()
            .strip_prefix("http://")
            .and_then(|link| link.split_once("/?token="))
            .ok_or_else(|| format!("the server did not start: {link}"))?;
        Ok(Self { address: address.to_owned(), token: token.to_owned(), child })
    }

    /// A number in a file of `/proc` about the process or one of its threads.
    fn number(folder: &Path, field: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(folder.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(line.ok_or("no such field")?.trim().trim_end_matches(" kB").parse()?)
    }

    fn folder(&self) -> std::path::PathBuf {
        format!("/proc/{}", self.child.id()).into()
    }

    /// The largest memory so far, in MB.
    fn peak_memory(&self) -> Outcome<f64> {
        Ok(Self::number(&self.folder(), "VmHWM")? as f64 / 1024.0)
    }

    /// How often a thread has begun to wait.
    fn waits(&self) -> Outcome<u64> {
        let mut waits = 0;
        for thread in std::fs::read_dir(self.folder().join("task"))? {
            waits += Self::number(&thread?.path(), "voluntary_ctxt_switches")?;
        }
        Ok(waits)
    }

    /// The time on processors, in milliseconds.
    fn cpu(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(self.folder().join("stat"))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("no fields")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        // Linux counts hundredths of a second for programs, whatever its own clock.
        Ok(ticks as f64 * 10.0)
    }

    fn tab(&self) -> Outcome<Tab> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let head =
            format!("Host: {}\r\nAuthorization: Bearer {}\r\nX-Fragment: 1\r\n", self.address, self.token);
        Ok(Tab { stream: BufReader::new(stream), head, tag: None })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tab of a browser: a connection that stays, and the tag of what it shows.
struct Tab {
    stream: BufReader<TcpStream>,
    head: String,
    tag: Option<String>,
}

impl Tab {
    /// Asks for the live part of a page, and returns the status of the answer.
    fn look(&mut self, path: &str) -> Outcome<u16> {
        let known = self.tag.as_ref().map(|tag| format!("If-None-Match: {tag}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\n{}{known}\r\n", self.head);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no answer")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            match line.trim().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse()?;
                }
                Some((name, value)) if name.eq_ignore_ascii_case("etag") => self.tag = Some(value.to_owned()),
                Some(_) => {}
                None => break,
            }
        }
        if status != 304 {
            std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
        }
        Ok(status)
    }
}

/// Does some work while all tabs show an execution. Counts their requests.
fn with_tabs(
    server: &Server,
    path: &str,
    looks: &AtomicU64,
    work: impl FnOnce() -> Outcome<Duration>,
) -> Outcome<Duration> {
    let tabs: Vec<Tab> = (0..TABS).map(|_| server.tab()).collect::<Outcome<_>>()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let each = EVERY / u32::try_from(TABS)?;
        let threads: Vec<_> = tabs
            .into_iter()
            .zip(0..)
            .map(|(mut tab, number)| {
                let is_over = &is_over;
                scope.spawn(move || {
                    thread::park_timeout(each * number);
                    while !is_over.load(Relaxed) {
                        // A page that is not there yet, or a connection that has ended, is not looked at again.
                        if tab.look(path).is_err() {
                            break;
                        }
                        looks.fetch_add(1, Relaxed);
                        thread::park_timeout(EVERY);
                    }
                })
            })
            .collect();
        let took = work();
        is_over.store(true, Relaxed);
        for it in &threads {
            it.thread().unpark();
        }
        took
    })
}

/// A job that copies a file, whose runs are the executions 1, 2, 3 and so on of their repository.
struct Job<'a> {
    plan: &'a Plan,
    runs: u64,
}

impl Job<'_> {
    fn run(&mut self) -> Outcome<Duration> {
        let [repository, input, output] = FILES.map(|name| self.plan.memory.file(name));
        places::remove(&[&output])?;
        let mut command = child_process("csv_to_csv", &repository, "job")?;
        command.arg("--next").arg("--input").arg(&input).arg("--output").arg(&output);
        self.runs += 1;
        time(|| if command.output()?.status.success() { Ok(()) } else { Err("the job failed".into()) })
    }

    /// The page of the next run.
    fn next_page(&self) -> String {
        format!("/executions/{}", self.runs + 1)
    }
}

/// A server, and a job in its repository that takes some seconds.
fn prepared(plan: &Plan, rows: u64) -> Outcome<(Server, Job<'_>)> {
    let [repository, input, output] = FILES.map(|name| plan.memory.file(name));
    places::remove(&[&repository, &input, &output])?;
    data::write_csv(&input, rows)?;
    let mut job = Job { plan, runs: 0 };
    job.run()?;
    Ok((Server::start(&repository)?, job))
}

fn removed(plan: &Plan) -> Outcome {
    let files = FILES.map(|name| plan.memory.file(name));
    places::remove(&files.each_ref().map(std::path::PathBuf::as_path))
}

/// How much slower a job is while ten tabs show it, in percent.
pub(crate) fn slow_down(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (server, job) = prepared(plan, plan.size(20_000_000))?;
    let job = std::cell::RefCell::new(job);
    let (looks, before) = (AtomicU64::new(0), server.cpu()?);
    let with = || {
        let path = job.borrow().next_page();
        with_tabs(&server, &path, &looks, || job.borrow_mut().run())
    };
    let pairs: Vec<Pair> = interleaved(plan.rounds(7), with, || job.borrow_mut().run())?;
    let cpu = server.cpu()? - before;
    let looks = looks.into_inner();
    drop(server);
    removed(plan)?;
    let detail = format!(
        "{:.2} s with ten tabs, {:.2} s without; {looks} requests took the server {:.1} ms each",
        median_seconds(&pairs, |pair| pair.ours),
        median_seconds(&pairs, |pair| pair.by_hand),
        cpu / looks as f64
    );
    let value = Spread::of(pairs.iter().map(|pair| (pair.ratio() - 1.0) * 100.0));
    Ok(Row { name, unit: "%", value, target: Target::must(1.0), detail })
}

/// The peak memory of a server whose views have been looked at by ten tabs at once.
pub(crate) fn memory(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (server, mut job) = prepared(plan, 10_000)?;
    for _ in 0..30 {
        job.run()?;
    }
    let idle = server.peak_memory()?;
    let views = ["/", "/executions", "/executions/1", "/executions/1/graph", "/executions/1/time"];
    let mut tabs: Vec<Tab> = (0..TABS).map(|_| server.tab()).collect::<Outcome<_>>()?;
    for view in views.iter().cycle().take(10 * views.len()) {
        thread::scope(|scope| -> Outcome {
            let looks: Vec<_> = tabs
                .iter_mut()
                .map(|tab| scope.spawn(|| tab.look(view).map_err(|it| it.to_string())))
                .collect();
            for look in looks {
                let status = look.join().map_err(|_| "a tab panicked")??;
                if !matches!(status, 200 | 304) {
                    return Err(format!("{view}: {status}").into());
                }
            }
            Ok(())
        })?;
    }
    let peak = server.peak_memory()?;
    drop(server);
    removed(plan)?;
    let detail = format!("{idle:.1} MB before the first request");
    Ok(Row { name, unit: "MB", value: Spread::of([peak]), target: Target::must(20.0), detail })
}

/// How often the server wakes up in a minute when nobody looks, after somebody has looked.
pub(crate) fn wake_ups(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let (server, _) = prepared(plan, 1_000)?;
    for path in ["/", "/executions/1"] {
        server.tab()?.look(path)?;
    }
    thread::sleep(QUIET);
    let watched = Duration::from_secs(if plan.quick { 10 } else { 60 });
    let before = server.waits()?;
    thread::sleep(watched);
    let waits = (server.waits()? - before) as f64;
    drop(server);
    removed(plan)?;
    let value = Spread::of([waits * 60.0 / watched.as_secs_f64()]);
    let detail = format!("watched for {} s", watched.as_secs());
    Ok(Row { name, unit: "a minute", value, target: Target::must(0.0), detail })
}
