//! Makes texts, paths and truth values parameters, and optional ones and lists of what is one.

use std::path::{Path, PathBuf};

use super::parameter::{ParameterType, TypeName};
use super::parameter_value::ParameterValue;

pub(super) fn given(value: Option<&ParameterValue>) -> Result<&ParameterValue, String> {
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

impl<T: ParameterType> ParameterType for Option<T> {
    const TYPE: TypeName = TypeName { module: "", name: "Option", of: Some(&T::TYPE) };
    const OPTIONAL: bool = true;
    const LIST: bool = T::LIST;
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

/// One value each time the parameter is given: `--day 2024-01-31 --day 2024-02-01`. Their order counts.
impl<T: ParameterType> ParameterType for Vec<T> {
    const TYPE: TypeName = {
        assert!(
            !T::LIST && !T::OPTIONAL,
            "a list parameter holds single values: write `Vec<T>` without an inner list or `Option`"
        );
        TypeName { module: "", name: "Vec", of: Some(&T::TYPE) }
    };
    const LIST: bool = true;
    const VALUES: &'static [&'static str] = T::VALUES;

    /// A list of that one value.
    fn parse(text: &str) -> Result<ParameterValue, String> {
        Ok(ParameterValue::List(vec![T::parse(text)?.to_string()]))
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match given(value)? {
            ParameterValue::List(texts) => {
                texts.iter().map(|text| T::from_value(Some(&T::parse(text)?))).collect()
            }
            _ => Err("a list of values is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        let texts = self.iter().filter_map(|value| Some(value.to_value()?.to_string()));
        Some(ParameterValue::List(texts.collect()))
    }
}
