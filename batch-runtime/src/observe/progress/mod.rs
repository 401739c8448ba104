//! Shows the progress of running steps to a person: as bars on a terminal, otherwise as a line now and then.

mod bars;

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::step_progress::ended;
use super::{JobReport, JobStarted, Observer, StepLive, StepReport, words};
use crate::definition::StopSignal;

const REDRAW: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The destination of lines.
type Lines = Box<dyn Write + Send>;

/// Shows the progress of running steps on standard error: as one bar per step on a terminal, otherwise as one line
/// per step every ten seconds. A separate thread draws; the threads of the steps only count.
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

/// How progress is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// A bar for each running step.
    Bars,
    /// A line for each running step, every ten seconds.
    Lines,
    /// No progress, only the message that a stop was requested.
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
    stop_announced: AtomicBool,
    began: AtomicBool,
    bars: Option<MultiProgress>,
    lines: Mutex<Lines>,
    running: Mutex<Vec<Running>>,
}

struct Running {
    live: Arc<StepLive>,
    bar: Option<ProgressBar>,
    next_line: Instant,
}

impl Progress {
    /// Shows bars if standard error is a terminal, otherwise lines.
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
            stop_announced: AtomicBool::new(false),
            began: AtomicBool::new(false),
            bars,
            lines: Mutex::new(lines),
            running: Mutex::default(),
        });
        let (quit, quit_requested) = sync_channel(1);
        let watched = Arc::clone(&shared);
        // If the thread cannot start, nothing is drawn, but the job still runs.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            while quit_requested.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                watched.tick(Instant::now());
            }
        });
        Self { shared, ticker: Mutex::new(thread.ok().map(|thread| Ticker { quit, thread })) }
    }

    /// Returns whether a launch was committed.
    pub(crate) fn job_began(&self) -> bool {
        self.shared.began.load(Ordering::Relaxed)
    }

    /// Stops showing a step.
    pub(crate) fn forget(&self, step: &str) {
        let mut running = self.shared.running();
        if let Some(index) = running.iter().position(|running| running.live.name() == step) {
            let ended = running.remove(index);
            if let (Some(bars), Some(bar)) = (&self.shared.bars, ended.bar) {
                bar.finish_and_clear();
                bars.remove(&bar);
            }
        }
    }

    /// Removes the bars and stops showing anything.
    pub fn finish(&self) {
        let ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Ticker { quit, thread }) = ticker {
            drop(quit);
            // If the thread panicked, only the display is lost; the job must not fail.
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
            // If standard error is closed, there is nobody to tell.
            let _ = writeln!(lines, "{text}");
            let _ = lines.flush();
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    fn tick(&self, now: Instant) {
        if self.stop.is_raised() && !self.stop_announced.swap(true, Ordering::Relaxed) {
            self.say("stopping at the end of the chunk; a second Ctrl-C ends the process at once");
        }
        if self.show == Show::Nothing {
            return;
        }
        let mut due = Vec::new();
        for running in self.running().iter_mut() {
            let progress = running.live.at(now);
            if let Some(bar) = &running.bar {
                bars::draw(&progress, bar);
            } else if now >= running.next_line {
                running.next_line = now + LINE_EVERY;
                due.push(progress.line(running.live.name()));
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
            bar.set_style(bars::spinner());
            bar.set_prefix(words::line(live.name(), 30));
            bar
        });
        let next_line = live.began() + LINE_EVERY;
        self.shared.running().push(Running { live: Arc::clone(live), bar, next_line });
    }

    fn step_passed(&self, name: &str) {
        if self.shared.verbose {
            self.shared.say(&format!("{name} is already complete"));
        }
    }

    fn noted(&self, step: &str, what: &str) {
        if self.shared.show != Show::Nothing {
            self.shared.say(&format!("{step}: {what}"));
        }
    }

    fn step_ended(&self, step: &StepReport) {
        self.forget(&step.name);
        if self.shared.verbose {
            self.shared.say(&ended(&step.name, step.status, step.elapsed, &step.counters));
        }
    }

    fn job_ended(&self, _job: &JobReport) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Counters;

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

    fn watch(show: Show, stop: StopSignal) -> (Progress, Kept, Arc<StepLive>) {
        let kept = Kept::default();
        let progress = Progress::new(show, false, stop, Box::new(kept.clone()));
        let live = Arc::new(StepLive::new("load".to_owned(), Counters::default()));
        progress.step_started(&live);
        (progress, kept, live)
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
    fn each_of_several_running_steps_has_its_line_until_it_ends() {
        let (progress, kept, live) = watch(Show::Lines, StopSignal::new());
        let other = Arc::new(StepLive::new("publish".to_owned(), Counters::default()));
        progress.step_started(&other);
        progress.shared.tick(live.began().max(other.began()) + LINE_EVERY);
        progress.step_ended(&StepReport {
            name: "load".to_owned(),
            id: crate::definition::StepExecutionId(1),
            status: crate::repository::BatchStatus::Completed,
            exit: crate::repository::ExitStatus::code("COMPLETED"),
            counters: Counters::default(),
            before: Counters::default(),
            profile: None,
            elapsed: Duration::ZERO,
            remedy: None,
            failure: None,
        });
        progress.shared.tick(live.began().max(other.began()) + LINE_EVERY * 3);
        let text = kept.text();
        let names: Vec<_> = text.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names, ["load", "publish", "publish"]);
    }

    #[test]
    fn a_step_that_has_ended_is_no_longer_shown() {
        let (progress, kept, live) = watch(Show::Lines, StopSignal::new());
        progress.finish();
        progress.shared.tick(live.began() + LINE_EVERY * 6);
        assert_eq!(kept.text(), "");
    }

    #[test]
    fn a_stop_is_announced_once_even_if_nothing_else_is() {
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
