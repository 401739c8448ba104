//! The parts of the process that commands may touch: two streams, the environment, and whether a person is at
//! the terminal.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::definition::StopSignal;

/// A stream to which several threads write whole lines.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Box<dyn Write + Send>>>);

impl Stream {
    pub(super) fn new(stream: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(stream))))
    }

    /// Writes the text. A closed pipe, as with `| head`, is not a failure of the job.
    pub(super) fn put(&self, text: impl Display) {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(stream, "{text}").and_then(|()| stream.flush());
    }

    pub(super) fn line(&self, text: impl Display) {
        self.put(format_args!("{text}\n"));
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Returns the value of an environment variable.
pub(super) type Environment = fn(&str) -> Option<OsString>;

/// The parts of the process that a command may touch.
pub(super) struct Console {
    pub(super) out: Stream,
    pub(super) err: Stream,
    pub(super) environment: Environment,
    /// Reads standard input to its end.
    pub(super) input: fn() -> io::Result<String>,
    /// True if progress bars may be drawn on standard error.
    pub(super) bars: bool,
    /// True if help may be coloured.
    pub(super) colour: bool,
    /// The width at which help is wrapped; `None` takes the terminal's.
    pub(super) width: Option<usize>,
    /// True if the process runs nothing but this command.
    #[cfg_attr(not(feature = "log"), expect(dead_code, reason = "only the log depends on it"))]
    pub(super) owns_process: bool,
    /// The signal that stops a running job.
    pub(super) stop: StopSignal,
}

impl Console {
    /// The console of this process.
    pub(super) fn of_process(stop: StopSignal) -> Self {
        Self {
            out: Stream::new(io::stdout()),
            err: Stream::new(io::stderr()),
            environment: |name| std::env::var_os(name),
            input: || io::read_to_string(io::stdin()),
            bars: io::stderr().is_terminal(),
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            width: (!io::stdout().is_terminal()).then_some(100),
            owns_process: true,
            stop,
        }
    }

    /// Returns whether standard output is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.width.is_none()
    }

    /// A console of two streams and nothing else.
    pub(super) fn of_streams(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self {
            out: Stream::new(out),
            err: Stream::new(err),
            environment: |_| None,
            input: || Ok(String::new()),
            bars: false,
            colour: false,
            width: Some(100),
            owns_process: false,
            stop: StopSignal::new(),
        }
    }
}
