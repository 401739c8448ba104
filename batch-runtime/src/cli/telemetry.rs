//! The telemetry of a run: `--log` and `--otlp`.

use std::collections::HashMap;

#[cfg(feature = "log")]
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};
#[cfg(feature = "otel")]
use tracing_subscriber::Layer;
#[cfg(feature = "log")]
use tracing_subscriber::layer::SubscriberExt as _;

use super::arguments::TelemetryArguments;
use super::console::Console;
#[cfg(feature = "log")]
use super::log::BoxedLayer;
use crate::frontend::refusal::Refusal;
#[cfg(feature = "otel")]
use crate::observe::otel::{Otel, Settings};
use crate::operator::JobOperator;
use crate::repository::Repository;

impl TelemetryArguments {
    /// Emits telemetry until the result is dropped.
    pub(super) fn open(&self, program: &str, console: &Console) -> Result<Telemetry, Refusal> {
        self.start(program, None, console)
    }

    /// Emits the telemetry of a worker. `trace` has the headers of the manager's span, if the manager keeps a trace.
    pub(super) fn open_for_worker(
        &self,
        program: &str,
        trace: HashMap<String, String>,
        console: &Console,
    ) -> Result<Telemetry, Refusal> {
        self.start(program, Some(trace), console)
    }

    #[cfg(not(feature = "log"))]
    fn start(
        &self,
        _program: &str,
        _trace: Option<HashMap<String, String>>,
        _console: &Console,
    ) -> Result<Telemetry, Refusal> {
        self.refuse_log()?;
        self.refuse_otlp()?;
        Ok(Telemetry {})
    }

    #[cfg(feature = "log")]
    fn start(
        &self,
        program: &str,
        trace: Option<HashMap<String, String>>,
        console: &Console,
    ) -> Result<Telemetry, Refusal> {
        let log = self.log.open(console)?;
        #[cfg(feature = "otel")]
        let (otel, layer) = self.otel(program, trace, console)?.unzip();
        #[cfg(feature = "otel")]
        let layers = log.into_iter().chain(layer.flatten()).collect();
        #[cfg(not(feature = "otel"))]
        let layers = {
            let _ = (program, trace);
            self.refuse_otlp()?;
            log.into_iter().collect()
        };
        let until = match subscribe(layers, console) {
            Ok(until) => until,
            Err(SubscriberExists) => match (self.log.is_given(), &self.otlp) {
                (true, _) => return Err(SubscriberExists::refusal("--log")),
                (false, Some(_)) => return Err(SubscriberExists::refusal("--otlp")),
                // The environment variables for OpenTelemetry may be meant for the program's own subscriber.
                (false, None) => None,
            },
        };
        Ok(Telemetry {
            #[cfg(feature = "otel")]
            otel,
            _until: until,
        })
    }

    #[cfg(feature = "otel")]
    fn otel(
        &self,
        program: &str,
        trace: Option<HashMap<String, String>>,
        console: &Console,
    ) -> Result<Option<(Otel, Option<BoxedLayer>)>, Refusal> {
        let variable = |name: &str| (console.environment)(name).and_then(|value| value.into_string().ok());
        let mut settings = match (Settings::of(self.otlp.as_deref(), variable, program), &self.otlp) {
            (Ok(None), _) => return Ok(None),
            (Ok(Some(settings)), _) => settings,
            (Err(problem), Some(_)) => return Err(Refusal::usage(problem)),
            (Err(problem), None) => {
                console.err.line(format_args!("warning: no traces or metrics are sent: {problem}"));
                return Ok(None);
            }
        };
        for warning in &settings.warnings {
            console.err.line(format_args!("warning: {warning}"));
        }
        let is_worker = trace.is_some();
        settings.set_parent(trace.unwrap_or_default());
        let (otel, layer) = Otel::start(settings, is_worker);
        Ok(Some((otel, layer.map(Layer::boxed))))
    }

    #[cfg(not(feature = "log"))]
    fn refuse_log(&self) -> Result<(), Refusal> {
        match self.log.file {
            None => Ok(()),
            Some(_) => Err(Refusal::usage(
                "`--log` needs a program that can write logs: build the program with the feature `log` of batch-runtime, or leave the option out",
            )),
        }
    }

    #[cfg(not(feature = "otel"))]
    fn refuse_otlp(&self) -> Result<(), Refusal> {
        match self.otlp {
            None => Ok(()),
            Some(_) => Err(Refusal::usage(
                "`--otlp` needs a program that can send traces: build the program with the feature `otel` of batch-runtime, or leave the option out",
            )),
        }
    }
}

/// Sends the program's events to these layers until the result is dropped, or, if it is `None`, until the process ends.
#[cfg(feature = "log")]
fn subscribe(layers: Vec<BoxedLayer>, console: &Console) -> Result<Option<DefaultGuard>, SubscriberExists> {
    if layers.is_empty() {
        return Ok(None);
    }
    let subscriber = tracing_subscriber::registry().with(layers);
    if !console.owns_process {
        return Ok(Some(set_default(subscriber)));
    }
    set_global_default(subscriber).map(|()| None).map_err(|_| SubscriberExists)
}

/// The program has a subscriber of its own.
#[cfg(feature = "log")]
struct SubscriberExists;

#[cfg(feature = "log")]
impl SubscriberExists {
    fn refusal(option: &str) -> Refusal {
        Refusal::usage(format!(
            "this program has a `tracing` subscriber of its own, so `{option}` is not available: leave it out"
        ))
    }
}

/// The telemetry of a process.
pub(super) struct Telemetry {
    #[cfg(feature = "otel")]
    otel: Option<Otel>,
    /// Removes the layers; `None` if they stay until the process ends.
    #[cfg(feature = "log")]
    _until: Option<DefaultGuard>,
}

impl Telemetry {
    /// Runs jobs of the operator, and then sends the remaining telemetry.
    pub(super) fn around(
        self,
        operator: &JobOperator,
        console: &Console,
        run: impl FnOnce() -> Result<u8, Refusal>,
    ) -> Result<u8, Refusal> {
        let ended = run();
        self.finish(ended.is_ok().then(|| operator.repository()), console);
        ended
    }

    /// Sends the remaining telemetry, within a few seconds. After a run, it also sends the metrics of the repository.
    pub(super) fn finish(self, repository: Option<&dyn Repository>, console: &Console) {
        #[cfg(feature = "otel")]
        if let Some(problem) = self.otel.and_then(|otel| otel.finish(repository)) {
            console.err.line(format_args!("warning: {problem}; the result is unchanged"));
        }
        #[cfg(not(feature = "otel"))]
        let _ = (self, repository, console);
    }
}
