//! Compares two values of any type by their shapes. A shape is the tree of everything that serde serializes of a
//! value.

use std::fmt;

use serde::ser::{self, Serialize};

/// A value as serde sees it. Floating-point numbers are kept as their bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Unit,
    None,
    Some(Box<Shape>),
    Bool(bool),
    Integer(i128),
    Large(u128),
    Float(u64),
    Short(u32),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Shape>),
    Map(Vec<(Shape, Shape)>),
    Record(Vec<(&'static str, Shape)>),
    Variant(&'static str, Box<Shape>),
}

impl Shape {
    pub(super) fn of(value: &(impl Serialize + ?Sized)) -> Result<Self, ShapeError> {
        value.serialize(Shaping)
    }

    /// Describes the first difference between this value and the one that arrived after it was sent.
    pub(super) fn difference(&self, after: &Self) -> Option<String> {
        self.difference_at("", after)
    }

    /// The same shape with sorted lists and maps, because a set has no fixed order.
    fn sorted(&self) -> Self {
        let boxed = |inner: &Self| Box::new(inner.sorted());
        match self {
            Self::Some(inner) => Self::Some(boxed(inner)),
            Self::Variant(name, inner) => Self::Variant(name, boxed(inner)),
            Self::List(items) => {
                let mut items: Vec<_> = items.iter().map(Self::sorted).collect();
                items.sort();
                Self::List(items)
            }
            Self::Map(entries) => {
                let mut entries: Vec<_> =
                    entries.iter().map(|(key, value)| (key.sorted(), value.sorted())).collect();
                entries.sort();
                Self::Map(entries)
            }
            Self::Record(fields) => {
                Self::Record(fields.iter().map(|(name, value)| (*name, value.sorted())).collect())
            }
            other => other.clone(),
        }
    }

    fn difference_at(&self, path: &str, after: &Self) -> Option<String> {
        let at = |name: &dyn fmt::Display| match path {
            "" => name.to_string(),
            path => format!("{path}.{name}"),
        };
        if self.sorted() == after.sorted() {
            return None;
        }
        match (self, after) {
            (Self::Some(one), Self::Some(other)) => one.difference_at(path, other),
            (Self::Variant(name, one), Self::Variant(same, other)) if name == same => {
                one.difference_at(path, other)
            }
            (Self::Record(one), Self::Record(other))
                if one.iter().map(|field| field.0).eq(other.iter().map(|field| field.0)) =>
            {
                one.iter()
                    .zip(other)
                    .find_map(|((name, one), (_, other))| one.difference_at(&at(name), other))
            }
            (Self::List(one), Self::List(other)) if one.len() == other.len() => {
                (one.iter().zip(other).enumerate())
                    .find_map(|(number, (one, other))| one.difference_at(&at(&number), other))
            }
            _ => {
                let which = if path.is_empty() { "it".to_owned() } else { format!("`{path}`") };
                Some(format!("{which} is {self} before and {after} after"))
            }
        }
    }
}

/// The length at which the text of a value is cut.
const MAX_SHOWN: usize = 60;

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Unit => "nothing".to_owned(),
            Self::None => "`None`".to_owned(),
            Self::Some(inner) => format!("`Some` of {inner}"),
            Self::Bool(it) => it.to_string(),
            Self::Integer(it) => it.to_string(),
            Self::Large(it) => it.to_string(),
            Self::Float(bits) => f64::from_bits(*bits).to_string(),
            Self::Short(bits) => f32::from_bits(*bits).to_string(),
            Self::Char(it) => format!("{it:?}"),
            Self::Text(it) => format!("{it:?}"),
            Self::Bytes(it) => format!("{} bytes", it.len()),
            Self::List(it) => format!("a list of {}", it.len()),
            Self::Map(it) => format!("a map of {}", it.len()),
            Self::Record(fields) => {
                let names: Vec<_> = fields.iter().map(|field| field.0).collect();
                format!("a record of {}", names.join(", "))
            }
            Self::Variant(name, _) => format!("`{name}`"),
        };
        match text.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

/// The message of a value that cannot be serialised.
#[derive(Debug)]
pub(super) struct ShapeError(String);

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ShapeError {}

impl ser::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Serializes into a [`Shape`], as a binary format sees the value.
struct Shaping;

/// Collects the parts of a list, map, record or variant.
#[derive(Default)]
struct Compound {
    variant: Option<&'static str>,
    values: Vec<Shape>,
    keys: Vec<Shape>,
    names: Vec<&'static str>,
}

impl Compound {
    fn in_variant(self, shape: Shape) -> Shape {
        match self.variant {
            Some(variant) => Shape::Variant(variant, Box::new(shape)),
            None => shape,
        }
    }

    fn list(mut self) -> Shape {
        let values = std::mem::take(&mut self.values);
        self.in_variant(Shape::List(values))
    }

    fn record(mut self) -> Shape {
        let (names, values) = (std::mem::take(&mut self.names), std::mem::take(&mut self.values));
        self.in_variant(Shape::Record(names.into_iter().zip(values).collect()))
    }

    fn map(self) -> Shape {
        Shape::Map(self.keys.into_iter().zip(self.values).collect())
    }

    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), ShapeError> {
        self.values.push(value.serialize(Shaping)?);
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<Shape, ShapeError> {
            Ok(Shape::Integer(value.into()))
        }
    )*};
}

impl ser::Serializer for Shaping {
    type Ok = Shape;
    type Error = ShapeError;
    type SerializeSeq = Compound;
    type SerializeTuple = Compound;
    type SerializeTupleStruct = Compound;
    type SerializeTupleVariant = Compound;
    type SerializeMap = Compound;
    type SerializeStruct = Compound;
    type SerializeStructVariant = Compound;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
    );

    fn serialize_u128(self, value: u128) -> Result<Shape, ShapeError> {
        Ok(i128::try_from(value).map_or(Shape::Large(value), Shape::Integer))
    }

    fn serialize_bool(self, value: bool) -> Result<Shape, ShapeError> {
        Ok(Shape::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Result<Shape, ShapeError> {
        Ok(Shape::Short(value.to_bits()))
    }

    fn serialize_f64(self, value: f64) -> Result<Shape, ShapeError> {
        Ok(Shape::Float(value.to_bits()))
    }

    fn serialize_char(self, value: char) -> Result<Shape, ShapeError> {
        Ok(Shape::Char(value))
    }

    fn serialize_str(self, value: &str) -> Result<Shape, ShapeError> {
        Ok(Shape::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Shape, ShapeError> {
        Ok(Shape::Bytes(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Shape, ShapeError> {
        Ok(Shape::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Shape, ShapeError> {
        Ok(Shape::Some(Box::new(value.serialize(self)?)))
    }

    fn serialize_unit(self) -> Result<Shape, ShapeError> {
        Ok(Shape::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Shape, ShapeError> {
        Ok(Shape::Unit)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Shape, ShapeError> {
        Ok(Shape::Variant(variant, Box::new(Shape::Unit)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Shape, ShapeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Shape, ShapeError> {
        Ok(Shape::Variant(variant, Box::new(value.serialize(self)?)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound, ShapeError> {
        Ok(Compound::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound, ShapeError> {
        Ok(Compound::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound, ShapeError> {
        Ok(Compound::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound, ShapeError> {
        Ok(Compound { variant: Some(variant), ..Compound::default() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound, ShapeError> {
        Ok(Compound::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound, ShapeError> {
        Ok(Compound::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound, ShapeError> {
        Ok(Compound { variant: Some(variant), ..Compound::default() })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! lists {
    ($($trait:ident::$method:ident),* $(,)?) => {$(
        impl ser::$trait for Compound {
            type Ok = Shape;
            type Error = ShapeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
                self.push(value)
            }

            fn end(self) -> Result<Shape, ShapeError> {
                Ok(self.list())
            }
        }
    )*};
}

lists!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

macro_rules! records {
    ($($trait:ident),* $(,)?) => {$(
        impl ser::$trait for Compound {
            type Ok = Shape;
            type Error = ShapeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ShapeError> {
                self.names.push(name);
                self.push(value)
            }

            fn end(self) -> Result<Shape, ShapeError> {
                Ok(self.record())
            }
        }
    )*};
}

records!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Compound {
    type Ok = Shape;
    type Error = ShapeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ShapeError> {
        self.keys.push(key.serialize(Shaping)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.push(value)
    }

    fn end(self) -> Result<Shape, ShapeError> {
        Ok(self.map())
    }
}
