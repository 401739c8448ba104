//! Receives: the arguments of components, and the bindings where they are used. Gives: both as constants, so
//! that a job can check while it compiles that it provides whatever its steps ask for.

use super::database::DatabaseInfo;
use super::parameter::TypeName;
use super::parameter_value::ParameterValue;
use super::raises::Raises;

/// Something that a component asks for by an argument.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// The argument's name.
    pub name: &'static str,
    /// The component that asks, with its role: "reader `flights`".
    pub asked_by: &'static str,
    /// What is asked for.
    pub kind: NeedKind,
}

impl Need {
    /// What a component asks for whose function has a mistake, which is reported already: nothing is said about its arguments.
    #[doc(hidden)]
    pub const HIDDEN: &'static [Self] = &[Self { name: "", asked_by: "", kind: NeedKind::Hidden }];

    /// Is any of these hidden by a mistake?
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
    /// Stands for all components of a step that has a mistake.
    #[doc(hidden)]
    pub const HIDDEN: Self =
        Self { role: "", name: "", needs: Need::HIDDEN, bindings: &[], raises: Raises::Unknown };
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum NeedKind {
    /// The job's parameter of the argument's name.
    Parameter(TypeName),
    /// What the step left behind, `&Output<step>`; optional as `Option<&Output<step>>`.
    Output {
        /// Which step: its module and name.
        step: &'static str,
        /// The step's bare name, for messages.
        name: &'static str,
        /// May it be missing?
        optional: bool,
    },
    /// The chunk's transaction, `&Transaction<'_>`: of the repository's own database, or of another.
    Transaction(Option<&'static DatabaseInfo>),
    /// The running job, `&JobContext`, through which any parameter can be looked up.
    JobContext,
    /// A connection for reading: to the repository's own database, or to another.
    Connection(Option<&'static DatabaseInfo>),
    /// The partition that the step execution works on, `Partition<Range>`.
    Partition,
    /// A resource, with what that asks for in turn.
    Resource(&'static [Need]),
    /// Nothing of the job's: the component works on several items at once, so that those before it run ahead of what is committed.
    Ahead,
    /// Nothing of the job's: the component keeps that from item to item.
    Keeps(&'static str),
    /// Nothing of the job's: the component's `#[state]`, of the type that is written there.
    State(&'static str),
    /// Whatever it is: a mistake in the function hides it.
    Hidden,
}

/// What one argument of a component is bound to where it is used: `flights(input = yesterday)`.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The component's argument.
    pub argument: &'static str,
    /// What it is given.
    pub to: BoundTo,
}

/// What an argument is given.
#[derive(Debug, Clone, Copy)]
pub enum BoundTo {
    /// The parameter of that name of what is around: of the job, in the end.
    Parameter(&'static str),
    /// A literal or constant.
    Constant {
        /// Its type; `{integer}` and `{float}` for literals, which fit every integer, or `f64`.
        ty: TypeName,
        /// Its value.
        value: fn() -> Option<ParameterValue>,
    },
}

/// The role of what is no component: an option of the step that takes its number from a parameter.
pub const OPTION: &str = "option";

/// A component as it stands in a step.
#[derive(Debug, Clone, Copy)]
pub struct ComponentUse {
    /// What it is: `reader`, `processor`, `writer`, `classifier`; or [`OPTION`].
    pub role: &'static str,
    /// The component's name.
    pub name: &'static str,
    /// What it asks for.
    pub needs: &'static [Need],
    /// What is bound here.
    pub bindings: &'static [Binding],
    /// How it can fail; told in steps that have rules for it.
    pub raises: Raises,
}
