//! Names the kinds of a step's reader and writer, so that a restart notices if they have changed.

use std::any::type_name;

use super::{Failure, Pipe, Reader, Scope, Writer};

/// The kinds of the reader and writer of a chunk step, which give their stored positions a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionKinds {
    /// [`Reader::kind`] of the reader.
    pub reader: String,
    /// [`Writer::kind`] of the writer.
    pub writer: String,
}

/// Returns the kinds of a pipe's reader and writer without opening either.
#[must_use]
pub fn position_kinds<P: Pipe>() -> PositionKinds {
    PositionKinds {
        reader: reader_kind(|scope| P::reader(scope)),
        writer: writer_kind(|scope| P::writer(scope)),
    }
}

fn reader_kind<'s, R: Reader>(_: impl FnOnce(&Scope<'s>) -> Result<R, Failure>) -> String {
    R::kind()
}

fn writer_kind<'s, W: Writer>(_: impl FnOnce(&Scope<'s>) -> Result<W, Failure>) -> String {
    W::kind()
}

/// The name of a type without its modules and generic arguments, so that moving the type or changing its item type
/// does not change its kind.
pub(super) fn type_kind<T: ?Sized>() -> String {
    let name = type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    without_modules(name)
}

/// A type with all names stripped of their modules: `Option<Seen>` for `std::option::Option<ledger::Seen>`.
pub(crate) fn without_modules(ty: &str) -> String {
    let mut bare = String::with_capacity(ty.len());
    let mut rest = ty;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("::") {
            rest = after;
            // `Vec::<T>` is `Vec<T>`.
            if !rest.starts_with('<') {
                let kept = bare.trim_end_matches(is_of_a_word).len();
                bare.truncate(kept);
            }
        } else {
            rest = &rest[next.len_utf8()..];
            // White space only matters between two words.
            if !next.is_whitespace() || bare.ends_with(is_of_a_word) {
                bare.push(next);
            }
        }
    }
    bare
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_without_its_modules() {
        for (given, bare) in [
            ("Seen", "Seen"),
            ("std::collections::BTreeSet<ledger::Seen>", "BTreeSet<Seen>"),
            ("Vec::<u8>", "Vec<u8>"),
            ("(a::B, c::d::E)", "(B,E)"),
            ("& 'static crate::State", "&'static State"),
        ] {
            assert_eq!(without_modules(given), bare, "{given}");
        }
    }

    #[test]
    fn the_kind_of_a_generic_type_is_its_own_name() {
        assert_eq!(type_kind::<crate::readers::VecReader<String>>(), "VecReader");
    }
}
