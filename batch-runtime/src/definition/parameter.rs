//! Says which types can be parameters ([`ParameterType`]), what a job declares of each ([`ParameterSpec`]), and what a type is
//! called in a form that can be compared while the program compiles ([`TypeName`]).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use super::parameter_rule::ParameterRule;
use super::parameter_value::ParameterValue;
use super::{path_of_text, resource_name};
use crate::__private::same_text;

/// A type that may be the parameter of a job: `String`, the integers, `f64`, `f32`, `bool`, `PathBuf`,
/// [`Date`](crate::Date), [`DateTime`](crate::DateTime), [`Timestamp`](crate::Timestamp), enums that derive
/// [`ParameterType`](derive@crate::ParameterType), and `Option` and `Vec` of these. What is typed for each, how each is stored,
/// and what a job may say of a parameter, stands at [`#[job]`](macro@crate::job).
///
/// ```
/// use batch_runtime::{ParameterType, ParameterValue};
///
/// assert_eq!(u16::parse("8080").unwrap(), ParameterValue::Long(8080));
/// assert_eq!(u16::from_value(Some(&ParameterValue::Long(8080))).unwrap(), 8080);
/// assert!(u16::parse("80 80").is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter",
    label = "no parameter type",
    note = "parameters are `String`, integers, `f64`, `f32`, `bool`, `PathBuf`, `Date`, `DateTime`, `Timestamp`,\nenums with `#[derive(ParameterType)]`, and `Option` and `Vec` of these"
)]
pub trait ParameterType: Sized + 'static {
    /// The type's name, comparable at compile time.
    const TYPE: TypeName;
    /// True for `Option<_>`: the parameter may be left out.
    const OPTIONAL: bool = false;
    /// True for `Vec<_>`: the parameter may be given several times.
    const LIST: bool = false;
    /// The values there are, where they can be listed.
    const VALUES: &'static [&'static str] = &[];

    /// Reads the text that a user typed.
    ///
    /// # Errors
    /// A text that says what was expected, without the value.
    fn parse(text: &str) -> Result<ParameterValue, String>;

    /// Reads what a user typed where it may be no text, as the name of a file.
    ///
    /// # Errors
    /// A text that says what was expected, without the value.
    fn parse_os(text: &OsStr) -> Result<ParameterValue, String> {
        text.to_str().ok_or_else(|| "a text in UTF-8 is expected".to_owned()).and_then(Self::parse)
    }

    /// Reads the text of a value, as a list holds it.
    ///
    /// # Errors
    /// A text that says what was expected, without the value.
    fn of_text(text: &str) -> Result<ParameterValue, String> {
        Self::parse(text)
    }

    /// The typed value; `None` stands for a parameter that was left out.
    ///
    /// # Errors
    /// A text that says what was expected.
    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String>;

    /// The value to store, whose text [`of_text`](Self::of_text) takes again; `None` for a parameter that is left out.
    fn to_value(&self) -> Option<ParameterValue>;

    /// Checks that a value fits, and brings it into the one form that identifies: a launch does so with what it is given.
    ///
    /// # Errors
    /// A text that says what was expected, without the value.
    fn canonical(value: &ParameterValue) -> Result<ParameterValue, String> {
        Self::from_value(Some(value))?.to_value().ok_or_else(|| "a value is needed".to_owned())
    }
}

/// One parameter of a launch.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its value.
    pub value: ParameterValue,
    /// True if it takes part in the identity of the job instance.
    pub identifying: bool,
    /// True if it must not be stored nor shown.
    pub secret: bool,
}

/// The parameters of a launch, sorted by name. Secrets show as `***`.
#[derive(Clone, Default, PartialEq)]
pub struct Parameters(BTreeMap<String, Parameter>);

impl Parameters {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds or replaces a parameter.
    pub fn insert(&mut self, name: impl Into<String>, parameter: Parameter) {
        self.0.insert(name.into(), parameter);
    }

    /// Adds or replaces an identifying parameter.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: ParameterValue) -> Self {
        self.insert(name, Parameter { value, identifying: true, secret: false });
        self
    }

    /// The parameter of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.get(name)
    }

    /// All parameters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.0.iter().map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, parameter)| {
            (name, if parameter.secret { "***".to_owned() } else { parameter.value.to_string() })
        });
        f.debug_map().entries(shown).finish()
    }
}

/// A type's name that `const` code can compare: spelled by the type itself, so that `PathBuf` and
/// `std::path::PathBuf` are one.
#[derive(Debug, Clone, Copy)]
pub struct TypeName {
    /// The module for types that are not ours, else empty.
    pub module: &'static str,
    /// The bare name.
    pub name: &'static str,
    /// `T` of `Option<T>` and `Vec<T>`.
    pub of: Option<&'static TypeName>,
}

impl TypeName {
    /// The name of a type that needs no module to be told from others.
    #[must_use]
    pub const fn plain(name: &'static str) -> Self {
        Self { module: "", name, of: None }
    }

    /// `T` where this is `Option<T>`.
    #[must_use]
    pub const fn optional(&self) -> Option<&'static Self> {
        if same_text(self.name, "Option") { self.of } else { None }
    }

    /// The type of one value: `T` of `Option<T>`, `Vec<T>` and `Option<Vec<T>>`, else the type itself.
    #[must_use]
    pub const fn single(&self) -> &Self {
        match self.of {
            Some(of) => of.single(),
            None => self,
        }
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.of {
            Some(of) => write!(f, "<{of}>"),
            None => Ok(()),
        }
    }
}

/// A constant that a binding may give to an argument: `load(region = "eu")`, `load(region = EU)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be bound to an argument",
    label = "no parameter type",
    note = "bind a parameter of the job by its name, a literal, or a constant of a parameter type"
)]
pub trait ConstantValue {
    /// The type of the argument it fits.
    const TYPE: TypeName;

    /// The value.
    fn value(&self) -> Option<ParameterValue>;
}

impl ConstantValue for &'static str {
    const TYPE: TypeName = TypeName::plain("&str");

    fn value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::String((*self).to_owned()))
    }
}

#[diagnostic::do_not_recommend]
impl<T: ParameterType> ConstantValue for T {
    const TYPE: TypeName = T::TYPE;

    fn value(&self) -> Option<ParameterValue> {
        self.to_value()
    }
}

/// What a job declares for one of its arguments.
#[expect(clippy::struct_excessive_bools, reason = "each is said of a parameter by itself")]
#[derive(Debug, Clone, Copy)]
pub struct ParameterSpec {
    /// The argument's name.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Its type.
    pub ty: TypeName,
    /// May it be left out, by its type?
    pub optional: bool,
    /// The values there are, where they can be listed.
    pub values: &'static [&'static str],
    /// What holds where it is left out, `#[param(default = …)]`.
    pub default: Option<fn() -> Option<ParameterValue>>,
    /// Does it identify the instance? `#[param(identifying = false)]` says no; a secret never does.
    pub identifying: bool,
    /// `#[param(secret)]`.
    pub secret: bool,
    /// Reads what the user typed.
    pub parse: fn(&OsStr) -> Result<ParameterValue, String>,
    /// What its value must be, beside being of its type.
    pub rules: &'static [ParameterRule],
    /// May it be given several times?
    pub list: bool,
    /// Checks that a value fits the type, and brings it into the one form that identifies.
    pub canonical: fn(&ParameterValue) -> Result<ParameterValue, String>,
}

impl ParameterSpec {
    /// A required, identifying parameter of type `T`.
    #[must_use]
    pub const fn of<T: ParameterType>(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            ty: T::TYPE,
            optional: T::OPTIONAL,
            values: T::VALUES,
            default: None,
            identifying: true,
            secret: false,
            parse: T::parse_os,
            rules: &[],
            list: T::LIST,
            canonical: T::canonical,
        }
    }

    /// The default as it was written, the same on every machine: a path is absolute by the time it is a value.
    pub(crate) fn default_value(&self) -> Option<ParameterValue> {
        let value = self.default.and_then(|default| default())?;
        if self.ty.single().name != <PathBuf as ParameterType>::TYPE.name {
            return Some(value);
        }
        let relative = |text: String| path_of_text(&text).map_or(text, |path| resource_name(&path));
        Some(match value {
            ParameterValue::String(text) => ParameterValue::String(relative(text)),
            ParameterValue::List(texts) => ParameterValue::List(texts.into_iter().map(relative).collect()),
            value => value,
        })
    }
}
