//! The arguments of components and their bindings as constants, so that a job can check at compile time that
//! it provides everything its steps need.

use super::database::Of;
use super::parameter::TypeName;
use super::parameter_value::ParameterValue;
use super::raises::Raises;

/// A requirement of a component, stated by an argument.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// The argument's name.
    pub name: &'static str,
    /// The component that asks, with its role: "reader `flights`".
    pub asked_by: &'static str,
    /// The required thing.
    pub kind: NeedKind,
}

impl Need {
    /// The needs of a component whose function has a mistake. The mistake is already reported, so nothing is
    /// said about its arguments.
    #[doc(hidden)]
    pub const HIDDEN: &'static [Self] = &[Self { name: "", asked_by: "", kind: NeedKind::Hidden }];

    /// Returns whether a mistake hides any of these.
    pub(crate) const fn is_hidden(needs: &[Self]) -> bool {
        let mut at = 0;
        while at < needs.len() {
            if let NeedKind::Hidden = needs[at].kind {
                return true;
            }
            at += 1;
        }
        false
    }
}

impl ComponentUse {
    /// Represents all components of a step that has a mistake.
    #[doc(hidden)]
    pub const HIDDEN: Self =
        Self { role: "", name: "", needs: Need::HIDDEN, bindings: &[], raises: Raises::Unknown };
}

/// The kinds of things a component can need.
#[derive(Debug, Clone, Copy)]
pub enum NeedKind {
    /// The job's parameter with the argument's name.
    Parameter(TypeName),
    /// The output of a step, `&Output<step>`; optional as `Option<&Output<step>>`.
    Output {
        /// Which step: its module and name.
        step: &'static str,
        /// The step's bare name, for messages.
        name: &'static str,
        /// True if it may be missing.
        optional: bool,
    },
    /// The chunk's transaction, `&Transaction<'_>`.
    Transaction(Of),
    /// The running job, `&JobContext`, which can look up any parameter.
    JobContext,
    /// A connection for reading.
    Connection(Of),
    /// The partition that the step execution works on, `Partition<Range>`.
    Partition,
    /// A resource, with its own needs.
    Resource(&'static [Need]),
    /// Needs nothing of the job: the component works on several items at once, so the components before it run
    /// ahead of the last commit.
    Ahead,
    /// Needs nothing of the job: the component keeps this from item to item.
    Keeps(&'static str),
    /// Needs nothing of the job: the component's `#[state]`, with its type as written.
    State(&'static str),
    /// Unknown: a mistake in the function hides it.
    Hidden,
}

/// The binding of one argument of a component in a step: `flights(input = yesterday)`.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The component's argument.
    pub argument: &'static str,
    /// The bound value.
    pub to: BoundTo,
}

/// The value bound to an argument.
#[derive(Debug, Clone, Copy)]
pub enum BoundTo {
    /// The parameter of that name in the enclosing step, flow or job; ultimately one of the job.
    Parameter(&'static str),
    /// A literal or constant.
    Constant {
        /// Its type; `{integer}` for a literal that fits every integer type, `{float}` for one that fits `f64` and
        /// `f32`.
        ty: TypeName,
        /// Its value.
        value: fn() -> Option<ParameterValue>,
    },
}

/// The role of an entry that is not a component: an option of the step that takes its number from a parameter.
pub const OPTION: &str = "option";

/// A component as a step uses it.
#[derive(Debug, Clone, Copy)]
pub struct ComponentUse {
    /// Its role: `reader`, `processor`, `writer`, `classifier`; or [`OPTION`].
    pub role: &'static str,
    /// The component's name.
    pub name: &'static str,
    /// Its needs.
    pub needs: &'static [Need],
    /// Its bindings in this step.
    pub bindings: &'static [Binding],
    /// How it can fail, for steps with rules about failures.
    pub raises: Raises,
}
