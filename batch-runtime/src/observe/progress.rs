//! Receives: the steps that run. Gives: how far they are, to a person: bars on a terminal, elsewhere a line now
//! and then.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{JobReport, JobStarted, Observer, StepLive, StepReport, words};
use crate::definition::{self, StopSignal};
use crate::repository::Counters;

const REDRAW: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Where lines go.
type Lines = Box<dyn Write + Send>;

/// Shows on standard error how far the running steps are: one bar each on a terminal, elsewhere a line each every
/// ten seconds. A thread of its own draws; the steps only count.
///
/// ```
/// use std::sync::Arc;
/// use batch_runtime::observe::{Observer, Progress};
///
/// let watching: Arc<dyn Observer> = Arc::new(Progress::on_stderr());
/// ```
pub struct Progress {
    shared: Arc<Shared>,
    ticker: Mutex<Option<Ticker>>,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// A bar for each running step.
    Bars,
    /// A line for each running step, every ten seconds.
    Lines,
    /// Only that the job was asked to stop.
    Nothing,
}

struct Ticker {
    quit: SyncSender<()>,
    thread: JoinHandle<()>,
}

struct Shared {
    show: Show,
    verbose: bool,
    stop: StopSignal,
    stop_told: AtomicBool,
    began: AtomicBool,
    bars: Option<MultiProgress>,
    lines: Mutex<Lines>,
    running: Mutex<Vec<Running>>,
}

struct Running {
    live: Arc<StepLive>,
    bar: Option<ProgressBar>,
    /// Where the input stood, and when: a restart begins in its middle.
    first: Option<(u64, Duration)>,
    next_line: Instant,
}

impl Progress {
    /// Bars where standard error is a terminal, else lines.
    #[must_use]
    pub fn on_stderr() -> Self {
        let show =
            if std::io::IsTerminal::is_terminal(&std::io::stderr()) { Show::Bars } else { Show::Lines };
        Self::new(show, false, StopSignal::new(), Box::new(std::io::stderr()))
    }

    pub(crate) fn new(show: Show, verbose: bool, stop: StopSignal, lines: Lines) -> Self {
        let bars = (show == Show::Bars)
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        let shared = Arc::new(Shared {
            show,
            verbose,
            stop,
            stop_told: AtomicBool::new(false),
            began: AtomicBool::new(false),
            bars,
            lines: Mutex::new(lines),
            running: Mutex::default(),
        });
        let (quit, told_to_quit) = sync_channel(1);
        let watched = Arc::clone(&shared);
        // Without the thread nothing is drawn, and the job runs all the same.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            while told_to_quit.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                watched.tick(Instant::now());
            }
        });
        Self { shared, ticker: Mutex::new(thread.ok().map(|thread| Ticker { quit, thread })) }
    }

    /// Was a launch committed?
    pub(crate) fn job_began(&self) -> bool {
        self.shared.began.load(Ordering::Relaxed)
    }

    /// Takes the bars away and shows nothing more.
    pub fn finish(&self) {
        let ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Ticker { quit, thread }) = ticker {
            drop(quit);
            // A thread that panicked has drawn nothing; the job is not to fail for it.
            let _ = thread.join();
        }
        for Running { bar, .. } in self.shared.running().drain(..) {
            bar.iter().for_each(ProgressBar::finish_and_clear);
        }
        if let Some(bars) = &self.shared.bars {
            let _ = bars.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("show", &self.shared.show).finish_non_exhaustive()
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, text: &str) {
        let write = || {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(lines, "{text}");
            let _ = lines.flush();
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    fn tick(&self, now: Instant) {
        if self.stop.is_raised() && !self.stop_told.swap(true, Ordering::Relaxed) {
            self.say("stopping at the end of the chunk; a second Ctrl-C ends the process at once");
        }
        if self.show == Show::Nothing {
            return;
        }
        let mut due = Vec::new();
        for running in self.running().iter_mut() {
            let state = running.state(now);
            if let Some(bar) = &running.bar {
                state.draw(bar);
            } else if now >= running.next_line {
                running.next_line = now + LINE_EVERY;
                due.push(state.line(running.live.name()));
            }
        }
        for line in due {
            self.say(&line);
        }
    }
}

impl Observer for Progress {
    fn job_started(&self, job: &JobStarted<'_>) {
        self.shared.began.store(true, Ordering::Relaxed);
        if self.shared.verbose {
            let continues = job.restarted_from.map(|id| format!(", continues execution {id}"));
            self.shared.say(&format!(
                "{} started: execution {} of instance {}{}",
                job.job,
                job.execution,
                job.instance,
                continues.unwrap_or_default()
            ));
        }
    }

    fn step_started(&self, live: &Arc<StepLive>) {
        if self.shared.verbose {
            self.shared.say(&format!("{} started", live.name()));
        }
        let bar = self.shared.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            bar.set_style(spinner());
            bar.set_prefix(words::line(live.name(), 30));
            bar
        });
        let next_line = live.began() + LINE_EVERY;
        self.shared.running().push(Running { live: Arc::clone(live), bar, first: None, next_line });
    }

    fn step_passed(&self, name: &str) {
        if self.shared.verbose {
            self.shared.say(&format!("{name} is complete already"));
        }
    }

    fn step_ended(&self, step: &StepReport) {
        let mut running = self.shared.running();
        if let Some(index) = running.iter().position(|running| running.live.name() == step.name) {
            let ended = running.remove(index);
            if let (Some(bars), Some(bar)) = (&self.shared.bars, ended.bar) {
                bar.finish_and_clear();
                bars.remove(&bar);
            }
        }
        drop(running);
        if self.shared.verbose {
            let status = step.status.as_str().to_lowercase();
            self.shared.say(&format!(
                "{} {status} in {}: {} read, {} written",
                step.name,
                words::time(step.elapsed),
                words::count(step.counters.read),
                words::count(step.counters.write)
            ));
        }
    }

    fn job_ended(&self, _job: &JobReport) {
        self.finish();
    }
}

impl Running {
    fn state(&mut self, now: Instant) -> State {
        let live = &self.live;
        let progress = live.progress();
        let elapsed = now.saturating_duration_since(live.began());
        if self.first.is_none() {
            let anew = (*live.before() == Counters::default()).then_some((0, Duration::ZERO));
            self.first = anew.or(progress.map(|progress| (progress.done, elapsed)));
        }
        State {
            read: live.read(),
            before: live.before().read,
            written: live.written(),
            skipped: live.skipped(),
            elapsed,
            progress,
            first: self.first.unwrap_or_default(),
        }
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy)]
struct State {
    read: u64,
    before: u64,
    written: u64,
    skipped: u64,
    elapsed: Duration,
    progress: Option<definition::Progress>,
    first: (u64, Duration),
}

impl State {
    fn percent(&self) -> Option<u64> {
        let definition::Progress { done, total } = self.progress?;
        let percent = u128::from(done.min(total)) * 100 / u128::from(total.max(1));
        u64::try_from(percent).ok()
    }

    /// As much time a part of the input as it took so far.
    fn left(&self) -> Option<Duration> {
        let definition::Progress { done, total } = self.progress?;
        let (first, since) = self.first;
        let behind = done.checked_sub(first).filter(|behind| *behind > 0)?;
        let took = self.elapsed.saturating_sub(since).as_millis();
        let left = took * u128::from(total.saturating_sub(done)) / u128::from(behind);
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    /// The most wanted first: a narrow terminal cuts the end off.
    fn facts(&self) -> String {
        let mut facts = vec![match self.before {
            0 => format!("{} read", words::count(self.read)),
            before => format!("{} read ({} before)", words::count(self.read), words::count(before)),
        }];
        if let Some(rate) = words::rate(self.read, self.elapsed).filter(|rate| *rate > 0) {
            facts.push(format!("{} items/s", words::count(rate)));
        }
        if let Some(left) = self.left() {
            facts.push(format!("{} left", words::time(left)));
        }
        facts.push(format!("{} written", words::count(self.written)));
        if self.skipped > 0 {
            facts.push(format!("{} skipped", words::count(self.skipped)));
        }
        facts.join(", ")
    }

    fn line(&self, name: &str) -> String {
        let percent = self.percent().map(|percent| format!("{percent} %, ")).unwrap_or_default();
        format!("{}: {percent}{}", words::line(name, 60), self.facts())
    }

    fn draw(&self, bar: &ProgressBar) {
        if let Some(definition::Progress { done, total }) = self.progress {
            if bar.length().is_none() {
                bar.set_style(measured());
            }
            bar.set_length(total);
            bar.set_position(done.min(total));
        }
        bar.set_message(self.facts());
        bar.tick();
    }
}

fn measured() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {percent:>3} % {wide_msg}");
    style.expect("the template is well-formed").progress_chars("=> ")
}

fn spinner() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} {spinner} {wide_msg}");
    style.expect("the template is well-formed").tick_chars("-\\|/ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: (u64, Duration) = (0, Duration::ZERO);

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn state(done: u64, first: (u64, Duration)) -> State {
        State {
            read: 140_000,
            before: 0,
            written: 4_000,
            skipped: 0,
            elapsed: Duration::from_secs(10),
            progress: Some(definition::Progress { done, total: 1_000 }),
            first,
        }
    }

    fn watch(show: Show, stop: StopSignal) -> (Progress, Kept, Arc<StepLive>) {
        let kept = Kept::default();
        let progress = Progress::new(show, false, stop, Box::new(kept.clone()));
        let live = Arc::new(StepLive::new("load".to_owned(), Counters::default()));
        progress.step_started(&live);
        (progress, kept, live)
    }

    #[test]
    fn a_line_tells_what_was_done_and_what_is_left() {
        assert_eq!(
            state(400, NEW).line("load"),
            "load: 40 %, 140,000 read, 14,000 items/s, 15.0 s left, 4,000 written"
        );
    }

    #[test]
    fn the_time_left_after_a_restart_is_told_from_what_this_execution_did() {
        assert_eq!(
            state(400, (300, Duration::from_secs(5))).left().map(words::time).as_deref(),
            Some("30.0 s")
        );
    }

    #[test]
    fn an_input_of_unknown_size_has_no_percents() {
        let state = State { progress: None, before: 7, ..state(0, NEW) };
        assert_eq!(state.line("load"), "load: 140,000 read (7 before), 14,000 items/s, 4,000 written");
    }

    #[test]
    fn an_input_that_grew_is_not_behind_its_end() {
        assert_eq!(state(2_000, NEW).percent(), Some(100));
        assert_eq!(state(2_000, NEW).left(), Some(Duration::ZERO));
    }

    #[test]
    fn without_a_terminal_a_line_is_due_every_ten_seconds() {
        let (progress, kept, live) = watch(Show::Lines, StopSignal::new());
        progress.shared.tick(live.began() + Duration::from_secs(9));
        assert_eq!(kept.text(), "");
        for seconds in [10, 11, 19, 20] {
            progress.shared.tick(live.began() + Duration::from_secs(seconds));
        }
        assert_eq!(kept.text().lines().count(), 2);
    }

    #[test]
    fn a_step_that_has_ended_is_told_of_no_more() {
        let (progress, kept, live) = watch(Show::Lines, StopSignal::new());
        progress.finish();
        progress.shared.tick(live.began() + LINE_EVERY * 6);
        assert_eq!(kept.text(), "");
    }

    #[test]
    fn a_stop_is_told_once_also_where_nothing_else_is() {
        let stop = StopSignal::new();
        let (progress, kept, live) = watch(Show::Nothing, stop.clone());
        stop.raise();
        progress.shared.tick(live.began());
        progress.shared.tick(live.began() + LINE_EVERY * 6);
        assert_eq!(
            kept.text(),
            "stopping at the end of the chunk; a second Ctrl-C ends the process at once\n"
        );
    }
}
