//! The value of a parameter as the repository stores it, losslessly: the name of a Java class and a string.
//!
//! Spring Batch reads a value only if it can convert the string to the class, so a class that it cannot convert to is not
//! used: it knows none for instants, and splits the text of a list at each comma.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

/// The value of a parameter, as the repository stores it.
///
/// Two values are equal if the repository could not tell them apart: `NaN` equals itself, and `0.0` differs
/// from `-0.0`.
///
/// ```
/// use batch_runtime::{ParameterType, ParameterValue};
///
/// let large = u64::MAX.to_value().unwrap();
/// assert_eq!((large.java_class(), large.to_string().as_str()), ("java.math.BigInteger", "18446744073709551615"));
///
/// let stored = ParameterValue::from_stored(large.java_class(), &large.to_string()).unwrap();
/// assert_eq!(u64::from_value(Some(&stored)), Ok(u64::MAX));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ParameterValue {
    /// `java.lang.String`: also enums and paths. A path that is not UTF-8, or begins with `file:`, is held as
    /// a URI: `file:///in/caf%E9.csv`.
    String(String),
    /// `java.lang.Long`: integers in its range.
    Long(i64),
    /// `java.math.BigInteger`: integers beyond it.
    BigInteger(BigInteger),
    /// `java.lang.Double`.
    Double(f64),
    /// `java.lang.Float`.
    Float(f32),
    /// `java.lang.Boolean`.
    Boolean(bool),
    /// `java.time.LocalDate`.
    Date(Date),
    /// `java.time.LocalDateTime`.
    DateTime(DateTime),
    /// `java.lang.String`: the instant as Java's `Instant` formats it, `2024-01-31T08:30:00Z`.
    Timestamp(Timestamp),
    /// `java.util.List`: the text of each value, separated by commas. If that would be read back as another list,
    /// because a text has a comma in it, for example: `java.lang.String`, a JSON array of strings.
    List(Vec<String>),
    /// A value that another program has stored, of a class that no parameter of this framework has.
    Other {
        /// The Java class.
        class: String,
        /// The stored text.
        text: String,
    },
}

impl ParameterValue {
    /// The class stored in the column `PARAMETER_TYPE`.
    #[must_use]
    pub fn java_class(&self) -> &str {
        match self {
            Self::String(_) | Self::Timestamp(_) => "java.lang.String",
            Self::Long(_) => "java.lang.Long",
            Self::BigInteger(_) => "java.math.BigInteger",
            Self::Double(_) => "java.lang.Double",
            Self::Float(_) => "java.lang.Float",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Date(_) => "java.time.LocalDate",
            Self::DateTime(_) => "java.time.LocalDateTime",
            Self::List(texts) if separated(texts).is_none() => "java.lang.String",
            Self::List(_) => LIST,
            Self::Other { class, .. } => class,
        }
    }

    /// The text stored in the column `PARAMETER_VALUE`.
    ///
    /// ```
    /// use batch_runtime::ParameterValue;
    ///
    /// let list = ParameterValue::List(vec!["a".to_owned(), "b c".to_owned()]);
    /// assert_eq!((list.java_class(), list.stored_text().as_str()), ("java.util.List", "a,b c"));
    /// ```
    #[must_use]
    pub fn stored_text(&self) -> String {
        match self {
            Self::List(texts) => separated(texts).unwrap_or_else(|| self.to_string()),
            other => other.to_string(),
        }
    }

    /// The class and the value as `JobParameter.toString` of Spring Batch writes them.
    pub(crate) fn in_job_key(&self) -> (Cow<'_, str>, String) {
        match self {
            Self::List(texts) if separated(texts).is_some() => {
                (format!("interface {LIST}").into(), format!("[{}]", texts.join(", ")))
            }
            other => (format!("class {}", other.java_class()).into(), other.to_string()),
        }
    }

    /// Parses a stored value. The text of a `java.lang.String` can also be an instant or a list: the type of the
    /// parameter tells.
    ///
    /// # Errors
    /// A message that says what does not fit.
    pub fn from_stored(java_class: &str, text: &str) -> Result<Self, String> {
        fn read<T: FromStr>(java_class: &str, text: &str) -> Result<T, String> {
            text.parse().map_err(|_| format!("`{text}` is not a {java_class}"))
        }
        /// Java's numbers and times have a larger range.
        fn within<T: FromStr>(class: &str, text: &str, of: impl Fn(T) -> ParameterValue) -> ParameterValue {
            text.parse()
                .map_or_else(|_| ParameterValue::Other { class: class.to_owned(), text: text.to_owned() }, of)
        }
        Ok(match java_class {
            "java.lang.String" => Self::String(text.to_owned()),
            "java.lang.Long" => Self::Long(read(java_class, text)?),
            "java.math.BigInteger" => within(java_class, text, Self::BigInteger),
            "java.lang.Double" => Self::Double(read(java_class, text)?),
            "java.lang.Float" => Self::Float(read(java_class, text)?),
            "java.lang.Boolean" => Self::Boolean(read(java_class, text)?),
            "java.time.LocalDate" => within(java_class, text, Self::Date),
            "java.time.LocalDateTime" => within(java_class, text, Self::DateTime),
            LIST => Self::List(list_of(text)),
            class => Self::Other { class: class.to_owned(), text: text.to_owned() },
        })
    }

    /// The texts of a list, also of one that was read back as a string.
    pub(crate) fn as_list(&self) -> Option<Cow<'_, [String]>> {
        match self {
            Self::List(texts) => Some(texts.into()),
            Self::String(text) => serde_json::from_str(text).ok().map(Cow::<[String]>::Owned),
            _ => None,
        }
    }

    /// A whole number: a `Long` if it fits, so that a number is always stored the same way.
    pub(crate) fn of_whole(number: BigInteger) -> Self {
        i64::try_from(number).map_or(Self::BigInteger(number), Self::Long)
    }
}

impl PartialEq for ParameterValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Long(a), Self::Long(b)) => a == b,
            (Self::BigInteger(a), Self::BigInteger(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::DateTime(a), Self::DateTime(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Other { class, text }, Self::Other { class: other, text: its }) => {
                class == other && text == its
            }
            // Instants and some lists are stored as strings.
            (Self::String(text), Self::Timestamp(_) | Self::List(_))
            | (Self::Timestamp(_) | Self::List(_), Self::String(text)) => {
                let other = if matches!(self, Self::String(_)) { other } else { self };
                other.java_class() == "java.lang.String" && other.to_string() == *text
            }
            _ => false,
        }
    }
}

impl Eq for ParameterValue {}

/// The text that is shown. Numbers and times are formatted as their Java classes format them; a list is a JSON array.
impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) | Self::Other { text, .. } => f.write_str(text),
            Self::Long(number) => write!(f, "{number}"),
            Self::BigInteger(number) => write!(f, "{number}"),
            Self::Double(number) => f.write_str(&java_decimal(*number, number.is_nan())),
            Self::Float(number) => f.write_str(&java_decimal(*number, number.is_nan())),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Date(date) => write!(f, "{date}"),
            Self::DateTime(time) => f.write_str(&java_date_time(*time)),
            Self::Timestamp(instant) => f.write_str(&java_instant(*instant)),
            Self::List(texts) => f.write_str(&serde_json::Value::from(texts.clone()).to_string()),
        }
    }
}

const LIST: &str = "java.util.List";

/// The texts separated by commas, if that is read back as the same list.
fn separated(texts: &[String]) -> Option<String> {
    let text = texts.join(",");
    (list_of(&text) == texts).then_some(text)
}

/// Splits a text as Spring Batch does: at each comma, without the white space around each part.
fn list_of(text: &str) -> Vec<String> {
    // The form in which lists were stored first.
    if let Ok(texts) = serde_json::from_str(text) {
        return texts;
    }
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|part| part.trim_matches(|c| c <= ' ').to_owned()).collect()
}

/// A whole number from -(2¹²⁸ - 1) to 2¹²⁸ - 1.
///
/// ```
/// use batch_runtime::BigInteger;
///
/// let number: BigInteger = "-18446744073709551615".parse().unwrap();
/// assert_eq!(i128::try_from(number), Ok(-18_446_744_073_709_551_615));
/// assert!(u64::try_from(number).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BigInteger {
    /// Never set for zero.
    negative: bool,
    size: u128,
}

/// The number is out of range, or the text is not a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a whole number in range")]
pub struct BigIntegerError;

impl From<u128> for BigInteger {
    fn from(size: u128) -> Self {
        Self { negative: false, size }
    }
}

impl From<i128> for BigInteger {
    fn from(number: i128) -> Self {
        Self { negative: number < 0, size: number.unsigned_abs() }
    }
}

impl FromStr for BigInteger {
    type Err = BigIntegerError;

    fn from_str(text: &str) -> Result<Self, BigIntegerError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(BigIntegerError);
        }
        let size = digits.parse().map_err(|_| BigIntegerError)?;
        Ok(Self { negative: text.starts_with('-') && size > 0, size })
    }
}

impl fmt::Display for BigInteger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.size)
    }
}

macro_rules! whole_numbers {
    ($($int:ident of $wide:ident)*) => {$(
        impl From<$int> for BigInteger {
            #[allow(clippy::cast_lossless, reason = "`isize` and `usize` have no `From` for the wider type")]
            fn from(number: $int) -> Self {
                Self::from(number as $wide)
            }
        }

        impl TryFrom<BigInteger> for $int {
            type Error = BigIntegerError;

            fn try_from(number: BigInteger) -> Result<Self, BigIntegerError> {
                number.to_string().parse().map_err(|_| BigIntegerError)
            }
        }
    )*};
}

whole_numbers! {
    i8 of i128 i16 of i128 i32 of i128 i64 of i128 isize of i128
    u8 of u128 u16 of u128 u32 of u128 u64 of u128 usize of u128
}

impl TryFrom<BigInteger> for u128 {
    type Error = BigIntegerError;

    fn try_from(number: BigInteger) -> Result<Self, BigIntegerError> {
        if number.negative { Err(BigIntegerError) } else { Ok(number.size) }
    }
}

impl TryFrom<BigInteger> for i128 {
    type Error = BigIntegerError;

    fn try_from(number: BigInteger) -> Result<Self, BigIntegerError> {
        let size = i128::try_from(number.size);
        match (number.negative, size) {
            (false, Ok(size)) => Ok(size),
            (true, Ok(size)) => Ok(-size),
            (true, Err(_)) if number.size == i128::MIN.unsigned_abs() => Ok(i128::MIN),
            _ => Err(BigIntegerError),
        }
    }
}

/// `Double.toString` and `Float.toString` of Java 19 and later: the shortest digits that parse back, but at least two, in
/// plain notation from 10⁻³ to 10⁷, otherwise as `1.0E10`.
fn java_decimal<N: Copy + fmt::Debug + fmt::UpperExp + Into<f64>>(number: N, is_nan: bool) -> String {
    if is_nan {
        return "NaN".to_owned();
    }
    let size: f64 = number.into().abs();
    if size.is_infinite() {
        return if number.into() > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // Compares an `f32` by its own digits: `1e-3_f32` is slightly more than 10⁻³, yet no other `f32` is nearer to it.
    let exponent = format!("{number:E}");
    let (digits, power) = exponent.split_once('E').unwrap_or((&exponent, "0"));
    if size == 0.0 || matches!(power.parse(), Ok(-3..=6)) {
        return format!("{number:?}");
    }
    // The nearest number of two digits: the smallest `f64` is `5E-324` and `4.9E-324`.
    if digits.contains('.') { exponent } else { format!("{number:.1E}") }
}

/// `LocalDateTime.toString`: seconds and fractions only if they are not zero.
fn java_date_time(time: DateTime) -> String {
    let minutes = format!("{}T{:02}:{:02}", time.date(), time.hour(), time.minute());
    match (time.second(), time.subsec_nanosecond()) {
        (0, 0) => minutes,
        (second, nano) => format!("{minutes}:{second:02}{}", java_fraction(nano)),
    }
}

/// `Instant.toString`: always with seconds.
fn java_instant(instant: Timestamp) -> String {
    let time = jiff::tz::Offset::UTC.to_datetime(instant);
    let date = time.date();
    let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    format!("{date}T{clock}{}Z", java_fraction(time.subsec_nanosecond()))
}

/// The fraction in groups of three digits.
fn java_fraction(nano: i32) -> String {
    match nano {
        0 => String::new(),
        n if n % 1_000_000 == 0 => format!(".{:03}", n / 1_000_000),
        n if n % 1_000 == 0 => format!(".{:06}", n / 1_000),
        n => format!(".{n:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ParameterType as _;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (number, text) in [
            (1e10, "1.0E10"),
            (1.5e10, "1.5E10"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-2.25, "-2.25"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (2e23, "2.0E23"),
            (5e-324, "4.9E-324"),
            (-1e-323, "-9.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(ParameterValue::Double(number).to_string(), text);
        }
    }

    #[test]
    fn floats_are_written_by_their_own_digits() {
        for (number, text) in [
            (0.1, "0.1"),
            (0.001, "0.001"),
            (1e7, "1.0E7"),
            (16_777_216.0, "1.6777216E7"),
            (1e-45, "1.4E-45"),
        ] {
            assert_eq!(ParameterValue::Float(number).to_string(), text);
        }
    }

    #[test]
    fn times_are_written_as_java_writes_them() {
        for (text, expected) in [
            ("2024-01-31T08:30", "2024-01-31T08:30"),
            ("2024-01-31T08:30:05", "2024-01-31T08:30:05"),
            ("2024-01-31T08:30:05.25", "2024-01-31T08:30:05.250"),
            ("2024-01-31T08:30:05.000001", "2024-01-31T08:30:05.000001"),
        ] {
            assert_eq!(java_date_time(text.parse().expect("a date and time")), expected);
        }
        let instant: Timestamp = "2024-01-31T09:30+01:00".parse().expect("an instant");
        assert_eq!(java_instant(instant), "2024-01-31T08:30:00Z");
    }

    fn list(texts: &[&str]) -> ParameterValue {
        ParameterValue::List(texts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_list_is_stored_in_the_form_that_spring_batch_splits() {
        for (texts, text) in
            [(&["a", "b c"][..], "a,b c"), (&["x"], "x"), (&[], ""), (&["ä", "", "ß"], "ä,,ß")]
        {
            let list = list(texts);
            assert_eq!((list.java_class(), list.stored_text().as_str()), ("java.util.List", text));
            assert_eq!(ParameterValue::from_stored("java.util.List", text), Ok(list));
        }
    }

    #[test]
    fn a_list_that_spring_batch_would_split_otherwise_is_stored_as_a_string() {
        for (texts, text) in [
            (&["a,b", "\"]", ""][..], r#"["a,b","\"]",""]"#),
            (&[" a"], r#"[" a"]"#),
            (&["a\n"], r#"["a\n"]"#),
            (&[""], r#"[""]"#),
            (&["[]"], r#"["[]"]"#),
        ] {
            let list = list(texts);
            assert_eq!((list.java_class(), list.stored_text().as_str()), ("java.lang.String", text));
            let stored = ParameterValue::from_stored("java.lang.String", text).unwrap();
            assert_eq!(
                (&stored, Vec::<String>::from_value(Some(&stored))),
                (&list, Ok(texts.iter().map(ToString::to_string).collect()))
            );
        }
    }

    #[test]
    fn an_instant_is_stored_as_a_string_because_spring_batch_reads_no_instants() {
        let instant: Timestamp = "2024-01-31T09:30:00.25+01:00".parse().expect("an instant");
        let value = ParameterValue::Timestamp(instant);
        assert_eq!(
            (value.java_class(), value.stored_text().as_str()),
            ("java.lang.String", "2024-01-31T08:30:00.250Z")
        );
        let stored = ParameterValue::from_stored(value.java_class(), &value.stored_text()).unwrap();
        assert_eq!((&stored, Timestamp::from_value(Some(&stored))), (&value, Ok(instant)));
        assert!(Timestamp::from_value(Some(&ParameterValue::String("soon".to_owned()))).is_err());
    }

    #[test]
    fn values_of_other_classes_are_kept_as_they_are() {
        for (class, text) in [
            ("java.util.Date", "2024-01-31T08:30:00.000+0000"),
            ("java.time.LocalTime", "08:30:00"),
            ("com.example.Region", "EU"),
            ("java.time.LocalDate", "+12345-01-31"),
            ("java.math.BigInteger", "9999999999999999999999999999999999999999999999"),
        ] {
            let value = ParameterValue::from_stored(class, text).unwrap();
            assert_eq!((value.java_class(), value.stored_text().as_str()), (class, text));
        }
    }
}
