//! The statements of a job's or a flow's body.

use proc_macro2::Span;
use syn::{Attribute, Pat, Token};

use super::text::Text;
use super::used::Used;

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
    Run(Used),
    /// `match quality { .. }`
    Match(Match),
    /// `while more { .. }`, `while !done { .. }`
    While {
        negated: bool,
        decider: Used,
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

/// `match quality { .. }`
pub(crate) struct Match {
    pub(crate) keyword: Token![match],
    pub(crate) subject: Used,
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

/// `split! { max = 4; a, { b; c } }`
pub(crate) struct Split {
    pub(crate) branches: Vec<Body>,
    pub(crate) max: Option<u32>,
}
