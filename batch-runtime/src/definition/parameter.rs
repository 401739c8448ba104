//! Receives: the argument types of jobs and components. Gives: which types can be parameters
//! ([`ParameterType`]), their values as the repository stores them ([`ParameterValue`]), and the name of a
//! type in a form that can be compared while the program compiles ([`TypeName`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, DateTime};

use super::resource_name;

/// A type that may be the parameter of a job: `String`, the integers, `f64`, `bool`, `PathBuf`, [`Date`],
/// [`DateTime`], `Option` of these, and enums that derive [`ParameterType`](derive@crate::ParameterType).
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
    note = "parameters are `String`, integers, `f64`, `bool`, `PathBuf`, `Date`, `DateTime`, `Option` of these,\nand enums with `#[derive(ParameterType)]`"
)]
pub trait ParameterType: Sized + 'static {
    /// The type's name, comparable at compile time.
    const TYPE: TypeName;
    /// True for `Option<_>`: the parameter may be left out.
    const OPTIONAL: bool = false;
    /// The values there are, where they can be listed.
    const VALUES: &'static [&'static str] = &[];

    /// Reads the text that a user typed.
    ///
    /// # Errors
    /// A text that says what was expected, without the value.
    fn parse(text: &str) -> Result<ParameterValue, String>;

    /// The typed value; `None` stands for a parameter that was left out.
    ///
    /// # Errors
    /// A text that says what was expected.
    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String>;

    /// The value to store; `None` for a parameter that is left out.
    fn to_value(&self) -> Option<ParameterValue>;
}

/// The value of a parameter, as the repository stores it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ParameterValue {
    /// `java.lang.String`: also paths and enums.
    String(String),
    /// `java.lang.Long`: all integers.
    Long(i64),
    /// `java.lang.Double`.
    Double(f64),
    /// `java.lang.Boolean`.
    Boolean(bool),
    /// `java.time.LocalDate`.
    Date(Date),
    /// `java.time.LocalDateTime`.
    DateTime(DateTime),
}

impl ParameterValue {
    /// The class that the column `PARAMETER_TYPE` holds.
    #[must_use]
    pub const fn java_class(&self) -> &'static str {
        match self {
            Self::String(_) => "java.lang.String",
            Self::Long(_) => "java.lang.Long",
            Self::Double(_) => "java.lang.Double",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Date(_) => "java.time.LocalDate",
            Self::DateTime(_) => "java.time.LocalDateTime",
        }
    }

    /// Reads a stored value back.
    ///
    /// # Errors
    /// A text that says what does not fit.
    pub fn from_stored(java_class: &str, text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no {java_class}");
        Ok(match java_class {
            "java.lang.String" => Self::String(text.to_owned()),
            "java.lang.Long" => Self::Long(text.parse().map_err(|_| bad())?),
            "java.lang.Double" => Self::Double(text.parse().map_err(|_| bad())?),
            "java.lang.Boolean" => Self::Boolean(text.parse().map_err(|_| bad())?),
            "java.time.LocalDate" => Self::Date(text.parse().map_err(|_| bad())?),
            "java.time.LocalDateTime" => Self::DateTime(text.parse().map_err(|_| bad())?),
            other => return Err(format!("parameters of class {other} are not known here")),
        })
    }
}

/// As stored in `PARAMETER_VALUE` and hashed into `JOB_KEY`; doubles as Java's `Double.toString` writes them.
impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Long(number) => write!(f, "{number}"),
            Self::Double(number) => f.write_str(&java_double(*number)),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Date(date) => write!(f, "{date}"),
            Self::DateTime(time) => f.write_str(&java_date_time(*time)),
        }
    }
}

/// `Double.toString` of Java 19 and later: the shortest digits that read back, in plain notation from
/// 10⁻³ up to 10⁷, else as `1.0E10`.
fn java_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// `LocalDateTime.toString`: seconds and fractions only where they are not zero, fractions in groups of three.
fn java_date_time(time: DateTime) -> String {
    let minutes = format!("{}T{:02}:{:02}", time.date(), time.hour(), time.minute());
    let (second, nano) = (time.second(), time.subsec_nanosecond());
    match (second, nano) {
        (0, 0) => minutes,
        (_, 0) => format!("{minutes}:{second:02}"),
        (_, n) if n % 1_000_000 == 0 => format!("{minutes}:{second:02}.{:03}", n / 1_000_000),
        (_, n) if n % 1_000 == 0 => format!("{minutes}:{second:02}.{:06}", n / 1_000),
        (_, n) => format!("{minutes}:{second:02}.{n:09}"),
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
    /// `T` of `Option<T>`.
    pub of: Option<&'static TypeName>,
}

impl TypeName {
    /// The name of a type that needs no module to be told from others.
    #[must_use]
    pub const fn plain(name: &'static str) -> Self {
        Self { module: "", name, of: None }
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
    pub parse: fn(&str) -> Result<ParameterValue, String>,
    /// Checks that a value fits the type.
    pub check: fn(Option<&ParameterValue>) -> Result<(), String>,
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
            parse: T::parse,
            check: |value| T::from_value(value).map(|_| ()),
        }
    }

    /// The default as it was written, the same on every machine: a path is absolute by the time it is a value.
    pub(crate) fn default_value(&self) -> Option<ParameterValue> {
        let value = self.default.and_then(|default| default())?;
        Some(match value {
            ParameterValue::String(text)
                if self.ty.of.unwrap_or(&self.ty).name == <PathBuf as ParameterType>::TYPE.name =>
            {
                ParameterValue::String(resource_name(Path::new(&text)))
            }
            value => value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (number, text) in [
            (1e10, "1.0E10"),
            (1.5e10, "1.5E10"),
            (0.0, "0.0"),
            (-2.25, "-2.25"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(java_double(number), text);
        }
    }

    #[test]
    fn date_times_are_written_as_java_writes_them() {
        for (text, expected) in [
            ("2024-01-31T08:30", "2024-01-31T08:30"),
            ("2024-01-31T08:30:05", "2024-01-31T08:30:05"),
            ("2024-01-31T08:30:05.25", "2024-01-31T08:30:05.250"),
            ("2024-01-31T08:30:05.000001", "2024-01-31T08:30:05.000001"),
        ] {
            assert_eq!(java_date_time(text.parse().expect("a date and time")), expected);
        }
    }
}
