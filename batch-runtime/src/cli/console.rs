//! Receives: the process that the command line runs in. Gives: what of it the commands may touch: two streams, the
//! environment, and whether a person sits at a terminal.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::definition::StopSignal;

/// A stream that several threads write whole lines to.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Box<dyn Write + Send>>>);

impl Stream {
    pub(super) fn new(stream: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(stream))))
    }

    /// Writes, unless the reader has gone: `| head` is no failure of the job.
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

/// What a command may touch of its process.
pub(super) struct Console {
    pub(super) out: Stream,
    pub(super) err: Stream,
    /// The value of an environment variable.
    pub(super) environment: fn(&str) -> Option<OsString>,
    /// May bars be drawn on standard error?
    pub(super) bars: bool,
    /// May help be coloured?
    pub(super) colour: bool,
    /// The width that help is wrapped to; `None` for that of the terminal.
    pub(super) width: Option<usize>,
    /// The signal that stops a running job.
    pub(super) stop: StopSignal,
}

impl Console {
    /// The process as it is.
    pub(super) fn of_process(stop: StopSignal) -> Self {
        Self {
            out: Stream::new(io::stdout()),
            err: Stream::new(io::stderr()),
            environment: |name| std::env::var_os(name),
            bars: io::stderr().is_terminal(),
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            width: (!io::stdout().is_terminal()).then_some(100),
            stop,
        }
    }

    /// Two streams and nothing else.
    pub(super) fn of_streams(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self {
            out: Stream::new(out),
            err: Stream::new(err),
            environment: |_| None,
            bars: false,
            colour: false,
            width: Some(100),
            stop: StopSignal::new(),
        }
    }
}
