//! Receives: the types that may be parameters. Gives: how each is read, stored and read back.

use std::path::{Path, PathBuf};

use jiff::civil::{Date, DateTime};

use super::parameter::{ParameterType, ParameterValue, TypeName};

fn given(value: Option<&ParameterValue>) -> Result<&ParameterValue, String> {
    value.ok_or_else(|| "a value is needed".to_owned())
}

impl ParameterType for String {
    const TYPE: TypeName = TypeName::plain("String");

    fn parse(text: &str) -> Result<ParameterValue, String> {
        Ok(ParameterValue::String(text.to_owned()))
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::String(text) => Ok(text.clone()),
            _ => Err("a text is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::String(self.clone()))
    }
}

impl ParameterType for PathBuf {
    const TYPE: TypeName = TypeName::plain("PathBuf");

    /// A relative path is made absolute: what identifies an instance must not depend on where it was typed.
    fn parse(text: &str) -> Result<ParameterValue, String> {
        if text.is_empty() {
            return Err("a path is expected".to_owned());
        }
        let path = std::path::absolute(Path::new(text)).map_err(|error| error.to_string())?;
        path.into_os_string()
            .into_string()
            .map(ParameterValue::String)
            .map_err(|_| "a path in valid UTF-8 is expected".to_owned())
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::String(text) => std::path::absolute(text).map_err(|error| error.to_string()),
            _ => Err("a path is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        let path = std::path::absolute(self).unwrap_or_else(|_| self.clone());
        Some(ParameterValue::String(path.to_string_lossy().into_owned()))
    }
}

impl ParameterType for bool {
    const TYPE: TypeName = TypeName::plain("bool");
    const VALUES: &'static [&'static str] = &["true", "false"];

    fn parse(text: &str) -> Result<ParameterValue, String> {
        text.parse().map(ParameterValue::Boolean).map_err(|_| "`true` or `false` is expected".to_owned())
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::Boolean(flag) => Ok(*flag),
            _ => Err("`true` or `false` is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::Boolean(*self))
    }
}

impl ParameterType for f64 {
    const TYPE: TypeName = TypeName::plain("f64");

    fn parse(text: &str) -> Result<ParameterValue, String> {
        text.parse().map(ParameterValue::Double).map_err(|_| "a number is expected".to_owned())
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::Double(number) => Ok(*number),
            _ => Err("a number is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::Double(*self))
    }
}

macro_rules! integers {
    ($($int:ident)*) => {$(
        impl ParameterType for $int {
            const TYPE: TypeName = TypeName::plain(stringify!($int));

            fn parse(text: &str) -> Result<ParameterValue, String> {
                let number: $int = text.parse().map_err(|_| {
                    format!("a whole number from {} to {} is expected", $int::MIN, $int::MAX)
                })?;
                i64::try_from(number).map(ParameterValue::Long).map_err(|_| {
                    format!("a whole number of at most {} is expected, as the repository stores no larger one", i64::MAX)
                })
            }

            fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
                match given(value)? {
                    ParameterValue::Long(number) => $int::try_from(*number).map_err(|_| {
                        format!("a whole number from {} to {} is expected", $int::MIN, $int::MAX)
                    }),
                    _ => Err("a whole number is expected".to_owned()),
                }
            }

            fn to_value(&self) -> Option<ParameterValue> {
                Some(ParameterValue::Long(i64::try_from(*self).unwrap_or(i64::MAX)))
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64 usize);

impl ParameterType for Date {
    const TYPE: TypeName = TypeName::plain("Date");

    fn parse(text: &str) -> Result<ParameterValue, String> {
        text.parse().map(ParameterValue::Date).map_err(|_| "a date as 2024-01-31 is expected".to_owned())
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::Date(date) => Ok(*date),
            _ => Err("a date is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::Date(*self))
    }
}

impl ParameterType for DateTime {
    const TYPE: TypeName = TypeName::plain("DateTime");

    fn parse(text: &str) -> Result<ParameterValue, String> {
        text.parse()
            .map(ParameterValue::DateTime)
            .map_err(|_| "a date and time as 2024-01-31T08:30 is expected".to_owned())
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::DateTime(time) => Ok(*time),
            _ => Err("a date and time is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::DateTime(*self))
    }
}

impl<T: ParameterType> ParameterType for Option<T> {
    const TYPE: TypeName = TypeName { module: "", name: "Option", of: Some(&T::TYPE) };
    const OPTIONAL: bool = true;
    const VALUES: &'static [&'static str] = T::VALUES;

    fn parse(text: &str) -> Result<ParameterValue, String> {
        T::parse(text)
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        value.map(|value| T::from_value(Some(value))).transpose()
    }

    fn to_value(&self) -> Option<ParameterValue> {
        self.as_ref().and_then(T::to_value)
    }
}
