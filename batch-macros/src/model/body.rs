//! Reads the body of a job or flow as statements. Anything else is reported and becomes [`Kind::Broken`], so
//! that the rest of the body can be checked without a second error.

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Block, Expr, ExprMatch, Macro, Pat, Path, Stmt, Token, Type, UnOp};

use super::pattern;
use super::split::{self, Split};
use super::text::{Text, code_and_text};
use super::types::shown;
use crate::errors::Errors;
use crate::syntax::binding::{self, Binding};
use crate::syntax::nearest::nearest;

/// Statements in order.
pub(crate) type Body = Vec<Statement>;

/// One statement.
pub(crate) struct Statement {
    /// Its `#[cfg(..)]`.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) kind: Kind,
    /// The word to underline.
    pub(crate) span: Span,
}

/// The action of a statement.
pub(crate) enum Kind {
    /// `load;`
    Run(Named),
    /// `match quality { .. }`
    Match(Match),
    /// `while more { .. }`, `while !done { .. }`
    While {
        negated: bool,
        decider: Named,
        body: Body,
    },
    /// `loop { .. }`
    Loop(Body),
    /// `split! { a, { b; c } }`
    Split(Split),
    Break,
    /// The exit code, and why.
    End(String, Option<Text>),
    Fail(Text),
    Stop(Text),
    /// Reported already.
    Broken,
}

/// A name in a job's body: `load`, `load(region = "eu") as load_eu`.
pub(crate) struct Named {
    pub(crate) path: Path,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) alias: Option<Ident>,
    /// True if the bindings and the name after `as` could be read.
    pub(crate) sound: bool,
}

/// `match quality { .. }`
pub(crate) struct Match {
    pub(crate) keyword: Token![match],
    pub(crate) subject: Named,
    pub(crate) brace: syn::token::Brace,
    pub(crate) arms: Vec<Arm>,
    /// True if the patterns are ones that rustc can check.
    pub(crate) sound: bool,
}

/// One arm of a `match`.
pub(crate) struct Arm {
    /// The pattern, with `Completed` and `Failed` spelled out.
    pub(crate) pattern: Pat,
    /// The pattern as the user wrote it.
    pub(crate) label: String,
    /// The first `Completed` or `Failed` in it.
    pub(crate) outcome: Option<Span>,
    pub(crate) arrow: Token![=>],
    pub(crate) comma: Option<Token![,]>,
    pub(crate) value_span: Span,
    pub(crate) body: Body,
}

impl Named {
    /// The word to underline.
    pub(crate) fn span(&self) -> Span {
        self.path.segments.last().map_or_else(|| self.path.span(), |segment| segment.ident.span())
    }

    /// The last word of the path.
    pub(crate) fn word(&self) -> String {
        self.path.segments.last().map(|segment| plain(&segment.ident)).unwrap_or_default()
    }
}

/// The name of a parameter, without the `_` that marks it as unused.
pub(crate) fn parameter_name(name: &Ident) -> String {
    let name = plain(name);
    match name.strip_prefix('_') {
        Some(rest) if rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) => rest.to_owned(),
        _ => name,
    }
}

/// An identifier without `r#`.
pub(crate) fn plain(name: &Ident) -> String {
    syn::ext::IdentExt::unraw(name).to_string()
}

/// Reads a body.
pub(crate) fn body(block: &Block, errors: &mut Errors) -> Body {
    let mut statements = Vec::with_capacity(block.stmts.len());
    for stmt in &block.stmts {
        match stmt {
            Stmt::Expr(expr, _) => statements.push(statement(expr, errors)),
            Stmt::Macro(stmt) => {
                let kind = command(&stmt.mac, errors);
                statements.push(with_attributes(&stmt.attrs, kind, stmt.mac.path.span(), errors));
            }
            Stmt::Local(local) => {
                errors.at(
                    local.let_token,
                    "a job has no variables; later steps can read the value that a step returns: ask for it as `&Output<step>`",
                );
                statements.push(broken(local.let_token.span));
            }
            Stmt::Item(item) => {
                let first = item.to_token_stream().into_iter().next();
                let span = first.map_or_else(Span::call_site, |token| token.span());
                errors
                    .at_span(span, "a job's body contains only what the job runs; move this outside the job");
                statements.push(broken(span));
            }
        }
    }
    statements
}

fn broken(span: Span) -> Statement {
    Statement { conditions: Vec::new(), kind: Kind::Broken, span }
}

fn with_attributes(attributes: &[Attribute], kind: Kind, span: Span, errors: &mut Errors) -> Statement {
    let mut conditions = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            conditions.push(attribute.clone());
        } else if attribute.path().is_ident("doc") {
            errors.at(attribute, "a doc comment has no effect here; write `//`");
        } else {
            errors.at(attribute, "a statement of a job accepts only `#[cfg(..)]`; leave this out");
        }
    }
    Statement { conditions, kind, span }
}

pub(super) fn statement(expr: &Expr, errors: &mut Errors) -> Statement {
    match expr {
        Expr::Path(_) | Expr::Call(_) | Expr::Cast(_) => {
            let attributes = attributes(expr);
            match named(expr, errors) {
                Some(name) => {
                    let span = name.span();
                    with_attributes(attributes, Kind::Run(name), span, errors)
                }
                None => broken(expr.span()),
            }
        }
        Expr::Match(expr) => {
            let kind = r#match(expr, errors).map_or(Kind::Broken, Kind::Match);
            with_attributes(&expr.attrs, kind, expr.match_token.span, errors)
        }
        Expr::While(expr) => {
            no_label(expr.label.as_ref().map(|label| &label.name), errors);
            let (negated, cond) = match &*expr.cond {
                Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => (true, &*unary.expr),
                cond => (false, cond),
            };
            let decider = asked(cond, "while", errors);
            let body = body(&expr.body, errors);
            let kind = decider.map_or(Kind::Broken, |decider| Kind::While { negated, decider, body });
            with_attributes(&expr.attrs, kind, expr.while_token.span, errors)
        }
        Expr::Loop(expr) => {
            no_label(expr.label.as_ref().map(|label| &label.name), errors);
            let kind = Kind::Loop(body(&expr.body, errors));
            with_attributes(&expr.attrs, kind, expr.loop_token.span, errors)
        }
        Expr::Break(expr) => {
            no_label(expr.label.as_ref(), errors);
            if let Some(value) = &expr.expr {
                errors.at(value, "a loop of a job has no value: write `break` alone");
            }
            with_attributes(&expr.attrs, Kind::Break, expr.break_token.span, errors)
        }
        Expr::Macro(expr) => {
            let kind = command(&expr.mac, errors);
            with_attributes(&expr.attrs, kind, expr.mac.path.span(), errors)
        }
        other => {
            let (span, message) = refused(other);
            errors.at_span(span, message);
            broken(span)
        }
    }
}

fn attributes(expr: &Expr) -> &[Attribute] {
    match expr {
        Expr::Path(expr) => &expr.attrs,
        Expr::Call(expr) => &expr.attrs,
        Expr::Cast(expr) => &expr.attrs,
        _ => &[],
    }
}

/// `load`, `load(region = "eu")`, `load(region = "eu") as load_eu`.
fn named(expr: &Expr, errors: &mut Errors) -> Option<Named> {
    match expr {
        Expr::Path(expr) if expr.qself.is_none() => {
            if let Some(segment) = expr.path.segments.iter().find(|segment| !segment.arguments.is_none()) {
                errors.at(&segment.arguments, "a job names its steps without type arguments; leave them out");
            }
            let mut path = expr.path.clone();
            for segment in &mut path.segments {
                segment.arguments = syn::PathArguments::None;
            }
            Some(Named { path, bindings: Vec::new(), alias: None, sound: true })
        }
        Expr::Call(call) => {
            let Expr::Path(_) = &*call.func else {
                errors.at(call, EXPECTED);
                return None;
            };
            let mut name = named(&call.func, errors)?;
            if call.args.is_empty() {
                errors.at_span(
                    call.paren_token.span.join(),
                    "a job names its steps instead of calling them, and parameters are passed by name; leave the parentheses out",
                );
            }
            let before = errors.count();
            name.bindings = binding::bindings(&call.args, errors);
            name.sound = before == errors.count();
            Some(name)
        }
        Expr::Cast(cast) => {
            let mut name = named(&cast.expr, errors)?;
            if name.alias.is_some() {
                errors.at(&cast.ty, "one name is enough; keep one `as`");
                return Some(name);
            }
            name.alias = alias(&cast.ty, errors);
            name.sound &= name.alias.is_some();
            Some(name)
        }
        Expr::Paren(paren) => named(&paren.expr, errors),
        other => {
            errors.at(other, EXPECTED);
            None
        }
    }
}

fn alias(ty: &Type, errors: &mut Errors) -> Option<Ident> {
    let ident = match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    };
    let Some(ident) = ident else {
        errors.at(ty, "`as` gives the step a name in this job: write one word, such as `load as load_again`");
        return None;
    };
    let name = plain(ident);
    if name.chars().any(char::is_uppercase) {
        let mut snake = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            snake.extend(c.to_lowercase());
        }
        errors.at(ident, format!("steps are named in snake case: write `{snake}`"));
        return None;
    }
    Some(ident.clone())
}

/// The decider that `match` or `while` asks.
fn asked(expr: &Expr, keyword: &str, errors: &mut Errors) -> Option<Named> {
    match expr {
        Expr::Path(_) | Expr::Call(_) | Expr::Cast(_) | Expr::Paren(_) => named(expr, errors),
        other => {
            errors.at(
                other,
                format!(
                    "`{keyword}` takes the name of a decider; move the decision into a `#[decider]` function"
                ),
            );
            None
        }
    }
}

fn r#match(expr: &ExprMatch, errors: &mut Errors) -> Option<Match> {
    let before = errors.count();
    let subject = asked(&expr.expr, "match", errors);
    if expr.arms.is_empty() {
        errors.at(
            expr.match_token,
            "this `match` has no arms; write one for each outcome, such as `Completed => report,`",
        );
    }
    let sound = before == errors.count();
    let mut read = Vec::with_capacity(expr.arms.len());
    let before = errors.count();
    for arm in &expr.arms {
        for attribute in &arm.attrs {
            errors.at(attribute, "an arm takes no attributes; put `#[cfg(..)]` on a statement inside");
        }
    }
    let patterns = pattern::read(&expr.arms, errors);
    if let (Some(subject), Some(missing)) = (&subject, pattern::missing_outcome(&expr.arms)) {
        errors.at_span(
            subject.span(),
            format!("this `match` does not cover `{missing}`; add the arm `{missing} => ..,`, or `{missing} => {{}}` to continue"),
        );
    }
    let sound = sound && before == errors.count();
    for (arm, pattern) in expr.arms.iter().zip(patterns) {
        let body = match &*arm.body {
            Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
                body(&block.block, errors)
            }
            Expr::Tuple(tuple) if tuple.elems.is_empty() => {
                errors.at(tuple, "an arm that does nothing is written `{}`");
                Vec::new()
            }
            expr => vec![statement(expr, errors)],
        };
        read.push(Arm {
            pattern: pattern.spelled,
            label: shown(&arm.pat),
            outcome: pattern.outcome,
            arrow: arm.fat_arrow_token,
            comma: arm.comma,
            value_span: arm.body.span(),
            body,
        });
    }
    let subject = subject?;
    Some(Match { keyword: expr.match_token, subject, brace: expr.brace_token, arms: read, sound })
}

fn no_label(label: Option<&syn::Lifetime>, errors: &mut Errors) {
    if let Some(label) = label {
        errors.at(
            label,
            "the loops of a job have no labels, and `break` exits the innermost loop; leave the label out",
        );
    }
}

const COMMANDS: [&str; 4] = ["end", "fail", "stop", "split"];

/// `end!()`, `fail!("why")`, `stop!("why")`, `split! { a, b }`.
fn command(mac: &Macro, errors: &mut Errors) -> Kind {
    let name = mac.path.get_ident().map(plain).unwrap_or_default();
    match name.as_str() {
        "end" if mac.tokens.is_empty() => Kind::End("COMPLETED".to_owned(), None),
        "end" => end(mac, errors),
        "fail" => {
            text("fail!", mac, "the reason in quotes, such as `fail!(\"the file is damaged\")`", errors)
                .map_or(Kind::Broken, Kind::Fail)
        }
        "stop" => text("stop!", mac, "the reason in quotes, such as `stop!(\"waits for approval\")`", errors)
            .map_or(Kind::Broken, Kind::Stop),
        "split" => split::split(mac, errors),
        other => {
            errors.at(
                &mac.path,
                match nearest(other, COMMANDS) {
                    Some(near) => format!("a job has no macro `{other}!`; did you mean `{near}!`?"),
                    None => format!(
                        "a job has no macro `{}!`; it has `split! {{ a, b }}`, `end!()`, `fail!(\"why\")` and `stop!(\"why\")`; other work belongs in a step",
                        shown(&mac.path)
                    ),
                },
            );
            Kind::Broken
        }
    }
}

/// `end!("CODE")`, `end!("CODE", "why")`.
fn end(mac: &Macro, errors: &mut Errors) -> Kind {
    const WANTED: &str = "`end!` takes nothing, `end!()`, or an exit code in quotes, such as `end!(\"NOTHING_TO_DO\")`, and a reason if you like, such as `end!(\"NOTHING_TO_DO\", \"no rows for {year}\")`";
    let Ok((code, why)) = mac.parse_body_with(code_and_text) else {
        errors.at(&mac.tokens, WANTED);
        return Kind::Broken;
    };
    if code.value().trim().is_empty() {
        errors.at(&code, WANTED);
        return Kind::Broken;
    }
    if code.value().contains(['{', '}']) {
        errors.at(
            &code,
            "an exit code is a fixed word that other programs look for; put values into the reason: `end!(\"NOTHING_TO_DO\", \"no rows for {year}\")`",
        );
        return Kind::Broken;
    }
    match why.map(|why| Text::read("end!", why, errors)) {
        Some(None) => Kind::Broken,
        why => Kind::End(code.value(), why.flatten()),
    }
}

fn text(word: &'static str, mac: &Macro, wanted: &str, errors: &mut Errors) -> Option<Text> {
    if mac.tokens.is_empty() {
        errors.at(&mac.path, format!("`{word}` takes {wanted}"));
        return None;
    }
    match mac.parse_body::<syn::LitStr>() {
        Ok(text) if text.value().trim().is_empty() => {
            errors.at(&text, format!("`{word}` takes {wanted}"));
            None
        }
        Ok(text) => Text::read(word, text, errors),
        Err(_) => {
            errors.at(
                &mac.tokens,
                format!("`{word}` takes {wanted}; name the values in the text, such as `{word}(\"no rows for {{year}}\")`"),
            );
            None
        }
    }
}

const EXPECTED: &str = "a job's body contains names of steps, `match`, `while`, `loop`, `split! { a, b }`, `end!()`, `fail!(\"why\")` and `stop!(\"why\")`";

/// Where and why an expression cannot be a statement.
fn refused(expr: &Expr) -> (Span, String) {
    match expr {
        Expr::If(expr) => (
            expr.if_token.span,
            "a job has no `if`; write `match decider { true => .., false => {} }` with a `#[decider]` that returns `bool`"
                .to_owned(),
        ),
        Expr::ForLoop(expr) => (
            expr.for_token.span,
            "a job has no `for`; write `while more { .. }` with a `#[decider]` that returns `bool`".to_owned(),
        ),
        Expr::Return(expr) => (expr.return_token.span, "a job ends with `end!()`, or with `fail!(\"why\")`".to_owned()),
        Expr::Continue(expr) => {
            (expr.continue_token.span, "the loops of a job have no `continue`; put the rest into an arm".to_owned())
        }
        Expr::Await(expr) => (
            expr.await_token.span,
            "a job names its steps and the engine waits for them; leave `.await` out".to_owned(),
        ),
        Expr::Block(expr) => (
            expr.block.brace_token.span.open(),
            "a bare block does nothing here; leave the braces out, or move the steps into a `#[flow]`".to_owned(),
        ),
        Expr::Binary(expr) if matches!(expr.op, syn::BinOp::BitOr(_)) => (
            expr.op.span(),
            "a pipe is the body of a step: put it into a `#[step(chunk = 100)]` function, and name that function here".to_owned(),
        ),
        other => (other.span(), EXPECTED.to_owned()),
    }
}
