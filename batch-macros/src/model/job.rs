//! Reads a `#[job]` or `#[flow]` function: its parameters, options and body.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Expr, ExprLit, ExprRange, FnArg, ItemFn, Lit, Pat, PatType, Path, ReturnType, Type};

use super::body::body;
use super::range;
use super::schedule::{Schedule, schedule};
use super::statement::Body;
use super::types::{as_reference, impl_trait, is_named, only_argument, shown};
use crate::errors::Errors;
use crate::syntax::component::doc;
use crate::syntax::name::plain;
use crate::syntax::options::{self, Table, WrittenOption};

const JOB: Table = Table::new(
    "job",
    &["restartable", "exclusive", "max_recoveries", "listeners", "schedule"],
    &["incrementer"],
);
const FLOW: Table = Table::new("flow", &[], &[]);
const PARAM: Table =
    Table::new("param", &["default", "identifying", "secret", "scheduled", "range", "check"], &[]);

/// A job.
pub(crate) struct Job {
    pub(crate) options: Options,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Body,
}

/// The options of `#[job(..)]`. An option that is not given is `None`, false or empty.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) restartable: Option<bool>,
    pub(crate) exclusive: bool,
    pub(crate) max_recoveries: Option<Expr>,
    pub(crate) listeners: Vec<Path>,
    pub(crate) schedule: Option<Schedule>,
    /// False if one of the options has a mistake.
    pub(crate) complete: bool,
}

/// An argument of a job.
pub(crate) struct Parameter {
    pub(crate) name: Ident,
    /// `None` if it cannot be the type of a parameter; the error has been reported.
    pub(crate) ty: Option<Type>,
    pub(crate) doc: String,
    pub(crate) default: Option<Expr>,
    pub(crate) identifying: bool,
    pub(crate) secret: bool,
    /// The word `scheduled`.
    pub(crate) scheduled: Option<Ident>,
    /// The word `range` and the bounds.
    pub(crate) range: Option<(Ident, ExprRange)>,
    /// The function that checks a value.
    pub(crate) check: Option<Path>,
    /// Its lint attributes.
    pub(crate) lints: Vec<Attribute>,
}

/// Reads a job.
pub(crate) fn job(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> Job {
    let before = errors.count();
    let mut options = job_options(&options::read(&JOB, given, errors), errors);
    options.complete = before == errors.count();
    signature("job", function, errors);
    let parameters = parameters(function, errors);
    let body = body(&function.block, errors);
    if function.block.stmts.is_empty() {
        errors.at(
            &function.sig.ident,
            "this job does nothing; in its body, name the steps that it runs: `load;`",
        );
    }
    Job { options, parameters, body }
}

/// Reads the body of a flow.
pub(crate) fn flow(given: TokenStream, function: &ItemFn, errors: &mut Errors) -> Body {
    options::read(&FLOW, given, errors);
    signature("flow", function, errors);
    if let Some(argument) = function.sig.inputs.first() {
        errors.at(
            argument,
            "a flow has no arguments: its steps use the parameters of the job that runs it; leave this out, and add it to the jobs",
        );
    }
    if function.block.stmts.is_empty() {
        errors.at(
            &function.sig.ident,
            "this flow does nothing; in its body, name the steps that it runs: `load;`",
        );
    }
    body(&function.block, errors)
}

fn signature(noun: &str, function: &ItemFn, errors: &mut Errors) {
    let sig = &function.sig;
    if let Some(parameter) = sig.generics.params.first() {
        errors.at(parameter, format!("a {noun} cannot be generic; leave this out"));
    }
    if let Some(keyword) = &sig.asyncness {
        errors.at(keyword, format!("the engine runs a {noun} and waits for its steps; leave `async` out"));
    }
    if let Some(keyword) = &sig.constness {
        errors.at(keyword, format!("the engine runs a {noun}; leave `const` out"));
    }
    if let syn::Safety::Unsafe(keyword) = &sig.safety {
        errors.at(keyword, format!("the engine calls a {noun} from safe code; leave `unsafe` out"));
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        errors.at(
            ty,
            format!("a {noun} returns nothing: only its steps return values; leave the return type out"),
        );
    }
}

fn job_options(given: &[WrittenOption], errors: &mut Errors) -> Options {
    let mut read = Options::default();
    for option in given {
        match option.name.to_string().as_str() {
            "restartable" => read.restartable = boolean(option, "restartable = false", errors),
            "exclusive" => {
                options::flag(option, errors);
                read.exclusive = true;
            }
            "schedule" => read.schedule = schedule(option, errors),
            "listeners" => read.listeners = options::names(option, "listeners(report)", errors),
            _ => read.max_recoveries = count(option, errors),
        }
    }
    read
}

fn boolean(option: &WrittenOption, example: &str, errors: &mut Errors) -> Option<bool> {
    match options::value(option, example, errors)? {
        Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Some(value.value),
        other => {
            errors.at(other, format!("`{}` is `true` or `false`: write `{example}`", option.name));
            None
        }
    }
}

fn count(option: &WrittenOption, errors: &mut Errors) -> Option<Expr> {
    let value = options::value(option, "max_recoveries = 3", errors)?;
    let fits = match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse::<u32>().is_ok(),
        Expr::Path(_) => true,
        _ => false,
    };
    if !fits {
        errors.at(&value, "`max_recoveries` is a whole number, 0 or more: write `max_recoveries = 3`");
        return None;
    }
    Some(value)
}

fn parameters(function: &ItemFn, errors: &mut Errors) -> Vec<Parameter> {
    let mut read: Vec<Parameter> = Vec::new();
    for input in &function.sig.inputs {
        match input {
            // The driver refuses methods.
            FnArg::Receiver(_) => {}
            FnArg::Typed(typed) => read.extend(parameter(typed, errors)),
        }
    }
    read
}

fn parameter(typed: &PatType, errors: &mut Errors) -> Option<Parameter> {
    let name = match &*typed.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            if let Some(keyword) = &pattern.mutability {
                errors.at(keyword, "a parameter of a job does not change; leave `mut` out");
            }
            pattern.ident.clone()
        }
        other => {
            errors.at(
                other,
                "a parameter is passed by name: write a plain name here, such as `input: PathBuf`",
            );
            return None;
        }
    };
    let before = errors.count();
    check_type(&typed.ty, errors);
    let ty = (before == errors.count()).then(|| (*typed.ty).clone());
    let mut parameter = Parameter {
        name,
        ty,
        doc: doc(&typed.attrs),
        default: None,
        identifying: true,
        secret: false,
        scheduled: None,
        range: None,
        check: None,
        lints: lints(&typed.attrs),
    };
    attributes(&mut parameter, typed, errors);
    Some(parameter)
}

/// `#[allow(..)]` and the other lint attributes.
pub(crate) fn lints(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_lint = |attribute: &&Attribute| {
        ["allow", "expect", "warn", "deny"].iter().any(|level| attribute.path().is_ident(level))
    };
    attributes.iter().filter(is_lint).cloned().collect()
}

/// The function of `check = positive`.
fn check(option: &WrittenOption, errors: &mut Errors) -> Option<Path> {
    match options::value(option, "check = positive", errors)? {
        Expr::Path(path) if path.qself.is_none() => Some(path.path),
        other => {
            errors.at(other, "name the function that checks the value: write `check = positive`");
            None
        }
    }
}

fn attributes(parameter: &mut Parameter, typed: &PatType, errors: &mut Errors) {
    let mut given = Vec::new();
    for attribute in &typed.attrs {
        if attribute.path().is_ident("param") {
            match &attribute.meta {
                syn::Meta::List(list) => given.extend(options::read(&PARAM, list.tokens.clone(), errors)),
                other => errors.at(
                    other,
                    "`#[param]` needs an option: write `#[param(default = ..)]`, `#[param(identifying = false)]` or `#[param(secret)]`",
                ),
            }
        } else if attribute.path().is_ident("cfg") {
            errors
                .at(attribute, "the parameters of a job are the same in every build; leave `#[cfg(..)]` out");
        } else if !["doc", "allow", "expect"].iter().any(|known| attribute.path().is_ident(known)) {
            errors.at(attribute, "a parameter accepts only a doc comment and `#[param(..)]`; leave this out");
        }
    }
    let find = |name: &str| given.iter().find(|option: &&WrittenOption| option.name == name);
    if let Some(option) = find("secret") {
        options::flag(option, errors);
        parameter.secret = true;
        parameter.identifying = false;
    }
    if let Some(option) = find("identifying") {
        let identifying = boolean(option, "identifying = false", errors).unwrap_or(true);
        if parameter.secret && identifying {
            errors.at(
                &option.name,
                "a secret is never stored, so it cannot identify a run; leave out `identifying = true`, or `secret`",
            );
        } else {
            parameter.identifying = identifying;
        }
    }
    if let Some(option) = find("default") {
        let value = options::value(option, "default = 100", errors);
        if parameter.secret {
            errors.at(
                &option.name,
                "a secret has no default, because anyone could read it in the program; leave the default out, and pass the secret at every start",
            );
        } else if parameter.ty.as_ref().is_some_and(|ty| only_argument(ty, "Option").is_some()) {
            errors.at(
                &option.name,
                format!(
                    "`{}` is an `Option`, so it may be left out and is then `None`; drop the default, or the `Option`",
                    plain(&parameter.name)
                ),
            );
        } else {
            parameter.default = value;
        }
    }
    if let Some(option) = find("scheduled") {
        options::flag(option, errors);
        parameter.scheduled = Some(option.name.clone());
    }
    if let Some(option) = find("check") {
        parameter.check = check(option, errors);
    }
    if let Some(option) = find("range") {
        parameter.range = range::range(option, errors).map(|bounds| (option.name.clone(), bounds));
    }
    if let (Some((_, bounds)), Some(default)) = (&parameter.range, &parameter.default)
        && range::is_outside(bounds, default)
    {
        errors.at(
            default,
            format!("the default is not in the range `{}`: write one that is", range::text(bounds)),
        );
    }
}

fn check_type(ty: &Type, errors: &mut Errors) {
    if let Some(reference) = as_reference(ty) {
        let inner = &*reference.elem;
        let owned = if is_named(inner, "str") {
            "String".to_owned()
        } else if is_named(inner, "Path") {
            "PathBuf".to_owned()
        } else if is_named(inner, "StepContext")
            || is_named(inner, "JobContext")
            || is_named(inner, "Transaction")
        {
            errors.at(
                ty,
                "a job declares only parameters; components and tasklets ask for what the engine provides",
            );
            return;
        } else {
            shown(inner)
        };
        errors.at(ty, format!("a job owns its parameters: write `{owned}`"));
    } else if let Some(inner) = only_argument(only_argument(ty, "Option").unwrap_or(ty), "Vec")
        && let Some(of) = only_argument(inner, "Vec").or_else(|| only_argument(inner, "Option"))
    {
        errors.at(inner, format!("a list parameter holds single values: write `{}`", shown(of)));
    } else if let Some(found) = impl_trait(ty) {
        errors.at(found, "a parameter needs a concrete type; name it, such as `String` or `PathBuf`");
    } else if matches!(ty, Type::Infer(_)) {
        errors.at(ty, "name the type of the parameter, such as `String` or `PathBuf`");
    }
}
