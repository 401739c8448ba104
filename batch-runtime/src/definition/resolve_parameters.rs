//! Checks the parameters of a launch, given as typed values or as strings, against the job's declaration, and adds
//! defaults. The operator, the command line and nested jobs all use this module.

use std::ffi::OsStr;

use jiff::Timestamp;

use super::nearest::nearest;
use super::{
    JobInfo, Parameter, ParameterRule, ParameterSpec, ParameterType, ParameterValue, Parameters, shown,
};
use crate::graph::wiring::sizes;

/// The identifying parameter that distinguishes the runs of `--next`. No job declares it; every job accepts
/// it.
pub const RUN_ID: &str = "run.id";

/// The identifying parameter of an instance that replays an execution: the instance reads the items that the
/// execution skipped. No job declares it; every job accepts it.
pub const REPLAY: &str = "batch.replay";

/// The identifying parameter of a scheduled run, an instant, if the job declares no parameter with
/// `#[param(scheduled)]`. No job declares it; every job accepts it.
pub const SCHEDULE_TIME: &str = "schedule.time";

/// Returns the framework's own parameter of this name. All of these identify the instance.
fn of_ours(name: &str) -> Option<&'static str> {
    [RUN_ID, REPLAY, SCHEDULE_TIME].into_iter().find(|ours| *ours == name)
}

/// Returns whether the parameter is one of the framework's own.
pub(crate) fn is_of_ours(name: &str) -> bool {
    of_ours(name).is_some()
}

/// Parses the text of one of the framework's own parameters.
fn parse_ours(job: &JobInfo, name: &'static str, text: &OsStr) -> Result<ParameterValue, ParametersError> {
    let wrong = |expected| unexpected(job, name, expected, &shown(text));
    if name == SCHEDULE_TIME {
        let text = text.to_str().ok_or_else(|| wrong("an instant is expected".to_owned()))?;
        return <Timestamp as ParameterType>::parse(text).map_err(wrong);
    }
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.map(ParameterValue::Long).ok_or_else(|| wrong(WHOLE_NUMBER.to_owned()))
}

const WHOLE_NUMBER: &str = "a whole number is expected";

/// An error in the parameters of a launch. No message contains the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParametersError {
    /// The job declares no parameter of that name.
    #[error("job `{job}` has no parameter `{name}`; {}", hint(.nearest.as_deref(), .known))]
    Unknown {
        /// The job.
        job: String,
        /// The name given.
        name: String,
        /// The declared name that was probably meant.
        nearest: Option<String>,
        /// All declared names.
        known: Vec<String>,
    },
    /// A required parameter is missing.
    #[error("job `{job}` needs the parameter `{name}` ({ty}){}", if *.secret {
        ", which is secret and therefore never stored: pass it to every run and restart"
    } else {
        ", and it has no default: pass it"
    })]
    Missing {
        /// The job.
        job: String,
        /// The parameter.
        name: String,
        /// Its type.
        ty: String,
        /// True for a secret, which a restart cannot read back.
        secret: bool,
    },
    /// The value does not fit the type.
    #[error("parameter `{name}` of job `{job}`: {expected}{}", .value.as_ref().map(|value| format!(", not `{value}`")).unwrap_or_default())]
    Invalid {
        /// The job.
        job: String,
        /// The parameter.
        name: String,
        /// The expected value.
        expected: String,
        /// The given value, cut at 100 characters; `None` for a secret.
        value: Option<String>,
    },
    /// A check function of the job refuses the value.
    #[error("parameter `{name}` of job `{job}`: `{check}` refuses {}{}", .value.as_ref().map_or("its value".to_owned(), |value| format!("`{value}`")), .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Refused {
        /// The job.
        job: String,
        /// The parameter.
        name: String,
        /// The function that checks it.
        check: String,
        /// The given value, cut at 100 characters; `None` for a secret.
        value: Option<String>,
        /// The reason that the function gave; `None` for a secret.
        why: Option<String>,
    },
    /// The parameter was given more than once.
    #[error("parameter `{name}` of job `{job}` is given more than once; give it once")]
    Repeated {
        /// The job.
        job: String,
        /// The parameter.
        name: String,
    },
}

fn hint(nearest: Option<&str>, known: &[String]) -> String {
    match (nearest, known) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, []) => "it takes none".to_owned(),
        (None, known) => format!("it takes `{}`", known.join("`, `")),
    }
}

fn shown_of(spec: &ParameterSpec, text: &str) -> Option<String> {
    (!spec.secret)
        .then(|| text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
}

fn invalid(job: &JobInfo, spec: &ParameterSpec, expected: String, value: &str) -> ParametersError {
    ParametersError::Invalid {
        job: job.name.to_owned(),
        name: spec.name.to_owned(),
        expected,
        value: shown_of(spec, value),
    }
}

fn spec_of(job: &JobInfo, name: &str) -> Result<&'static ParameterSpec, ParametersError> {
    let typed = name.replace('-', "_");
    let specs = job.parameters;
    specs
        .iter()
        .find(|spec| spec.name == name)
        .or_else(|| specs.iter().find(|spec| spec.name == typed))
        .ok_or_else(|| ParametersError::Unknown {
            job: job.name.to_owned(),
            name: name.chars().take(100).collect(),
            nearest: nearest(name, specs.iter().map(|spec| spec.name)).map(str::to_owned),
            known: specs.iter().map(|spec| spec.name.to_owned()).collect(),
        })
}

/// Parses the strings that a user typed, such as `("input", "flights.csv")`, by the types that the job
/// declares. Names may contain `-` for `_`.
///
/// ```
/// use batch_runtime::{JobInfo, JobOptions, ParameterSpec, ParameterValue, parse_parameters, resolve_parameters};
///
/// const JOB: JobInfo = JobInfo {
///     id: "demo::load",
///     name: "load",
///     doc: "",
///     parameters: &[ParameterSpec::of::<u16>("year", "")],
///     flow: &[],
///     options: JobOptions::DEFAULT,
/// };
/// let given = parse_parameters(&JOB, [("year", "2013")]).unwrap();
/// let all = resolve_parameters(&JOB, &given).unwrap();
/// assert_eq!(all.get("year").unwrap().value, ParameterValue::Long(2013));
///
/// let error = parse_parameters(&JOB, [("yaer", "2013")]).unwrap_err();
/// assert_eq!(error.to_string(), "job `load` has no parameter `yaer`; did you mean `year`?");
/// ```
///
/// # Errors
/// If the job declares no such parameter, a string does not fit its type, or a parameter that is not a list is
/// given twice.
pub fn parse_parameters<N: AsRef<str>, T: AsRef<OsStr>>(
    job: &JobInfo,
    given: impl IntoIterator<Item = (N, T)>,
) -> Result<Parameters, ParametersError> {
    let mut parameters = Parameters::new();
    for (name, text) in given {
        let (name, text) = (name.as_ref(), text.as_ref());
        let (name, parameter) = if let Some(name) = of_ours(name) {
            (name, Parameter { value: parse_ours(job, name, text)?, identifying: true, secret: false })
        } else {
            let spec = spec_of(job, name)?;
            let value = (spec.parse)(text).map_err(|expected| invalid(job, spec, expected, &shown(text)))?;
            (spec.name, parameter_of(spec, value))
        };
        let earlier = parameters.get(name).map(|earlier| &earlier.value);
        let parameter = match (earlier, parameter.value) {
            (Some(ParameterValue::List(earlier)), ParameterValue::List(more)) => {
                let all = earlier.iter().cloned().chain(more).collect();
                Parameter { value: ParameterValue::List(all), ..parameter }
            }
            (None, value) => Parameter { value, ..parameter },
            (Some(_), _) => {
                return Err(ParametersError::Repeated { job: job.name.to_owned(), name: name.to_owned() });
            }
        };
        parameters.insert(name, parameter);
    }
    Ok(parameters)
}

/// Returns all parameters of a launch: the given ones after a check, and the defaults of the others, each
/// identifying or secret as the job declares. Paths become absolute, with their links followed. Resolving the
/// result again changes nothing.
///
/// # Errors
/// If a parameter is unknown or missing, or does not fit its type.
pub fn resolve_parameters(job: &JobInfo, given: &Parameters) -> Result<Parameters, ParametersError> {
    resolve_beside(job, &Parameters::new(), given)
}

/// As [`resolve_parameters`], but secrets may be missing, since they never identify an instance.
#[cfg(feature = "serve")]
pub(crate) fn resolve_without_secrets(
    job: &JobInfo,
    given: &Parameters,
) -> Result<Parameters, ParametersError> {
    resolve_all(job, &Parameters::new(), given, false)
}

/// As [`resolve_parameters`], but the parameters that an earlier launch resolved stay unchanged unless a new value is
/// given. So the instance stays the same even if a link points to another target by now.
pub(crate) fn resolve_beside(
    job: &JobInfo,
    resolved: &Parameters,
    given: &Parameters,
) -> Result<Parameters, ParametersError> {
    resolve_all(job, resolved, given, true)
}

fn resolve_all(
    job: &JobInfo,
    resolved: &Parameters,
    given: &Parameters,
    needs_secrets: bool,
) -> Result<Parameters, ParametersError> {
    let mut all = Parameters::new();
    for (name, parameter) in given.iter() {
        let (name, parameter) = if let Some(ours) = of_ours(name) {
            (ours, parameter_of_ours(job, ours, parameter)?)
        } else {
            let spec = spec_of(job, name)?;
            (spec.name, parameter_of(spec, canonical(job, spec, &parameter.value)?))
        };
        if all.get(name).is_some() {
            return Err(ParametersError::Repeated { job: job.name.to_owned(), name: name.to_owned() });
        }
        all.insert(name, parameter);
    }
    for (name, parameter) in resolved.iter() {
        let (name, parameter) = if let Some(ours) = of_ours(name) {
            (ours, parameter_of_ours(job, ours, parameter)?)
        } else {
            let spec = spec_of(job, name)?;
            canonical(job, spec, &parameter.value)?;
            (spec.name, parameter_of(spec, parameter.value.clone()))
        };
        if all.get(name).is_none() {
            all.insert(name, parameter);
        }
    }
    for spec in job.parameters {
        if all.get(spec.name).is_some() {
            continue;
        }
        match spec.default.and_then(|default| default()) {
            Some(value) => all.insert(spec.name, parameter_of(spec, canonical(job, spec, &value)?)),
            None if spec.optional || (spec.secret && !needs_secrets) => {}
            None => {
                return Err(ParametersError::Missing {
                    job: job.name.to_owned(),
                    name: spec.name.to_owned(),
                    ty: spec.ty.to_string(),
                    secret: spec.secret,
                });
            }
        }
    }
    check_sizes(job, &all)?;
    Ok(all)
}

fn parameter_of_ours(job: &JobInfo, name: &str, parameter: &Parameter) -> Result<Parameter, ParametersError> {
    match (name, &parameter.value) {
        (RUN_ID | REPLAY, ParameterValue::Long(_)) => {
            Ok(Parameter { identifying: true, secret: false, ..parameter.clone() })
        }
        (SCHEDULE_TIME, value) => match Timestamp::from_value(Some(value)) {
            Ok(_) => Ok(Parameter { identifying: true, secret: false, ..parameter.clone() }),
            Err(expected) => Err(unexpected(job, name, expected, &value.to_string())),
        },
        (_, value) => Err(unexpected(job, name, WHOLE_NUMBER.to_owned(), &value.to_string())),
    }
}

fn parameter_of(spec: &ParameterSpec, value: ParameterValue) -> Parameter {
    Parameter { value, identifying: spec.identifying && !spec.secret, secret: spec.secret }
}

fn canonical(
    job: &JobInfo,
    spec: &ParameterSpec,
    value: &ParameterValue,
) -> Result<ParameterValue, ParametersError> {
    let fail = |expected| invalid(job, spec, expected, &value.to_string());
    let value = (spec.canonical)(value).map_err(fail)?;
    judge(job, spec, &value)?;
    Ok(value)
}

/// Checks a value against the rules of the job.
fn judge(job: &JobInfo, spec: &ParameterSpec, value: &ParameterValue) -> Result<(), ParametersError> {
    for rule in spec.rules {
        match rule {
            ParameterRule::Range { text, holds } => {
                if !holds(value) {
                    let each = if spec.list { "each a value" } else { "a value" };
                    return Err(invalid(
                        job,
                        spec,
                        format!("{each} in {text} is expected"),
                        &value.to_string(),
                    ));
                }
            }
            ParameterRule::Check { name: check, passes } => {
                passes(value).map_err(|why| ParametersError::Refused {
                    job: job.name.to_owned(),
                    name: spec.name.to_owned(),
                    check: (*check).to_owned(),
                    value: shown_of(spec, &value.to_string()),
                    why: why.filter(|_| !spec.secret),
                })?;
            }
        }
    }
    Ok(())
}

/// A step must have at least one item per chunk and at least one thread.
fn check_sizes(job: &JobInfo, all: &Parameters) -> Result<(), ParametersError> {
    for (name, of) in sizes(job.flow) {
        let zero = |parameter: &Parameter| parameter.value == ParameterValue::Long(0);
        if let (Some(spec), Some(true)) =
            (job.parameters.iter().find(|spec| spec.name == name), all.get(name).map(zero))
        {
            let expected = format!("a number of at least 1 is expected, as the {of}");
            return Err(invalid(job, spec, expected, "0"));
        }
    }
    Ok(())
}

fn unexpected(job: &JobInfo, name: &str, expected: String, text: &str) -> ParametersError {
    ParametersError::Invalid {
        job: job.name.to_owned(),
        name: name.to_owned(),
        expected,
        value: Some(text.chars().take(100).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::definition::{JobOptions, ParameterType};

    const fn job(parameters: &'static [ParameterSpec]) -> JobInfo {
        JobInfo { id: "t::load", name: "load", doc: "", parameters, flow: &[], options: JobOptions::DEFAULT }
    }

    const SECRET: ParameterSpec = ParameterSpec { secret: true, ..ParameterSpec::of::<u8>("pin", "") };
    const YEAR: ParameterSpec =
        ParameterSpec { default: Some(|| 2013_u16.to_value()), ..ParameterSpec::of::<u16>("year", "") };
    const DRY: ParameterSpec =
        ParameterSpec { identifying: false, ..ParameterSpec::of::<Option<bool>>("dry_run", "") };
    const LOAD: JobInfo = job(&[ParameterSpec::of::<PathBuf>("input", ""), YEAR, DRY]);

    fn error(job: &JobInfo, given: &[(&str, &str)]) -> String {
        parse_parameters(job, given.iter().copied())
            .and_then(|given| resolve_parameters(job, &given))
            .expect_err("the parameters are wrong")
            .to_string()
    }

    #[test]
    fn an_omitted_parameter_takes_its_default() {
        let given = parse_parameters(&LOAD, [("input", "/a.csv")]).unwrap();
        let all = resolve_parameters(&LOAD, &given).unwrap();
        assert_eq!(all.get("year").map(|year| &year.value), Some(&ParameterValue::Long(2013)));
        assert_eq!(all.get("dry_run"), None);
    }

    #[test]
    fn a_relative_path_given_as_a_value_identifies_as_an_absolute_one() {
        let given = Parameters::new().with("input", ParameterValue::String("a.csv".to_owned()));
        let all = resolve_parameters(&LOAD, &given).unwrap();
        let expected = std::path::absolute("a.csv").unwrap().into_os_string().into_string().unwrap();
        assert_eq!(all.get("input").unwrap().value, ParameterValue::String(expected));
    }

    #[test]
    fn the_job_says_what_identifies_whatever_the_caller_says() {
        let given = Parameters::new()
            .with("input", ParameterValue::String("/a".to_owned()))
            .with("dry_run", ParameterValue::Boolean(true));
        assert!(!resolve_parameters(&LOAD, &given).unwrap().get("dry_run").unwrap().identifying);
    }

    #[test]
    fn resolving_twice_changes_nothing() {
        let given = parse_parameters(&LOAD, [("input", "a.csv"), ("run.id", "7")]).unwrap();
        let once = resolve_parameters(&LOAD, &given).unwrap();
        assert_eq!(resolve_parameters(&LOAD, &once).unwrap(), once);
    }

    #[test]
    fn an_unknown_parameter_names_the_nearest() {
        assert_eq!(
            error(&LOAD, &[("inptu", "a")]),
            "job `load` has no parameter `inptu`; did you mean `input`?"
        );
        assert_eq!(
            error(&LOAD, &[("carrier", "a")]),
            "job `load` has no parameter `carrier`; it takes `input`, `year`, `dry_run`"
        );
        assert_eq!(error(&job(&[]), &[("a", "a")]), "job `load` has no parameter `a`; it takes none");
    }

    #[test]
    fn a_missing_parameter_is_named_with_its_type() {
        assert_eq!(
            error(&LOAD, &[]),
            "job `load` needs the parameter `input` (PathBuf), and it has no default: pass it"
        );
    }

    #[test]
    fn an_ill_typed_value_is_shown_cut_with_what_would_fit() {
        let long = "x".repeat(500);
        let expected = format!(
            "parameter `year` of job `load`: a whole number from 0 to 65535 is expected, not `{}`",
            "x".repeat(100)
        );
        assert_eq!(error(&LOAD, &[("year", &long)]), expected);
    }

    #[test]
    fn a_secret_is_in_no_message() {
        let text = error(&job(&[SECRET]), &[("pin", "hunter2")]);
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_secret_never_identifies() {
        let given = parse_parameters(&job(&[SECRET]), [("pin", "7")]).unwrap();
        assert!(!given.get("pin").unwrap().identifying);
    }

    #[test]
    fn a_parameter_given_under_both_spellings_is_given_twice() {
        assert_eq!(
            error(&LOAD, &[("dry_run", "true"), ("dry-run", "true")]),
            "parameter `dry_run` of job `load` is given more than once; give it once"
        );
    }
}
