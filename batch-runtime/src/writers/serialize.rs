//! The parts that the serializers of text files and of tables have in common.

/// The methods that complete a serializer of a single value: they refuse a value that consists of several. `$nested`
/// returns the error, given a name for the refused value.
macro_rules! single_value {
    ($ok:ty, $error:ty, $nested:expr, $variant_with_value:expr, $variant_with_values:expr) => {
        type SerializeSeq = serde::ser::Impossible<$ok, $error>;
        type SerializeTuple = serde::ser::Impossible<$ok, $error>;

        fn serialize_seq(self, _length: Option<usize>) -> Result<Self::SerializeSeq, $error> {
            Err($nested("a sequence"))
        }

        fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, $error> {
            Err($nested("a tuple"))
        }

        crate::writers::serialize::value_or_sequence! {
            $ok, $error, $nested, $variant_with_value, $variant_with_values
        }
    };
}
pub(super) use single_value;

/// The methods that complete a serializer of a single value, or of a sequence of values of one type.
macro_rules! value_or_sequence {
    ($ok:ty, $error:ty, $nested:expr, $variant_with_value:expr, $variant_with_values:expr) => {
        type Ok = $ok;
        type Error = $error;
        type SerializeTupleStruct = serde::ser::Impossible<$ok, $error>;
        type SerializeTupleVariant = serde::ser::Impossible<$ok, $error>;
        type SerializeMap = serde::ser::Impossible<$ok, $error>;
        type SerializeStruct = serde::ser::Impossible<$ok, $error>;
        type SerializeStructVariant = serde::ser::Impossible<$ok, $error>;

        fn serialize_char(self, value: char) -> Result<$ok, $error> {
            self.serialize_str(value.encode_utf8(&mut [0; 4]))
        }

        fn serialize_unit(self) -> Result<$ok, $error> {
            self.serialize_none()
        }

        fn serialize_unit_struct(self, _name: &'static str) -> Result<$ok, $error> {
            self.serialize_none()
        }

        fn serialize_unit_variant(
            self,
            _name: &'static str,
            _index: u32,
            variant: &'static str,
        ) -> Result<$ok, $error> {
            self.serialize_str(variant)
        }

        #[inline]
        fn serialize_newtype_struct<T: serde::Serialize + ?Sized>(
            self,
            _name: &'static str,
            value: &T,
        ) -> Result<$ok, $error> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: serde::Serialize + ?Sized>(
            self,
            _name: &'static str,
            _index: u32,
            _variant: &'static str,
            _value: &T,
        ) -> Result<$ok, $error> {
            Err($nested($variant_with_value))
        }

        fn serialize_tuple_struct(
            self,
            _name: &'static str,
            _length: usize,
        ) -> Result<Self::SerializeTupleStruct, $error> {
            Err($nested("a tuple"))
        }

        fn serialize_tuple_variant(
            self,
            _name: &'static str,
            _index: u32,
            _variant: &'static str,
            _length: usize,
        ) -> Result<Self::SerializeTupleVariant, $error> {
            Err($nested($variant_with_values))
        }

        fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap, $error> {
            Err($nested("a map"))
        }

        fn serialize_struct(
            self,
            _name: &'static str,
            _length: usize,
        ) -> Result<Self::SerializeStruct, $error> {
            Err($nested("a struct"))
        }

        fn serialize_struct_variant(
            self,
            _name: &'static str,
            _index: u32,
            _variant: &'static str,
            _length: usize,
        ) -> Result<Self::SerializeStructVariant, $error> {
            Err($nested($variant_with_values))
        }
    };
}
pub(super) use value_or_sequence;

/// The methods with which a serializer of records treats a single value as a record of one field; `$only` serializes
/// it.
macro_rules! record_of_one_value {
    ($only:ident -> $result:ty; $($method:ident($type:ty))*) => {
        $(
            fn $method(self, value: $type) -> $result {
                self.$only(&value)
            }
        )*

        fn serialize_none(self) -> $result {
            self.$only(&None::<()>)
        }

        fn serialize_unit(self) -> $result {
            self.$only(&())
        }

        fn serialize_unit_struct(self, _name: &'static str) -> $result {
            self.$only(&())
        }

        fn serialize_unit_variant(
            self,
            _name: &'static str,
            _index: u32,
            variant: &'static str,
        ) -> $result {
            self.$only(variant)
        }

        #[inline]
        fn serialize_newtype_struct<T: serde::Serialize + ?Sized>(
            self,
            _name: &'static str,
            value: &T,
        ) -> $result {
            value.serialize(self)
        }

        #[inline]
        fn serialize_newtype_variant<T: serde::Serialize + ?Sized>(
            self,
            _name: &'static str,
            _index: u32,
            _variant: &'static str,
            value: &T,
        ) -> $result {
            value.serialize(self)
        }
    };
}
pub(super) use record_of_one_value;
