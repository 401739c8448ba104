//! Strings, paths and booleans as parameters, and `Option` and `Vec` of parameters.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::parameter::{ParameterType, TypeName};
use super::parameter_value::ParameterValue;
use super::path::{path_of_text, path_to_text, resolved_path};

pub(super) fn required(value: Option<&ParameterValue>) -> Result<&ParameterValue, String> {
    value.ok_or_else(|| "a value is needed".to_owned())
}

impl ParameterType for String {
    const TYPE: TypeName = TypeName::plain("String");

    fn parse(text: &str) -> Result<ParameterValue, String> {
        Ok(ParameterValue::String(text.to_owned()))
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match required(value)? {
            ParameterValue::String(text) => Ok(text.clone()),
            _ => Err("text is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        Some(ParameterValue::String(self.clone()))
    }
}

/// The canonical value of a path, which does not depend on the current directory or on symbolic links.
fn canonical_path(path: &Path) -> Result<ParameterValue, String> {
    if path.as_os_str().is_empty() {
        return Err("a path is expected".to_owned());
    }
    let place = resolved_path(path).map_err(|error| error.to_string())?;
    Ok(ParameterValue::String(path_to_text(&place)))
}

/// Stored as the absolute path with all links resolved. A path that is not UTF-8 is stored as a URI:
/// `file:///in/caf%E9.csv`.
impl ParameterType for PathBuf {
    const TYPE: TypeName = TypeName::plain("PathBuf");

    fn parse(text: &str) -> Result<ParameterValue, String> {
        canonical_path(Path::new(text))
    }

    fn parse_os(text: &OsStr) -> Result<ParameterValue, String> {
        canonical_path(Path::new(text))
    }

    fn of_text(text: &str) -> Result<ParameterValue, String> {
        Ok(ParameterValue::String(text.to_owned()))
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match required(value)? {
            ParameterValue::String(text) => {
                std::path::absolute(path_of_text(text)?).map_err(|error| error.to_string())
            }
            _ => Err("a path is expected".to_owned()),
        }
    }

    fn to_value(&self) -> Option<ParameterValue> {
        let path = std::path::absolute(self).unwrap_or_else(|_| self.clone());
        Some(ParameterValue::String(path_to_text(&path)))
    }

    fn canonical(value: &ParameterValue) -> Result<ParameterValue, String> {
        Self::from_value(Some(value)).and_then(|path| canonical_path(&path))
    }
}

impl ParameterType for bool {
    const TYPE: TypeName = TypeName::plain("bool");
    const VALUES: &'static [&'static str] = &["true", "false"];

    fn parse(text: &str) -> Result<ParameterValue, String> {
        text.parse().map(ParameterValue::Boolean).map_err(|_| "`true` or `false` is expected".to_owned())
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        match required(value)? {
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

    fn parse_os(text: &OsStr) -> Result<ParameterValue, String> {
        T::parse_os(text)
    }

    fn of_text(text: &str) -> Result<ParameterValue, String> {
        T::of_text(text)
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        value.map(|value| T::from_value(Some(value))).transpose()
    }

    fn to_value(&self) -> Option<ParameterValue> {
        self.as_ref().and_then(T::to_value)
    }

    fn canonical(value: &ParameterValue) -> Result<ParameterValue, String> {
        T::canonical(value)
    }
}

/// One value for each time the parameter is given: `--day 2024-01-31 --day 2024-02-01`. Their order counts.
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

    /// Returns a list of this one value.
    fn parse(text: &str) -> Result<ParameterValue, String> {
        Ok(ParameterValue::List(vec![T::parse(text)?.to_string()]))
    }

    fn parse_os(text: &OsStr) -> Result<ParameterValue, String> {
        Ok(ParameterValue::List(vec![T::parse_os(text)?.to_string()]))
    }

    fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
        let texts = required(value)?.as_list().ok_or("a list of values is expected")?;
        texts.iter().map(|text| T::from_value(Some(&T::of_text(text)?))).collect()
    }

    fn to_value(&self) -> Option<ParameterValue> {
        let texts = self.iter().filter_map(|value| Some(value.to_value()?.to_string()));
        Some(ParameterValue::List(texts.collect()))
    }

    fn canonical(value: &ParameterValue) -> Result<ParameterValue, String> {
        let texts = value.as_list().ok_or("a list of values is expected")?;
        let canonical = |text: &String| Ok(T::canonical(&T::of_text(text)?)?.to_string());
        texts.iter().map(canonical).collect::<Result<_, String>>().map(ParameterValue::List)
    }
}
