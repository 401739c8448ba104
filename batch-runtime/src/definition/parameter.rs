//! The types that can be parameters ([`ParameterType`]), the declaration of each parameter
//! ([`ParameterSpec`]), and type names that can be compared at compile time ([`TypeName`]).

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
/// [`ParameterType`](derive@crate::ParameterType), and `Option` and `Vec` of these.
/// [`#[job]`](macro@crate::job) documents how each is typed and stored, and the options of a parameter.
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
    label = "not a parameter type",
    note = "parameters are `String`, integers, `f64`, `f32`, `bool`, `PathBuf`, `Date`, `DateTime`, `Timestamp`,\nenums with `#[derive(ParameterType)]`, and `Option` and `Vec` of these"
)]
pub trait ParameterType: Sized + 'static {
    /// The type's name, comparable at compile time.
    const TYPE: TypeName;
    /// True for `Option<_>`: the parameter may be left out.
    const OPTIONAL: bool = false;
    /// True for `Vec<_>`: the parameter may be given several times.
    const LIST: bool = false;
    /// The possible values, if they can be listed.
    const VALUES: &'static [&'static str] = &[];

    /// Parses the text that a user typed.
    ///
    /// # Errors
    /// A message that says what was expected, without the value.
    fn parse(text: &str) -> Result<ParameterValue, String>;

    /// Parses an argument that is not necessarily valid UTF-8, such as the name of a file.
    ///
    /// # Errors
    /// A message that says what was expected, without the value.
    fn parse_os(text: &OsStr) -> Result<ParameterValue, String> {
        text.to_str().ok_or_else(|| "UTF-8 text is expected".to_owned()).and_then(Self::parse)
    }

    /// Parses the text of a value in a list.
    ///
    /// # Errors
    /// A message that says what was expected, without the value.
    fn of_text(text: &str) -> Result<ParameterValue, String> {
        Self::parse(text)
    }

    /// Returns the typed value; `None` means that the parameter was left out.
    ///
    /// # Errors
    /// A message that says what was expected.
    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String>;

    /// Returns the value to store, whose text [`of_text`](Self::of_text) parses; `None` for a parameter that
    /// is left out.
    fn to_value(&self) -> Option<ParameterValue>;

    /// Checks that a value fits and brings it into the canonical form that identifies an instance. A launch
    /// does this with its values.
    ///
    /// # Errors
    /// A message that says what was expected, without the value.
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
    /// True if it must be neither stored nor shown.
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

/// A type's name, which `const` code can compare. The type itself provides it, so that `PathBuf` and
/// `std::path::PathBuf` are the same.
#[derive(Debug, Clone, Copy)]
pub struct TypeName {
    /// The module of a user's type; empty for the types that the framework knows.
    pub module: &'static str,
    /// The bare name.
    pub name: &'static str,
    /// `T` of `Option<T>` and `Vec<T>`.
    pub of: Option<&'static TypeName>,
}

impl TypeName {
    /// The name of a type that is unique without a module.
    #[must_use]
    pub const fn plain(name: &'static str) -> Self {
        Self { module: "", name, of: None }
    }

    /// `T` if this is `Option<T>`.
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

/// A constant that a binding may pass to an argument: `load(region = "eu")`, `load(region = EU)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be bound to an argument",
    label = "not a parameter type",
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

/// The declaration of a job parameter.
#[expect(clippy::struct_excessive_bools, reason = "each is a separate property of a parameter")]
#[derive(Debug, Clone, Copy)]
pub struct ParameterSpec {
    /// The argument's name.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Its type.
    pub ty: TypeName,
    /// True if its type allows leaving it out.
    pub optional: bool,
    /// The possible values, if they can be listed.
    pub values: &'static [&'static str],
    /// The value used if it is left out, `#[param(default = …)]`.
    pub default: Option<fn() -> Option<ParameterValue>>,
    /// Whether it identifies the instance: `#[param(identifying = false)]` says no, and a secret never does.
    pub identifying: bool,
    /// `#[param(secret)]`.
    pub secret: bool,
    /// `#[param(scheduled)]`: a scheduled run receives its scheduled time in this parameter.
    pub scheduled: bool,
    /// Parses the text that the user typed.
    pub parse: fn(&OsStr) -> Result<ParameterValue, String>,
    /// The rules for its value, beyond its type.
    pub rules: &'static [ParameterRule],
    /// True if it may be given several times.
    pub list: bool,
    /// Checks that a value fits the type and brings it into its canonical form.
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
            scheduled: false,
            parse: T::parse_os,
            rules: &[],
            list: T::LIST,
            canonical: T::canonical,
        }
    }

    /// The default with its paths as written, so that it is the same on every machine: the default value itself holds
    /// absolute paths.
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
