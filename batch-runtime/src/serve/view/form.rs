//! The form that starts a job, or restarts an execution with other parameters.

use std::ffi::OsString;

use maud::{Markup, html};

use super::actions::outlook_in_words;
use super::parts::{self, encoded};
use super::{Place, View};
use crate::definition::{
    ExecutionId, JobInfo, Launch, ParameterSpec, ParameterValue, ParametersError, parse_parameters,
    resolve_without_secrets,
};
use crate::frontend::parameter::{facts, is_required, plain};
use crate::frontend::refusal::Refusal;
use crate::operator::OperatorError;
use crate::repository::{ExecutionFilter, JobExecution, Outlook};
use crate::serve::page::Page;
use crate::serve::query::Query;
use crate::serve::request::RequestError;

/// The prefix of the fields of parameters, so that no parameter has the name of another field.
const FIELD: &str = "p.";

/// The purpose of a form.
#[derive(Clone, Copy)]
pub(in crate::serve) enum Form {
    Start(&'static JobInfo),
    /// Has only the parameters that may change in a restart: secrets, and those that do not identify the instance.
    Restart(&'static JobInfo, ExecutionId),
}

/// Why the values of a form are refused.
pub(in crate::serve) struct Refused {
    pub(in crate::serve) refusal: Refusal,
    /// The parameter that is wrong, and why.
    field: Option<(String, String)>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, field: None }
    }
}

impl Refused {
    fn of(error: &ParametersError, form: Form) -> Self {
        let refusal = Refusal::of_parameters(error, form.job(), matches!(form, Form::Restart(..)));
        let but = |value: &Option<String>| value.as_ref().map_or(String::new(), |it| format!(", not `{it}`"));
        let field = match error {
            ParametersError::Unknown { .. } => None,
            ParametersError::Missing { name, .. } => Some((name, "a value is needed".to_owned())),
            ParametersError::Invalid { name, expected, value, .. } => {
                Some((name, format!("{expected}{}", but(value))))
            }
            ParametersError::Refused { name, check, why, .. } => {
                Some((name, why.clone().unwrap_or_else(|| format!("`{check}` refuses it"))))
            }
            ParametersError::Repeated { name, .. } => Some((name, "one value is expected".to_owned())),
        };
        Self { refusal, field: field.map(|(name, why)| (name.clone(), why)) }
    }
}

impl Form {
    fn job(self) -> &'static JobInfo {
        match self {
            Self::Start(job) | Self::Restart(job, _) => job,
        }
    }

    fn specs(self) -> impl Iterator<Item = &'static ParameterSpec> {
        let is_restart = matches!(self, Self::Restart(..));
        self.job().parameters.iter().filter(move |spec| !is_restart || spec.secret || !spec.identifying)
    }

    /// The values in the fields of a form or the query of an address, by the names of parameters.
    pub(in crate::serve) fn given(self, fields: &Query) -> Vec<(String, String)> {
        let mut given = Vec::new();
        for spec in self.specs() {
            let name = format!("{FIELD}{}", spec.name);
            let texts = fields
                .all(&name)
                .flat_map(|text| if spec.list { text.lines().collect() } else { vec![text] });
            let texts = texts.filter(|text| !text.is_empty());
            given.extend(texts.map(|text| (spec.name.to_owned(), text.to_owned())));
        }
        given
    }

    /// Says what a launch with these values would do. Secrets may be missing.
    pub(in crate::serve) fn outlook(
        self,
        page: &Page,
        given: &[(String, String)],
        next: bool,
    ) -> Result<Outlook, Refused> {
        let job = self.job();
        let texts = given.iter().map(|(name, text)| (name.as_str(), OsString::from(text)));
        let wrong = |error| Refused::of(&error, self);
        let parameters = parse_parameters(job, texts).map_err(wrong)?;
        let refused = |error: OperatorError| match error {
            OperatorError::Parameters(error) => wrong(error),
            other => Refusal::of(&other).into(),
        };
        match self {
            Self::Start(_) if next => {
                resolve_without_secrets(job, &parameters).map_err(wrong)?;
                Ok(Outlook::Begins)
            }
            Self::Start(job) => {
                page.operator.resolve_without_secrets(&Launch { job, parameters }).map_err(refused)
            }
            Self::Restart(_, execution) => {
                page.operator.resolve_restart(execution, &parameters).map_err(refused)
            }
        }
    }
}

/// The form, filled in with the values of the address or of a refused form, or else with those of an earlier execution.
pub(in crate::serve) fn show(
    page: &Page,
    form: Form,
    fields: &Query,
    refused: Option<&Refused>,
) -> Result<View, RequestError> {
    let job = form.job();
    let like = match form {
        Form::Restart(_, execution) => Some(page.operator.execution(execution)?),
        Form::Start(_) => earlier(page, job, fields)?,
    };
    let is_filled = fields.iter().any(|(name, _)| name.starts_with(FIELD));
    let values = |spec: &ParameterSpec| -> String {
        if spec.secret {
            String::new()
        } else if is_filled {
            let name = format!("{FIELD}{}", spec.name);
            fields.all(&name).collect::<Vec<_>>().join("\n")
        } else {
            like.as_ref().and_then(|like| stored(like, spec)).unwrap_or_else(|| default(spec))
        }
    };
    let next = fields.get("next").is_some();
    let shown: Vec<(String, String)> = form
        .specs()
        .flat_map(|spec| {
            let text = values(spec);
            let texts: Vec<String> =
                if spec.list { text.lines().map(str::to_owned).collect() } else { vec![text] };
            texts.into_iter().map(|text| (spec.name.to_owned(), text)).collect::<Vec<_>>()
        })
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let (title, action) = match form {
        Form::Start(job) => (format!("Start {}", job.name), format!("/jobs/{}/start", encoded(job.name))),
        Form::Restart(job, id) => {
            (format!("Restart {} {id}", job.name), format!("{}/restart", parts::path(id)))
        }
    };
    let found = form.outlook(page, &shown, next);
    // A missing value is not a mistake until somebody has filled in the form.
    let wrong = refused.or(found.as_ref().err()).filter(|_| is_filled).and_then(|it| it.field.as_ref());
    let is_read_only = page.guard.is_read_only();
    let fixed = html! {
        h1 { (title) }
        @if !job.doc.is_empty() { p.doc { (plain(job.doc)) } }
        @if let (Some(refused), None) = (refused, wrong) {
            p.cause role="alert" { (parts::coded(&refused.refusal.to_string())) }
        }
        @if let (Form::Start(_), Some(like), false) = (form, &like, is_filled) {
            p.soft { "Filled in as in execution " (parts::execution(like.id)) ". Secrets are never stored." }
        }
        form.start method="post" action=(action) data-check {
            @for spec in form.specs() {
                @let wrong = wrong.filter(|(name, _)| name == spec.name).map(|(_, why)| why.as_str());
                (field(spec, &values(spec), wrong))
            }
            @if form.specs().next().is_none() { p.soft { "There are no parameters to set." } }
            @if let Form::Start(_) = form {
                label.check {
                    input type="checkbox" name="next" value="1" checked[next];
                    span { "Start a new instance even if one with these parameters is complete (" code { "--next" } ")" }
                }
            }
            div #outlook role="status" { @if refused.is_none() && wrong.is_none() { (outlook(&found)) } }
            div.send {
                button.main name="do" value="start" disabled[is_read_only] {
                    @match form { Form::Start(_) => "Start", Form::Restart(..) => "Restart" }
                }
                button name="do" value="check" disabled[is_read_only] { "Check" }
                @if is_read_only { span.soft { "The page is read-only." } }
            }
        }
    };
    Ok(View { title, place: Place::Elsewhere, fixed, live: html! {}, follows: false })
}

/// The effect of a launch in words.
pub(in crate::serve) fn outlook(outlook: &Result<Outlook, Refused>) -> Markup {
    html! {
        @match outlook {
            Ok(outlook) => p.outlook.good { (outlook_in_words(*outlook)) },
            Err(refused) => p.outlook.bad { (parts::coded(&refused.refusal.to_string())) },
        }
    }
}

/// The execution whose parameters fill the form: the one that the address names, else the last one.
fn earlier(page: &Page, job: &JobInfo, fields: &Query) -> Result<Option<JobExecution>, RequestError> {
    if let Some(like) = fields.get("like").and_then(|id| id.parse().ok()) {
        let like = page.operator.execution(ExecutionId(like))?;
        return Ok(Some(like).filter(|like| like.instance.job == job.name));
    }
    let filter =
        ExecutionFilter { job: Some(job.name.to_owned()), limit: Some(1), ..ExecutionFilter::default() };
    Ok(page.operator.executions(&filter)?.pop())
}

/// The value that a parameter had in an execution. A list has each of its values on a line.
fn stored(execution: &JobExecution, spec: &ParameterSpec) -> Option<String> {
    let found = execution.parameters.iter().find(|parameter| parameter.name == spec.name)?;
    let list = if spec.list { found.value.as_list() } else { None };
    Some(list.map_or_else(|| lines(&found.value), |texts| texts.join("\n")))
}

fn lines(value: &ParameterValue) -> String {
    match value {
        ParameterValue::List(texts) => texts.join("\n"),
        other => other.to_string(),
    }
}

fn default(spec: &ParameterSpec) -> String {
    spec.default_value().as_ref().map(lines).unwrap_or_default()
}

/// A field, and why its value is wrong.
fn field(spec: &ParameterSpec, value: &str, wrong: Option<&str>) -> Markup {
    let name = format!("{FIELD}{}", spec.name);
    let id = format!("field-{}", spec.name);
    let invalid = wrong.map(|_| "true");
    let why = wrong.map(|_| format!("wrong-{}", spec.name));
    let required = is_required(spec);
    let kind = spec.ty.single().name;
    let choices: &[&str] = match (kind, spec.values) {
        ("bool", _) => &["true", "false"],
        (_, values) => values,
    };
    // The browser's own date field is easier to use, and sends the date in the same format.
    let input = match kind {
        "Date" => "date",
        _ if spec.secret => "password",
        _ => "text",
    };
    html! {
        div.field {
            label for=(id) { (spec.name) @if required { span.needed title="needed" { " *" } } }
            @if spec.list {
                textarea #(id) name=(name) rows="3" aria-invalid=[invalid] aria-describedby=[&why] placeholder="one value per line" { (value) }
            } @else if !choices.is_empty() && !spec.secret {
                select #(id) name=(name) aria-invalid=[invalid] aria-describedby=[&why] {
                    @if !required { option value="" { "(left out)" } }
                    @for choice in choices { option selected[*choice == value] { (choice) } }
                }
            } @else {
                input #(id) name=(name) type=(input) required[required] aria-invalid=[invalid] aria-describedby=[&why]
                    value=[(!spec.secret).then_some(value)] autocomplete=(if spec.secret { "new-password" } else { "off" });
            }
            @if let (Some(wrong), Some(why)) = (wrong, &why) { p.wrong #(why) role="alert" { (parts::coded(wrong)) } }
            p.about { (plain(spec.doc)) " " span.soft { (facts(spec)) } }
        }
    }
}
