//! [`DatabaseValue`]: a parameter of a statement for a database of any kind.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// A value of a statement for a database of any kind.
///
/// ```
/// use batch_runtime::DatabaseValue;
///
/// assert_eq!(DatabaseValue::from(7), DatabaseValue::Integer(7));
/// assert_eq!(DatabaseValue::from(None::<f64>), DatabaseValue::Null);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DatabaseValue {
    /// `NULL`.
    Null,
    /// A boolean; 0 or 1 in `SQLite`.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A number with a fraction. `SQLite` has no NaN and would take it as `NULL`, so a statement for `SQLite` refuses it.
    Real(f64),
    /// A string.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for DatabaseValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from!(bool => Bool, i64 => Integer, i32 => Integer, u32 => Integer, f64 => Real);
from!(&str => Text, String => Text, Vec<u8> => Bytes);

impl<T: Into<Self>> From<Option<T>> for DatabaseValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The error about a parameter that is NaN.
#[cold]
pub(crate) fn nan(parameter: &str) -> rusqlite::Error {
    let problem = format!(
        "the parameter `{parameter}` is NaN, which SQLite does not have and would take as NULL; pass `None` or another number"
    );
    rusqlite::Error::ToSqlConversionFailure(problem.into())
}

impl DatabaseValue {
    /// Binds values to the parameters `$1`, `$2` and so on of a statement of `SQLite`.
    pub(crate) fn bind(values: &[Self], statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
        for (number, value) in (1..).zip(values) {
            // To SQLite, `$2` is a name, and SQLite numbers names in the order in which they occur.
            let name = format!("${number}");
            let Some(index) = statement.parameter_index(&name)? else {
                return Err(rusqlite::Error::InvalidParameterName(name));
            };
            if matches!(value, Self::Real(real) if real.is_nan()) {
                return Err(nan(&name));
            }
            statement.raw_bind_parameter(index, value.as_sqlite())?;
        }
        Ok(())
    }

    fn as_sqlite(&self) -> ToSqlOutput<'_> {
        match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Bool(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            Self::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Self::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Self::Bytes(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
        }
    }
}

#[cfg(feature = "postgres")]
mod to_sql {
    use super::DatabaseValue;
    use crate::definition::BoxError;
    use crate::postgres::types::private::BytesMut;
    use crate::postgres::types::{IsNull, ToSql, Type, WrongType, to_sql_checked};

    impl ToSql for DatabaseValue {
        fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
            let wrong = || Err(WrongType::new::<Self>(ty.clone()).into());
            match self {
                Self::Null => Ok(IsNull::Yes),
                Self::Bool(value) if *ty == Type::BOOL => value.to_sql(ty, out),
                Self::Integer(value) => match *ty {
                    Type::INT8 => value.to_sql(ty, out),
                    Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
                    Type::INT2 => i16::try_from(*value)?.to_sql(ty, out),
                    _ => wrong(),
                },
                Self::Real(value) if *ty == Type::FLOAT8 => value.to_sql(ty, out),
                Self::Text(value) if <&str as ToSql>::accepts(ty) => value.to_sql(ty, out),
                Self::Bytes(value) if *ty == Type::BYTEA => value.to_sql(ty, out),
                _ => wrong(),
            }
        }

        fn accepts(_: &Type) -> bool {
            true
        }

        to_sql_checked!();
    }
}
