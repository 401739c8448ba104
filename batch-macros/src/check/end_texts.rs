//! The values in the text of an `end!`, `fail!` or `stop!` are parameters of the job, or outputs of earlier steps.

use crate::errors::Errors;
use crate::model::job::Parameter;
use crate::model::statement::{Body, Kind};
use crate::model::text::{Text, Value};
use crate::model::types::shown;
use crate::model::used::Used;
use crate::syntax::name::{parameter_name, plain};
use crate::syntax::nearest::nearest;

/// Looks up the names in the texts of a body. A text with an unknown name is reported and removed.
pub(crate) fn check(noun: &str, parameters: &[Parameter], body: &mut Body, errors: &mut Errors) {
    let mut names = Names { noun, parameters, before: Vec::new(), whole: true };
    names.body(body, errors);
}

/// A name that occurs in the body before a text.
struct Known {
    /// Its name there: the word after `as`, or the function's.
    name: String,
    /// The function's name.
    word: String,
    path: String,
    /// True for the decider of a `while`: its outcome is not kept.
    is_decider: bool,
}

struct Names<'n> {
    noun: &'n str,
    parameters: &'n [Parameter],
    before: Vec<Known>,
    /// True if everything before the text could be read.
    whole: bool,
}

impl Names<'_> {
    fn body(&mut self, body: &mut Body, errors: &mut Errors) {
        for statement in body {
            match &mut statement.kind {
                Kind::Run(used) => self.know(used, false),
                Kind::Match(r#match) => {
                    self.know(&r#match.subject, false);
                    r#match.arms.iter_mut().for_each(|arm| self.body(&mut arm.body, errors));
                }
                Kind::While { decider, body, .. } => {
                    self.know(decider, true);
                    self.body(body, errors);
                }
                Kind::Loop(body) => self.body(body, errors),
                Kind::Split(split) => split.branches.iter_mut().for_each(|branch| self.body(branch, errors)),
                Kind::End(_, Some(text)) | Kind::Fail(text) | Kind::Stop(text) => {
                    if !self.text(text, errors) {
                        statement.kind = Kind::Broken;
                    }
                }
                Kind::Broken => self.whole = false,
                Kind::End(_, None) | Kind::Break => {}
            }
        }
    }

    fn know(&mut self, used: &Used, is_decider: bool) {
        let word = used.word();
        let name = used.alias.as_ref().map_or_else(|| word.clone(), plain);
        self.before.push(Known { name, word, path: shown(&used.path), is_decider });
    }

    fn text(&self, text: &mut Text, errors: &mut Errors) -> bool {
        let found: Result<Vec<Value>, Option<String>> =
            text.names.iter().map(|name| self.value(name)).collect();
        match found {
            Ok(values) => {
                text.values = values;
                true
            }
            Err(message) => {
                if let Some(message) = message {
                    errors.at(&text.literal, message);
                }
                false
            }
        }
    }

    /// The value that a name refers to, or the mistake in it, unless that is already reported.
    fn value(&self, name: &str) -> Result<Value, Option<String>> {
        let parameter = self.parameters.iter().position(|parameter| parameter_name(&parameter.name) == name);
        let mut paths: Vec<&Known> = self.before.iter().filter(|known| known.name == name).collect();
        if paths.is_empty() {
            paths = self.before.iter().filter(|known| known.word == name).collect();
        }
        paths.dedup_by(|a, b| a.path == b.path);
        match (parameter, &paths[..]) {
            (Some(_), [_, ..]) => Err(Some(format!(
                "`{name}` is both a parameter and a step of the job; give the step another name in this job, such as `{name} as the_{name}`, and write `{{the_{name}}}` here"
            ))),
            (Some(at), []) => {
                let parameter = &self.parameters[at];
                if parameter.secret {
                    return Err(Some(format!(
                        "`{name}` is a secret and must not be stored, but this text is stored; leave `{{{name}}}` out"
                    )));
                }
                parameter.ty.as_ref().map(|_| Value::Parameter(at)).ok_or(None)
            }
            (None, [known]) if known.is_decider => Err(Some(format!(
                "`{name}` is a decider, whose outcome is not kept; let a step return the value to show"
            ))),
            (None, [known]) => self.output(name, known),
            (None, []) if !self.whole => Err(None),
            (None, []) => Err(Some(self.unknown(name))),
            (None, _) => Err(Some(format!(
                "more than one step is called `{name}` here; give one of them another name, such as `{name} as {name}_again`, and write `{{{name}_again}}` here"
            ))),
        }
    }

    /// The output of the step. A step has one output, even if it runs under several names.
    fn output(&self, name: &str, known: &Known) -> Result<Value, Option<String>> {
        let again = self.before.iter().find(|other| other.path == known.path && other.name != known.name);
        match again {
            Some(again) if name != known.word => Err(Some(format!(
                "`{name}` and `{}` are the same step, `{word}`, which has one output, that of its last run; write `{{{word}}}` if you mean that",
                again.name,
                word = known.word,
            ))),
            _ => Ok(Value::Output(known.path.clone())),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .filter(|parameter| !parameter.secret)
            .map(|parameter| parameter_name(&parameter.name))
            .collect();
        let mut steps: Vec<&str> = Vec::new();
        for known in self.before.iter().filter(|known| !known.is_decider) {
            if !steps.contains(&known.name.as_str()) {
                steps.push(&known.name);
            }
        }
        let all = parameters.iter().map(String::as_str).chain(steps.iter().copied());
        let meant = nearest(name, all).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let listed = |what: &str, of: &[&str]| format!("{what}, `{}`", of.join("`, `"));
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        let scope = match (&parameters[..], &steps[..]) {
            ([], []) if self.noun == "flow" => {
                "none: a flow has no parameters, and no step comes before it".to_owned()
            }
            ([], []) => "none: the job has no parameters to show, and no step comes before it".to_owned(),
            (parameters, []) => listed("the parameters", parameters),
            ([], steps) => listed("the outputs of earlier steps", steps),
            (parameters, steps) => format!(
                "{}; {}",
                listed("the parameters", parameters),
                listed("the outputs of earlier steps", steps)
            ),
        };
        format!("unknown name `{name}` in this text{meant}\navailable values: {scope}")
    }
}
