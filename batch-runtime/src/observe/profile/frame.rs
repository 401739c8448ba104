//! Determines from a function's name and file where the function comes from.

use std::path::Path;
use std::sync::Arc;

/// The folder of the framework's source, as it is written in debug information.
const SOURCE: &str = file!().split_at(file!().len() - "observe/profile/frame.rs".len()).0;
/// The crate's own name in paths.
const CRATE: &str = env!("CARGO_CRATE_NAME");

/// A function in a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The path of the function, as far as it is known, without generic arguments. A closure has the path of the
    /// function around it, or an empty path if that is unknown.
    pub(crate) path: Arc<str>,
    pub(crate) origin: Origin,
    /// For a method of one of the framework's traits, the name of the type that implements the trait.
    pub(crate) implementor: Option<Arc<str>>,
    /// Whether the line of the function is known, which needs debug information.
    pub(crate) has_line: bool,
}

/// Where a function comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Framework(Part),
    /// The standard library.
    Standard,
    /// Another crate, or a library of another language.
    Library,
    /// A crate of the user, whose source is on this machine.
    User,
}

/// A part of the framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Readers,
    Writers,
    Repository,
    Other,
}

impl Frame {
    /// Makes the frame of a symbol. Without a file, functions of `crates` are the user's.
    pub(crate) fn of(symbol: &str, file: Option<&str>, crates: &[&str]) -> Self {
        let (subject, of_trait) = unqualified(symbol);
        let path = without_generics(&subject);
        let segments: Vec<&str> =
            path.split("::").filter(|part| !part.is_empty() && !part.starts_with('{')).collect();
        let path = segments.join("::");
        let origin = file.map_or_else(|| by_path(&path, crates), |file| by_file(file, &path));
        let implementor = match of_trait {
            Some(of_trait) => Some((of_trait, segments.iter().rev().nth(1).copied().unwrap_or_default())),
            None => implemented(symbol),
        };
        let implementor = implementor.filter(|(of_trait, _)| in_crate(of_trait) == Some(CRATE));
        let implementor = implementor.map(|(_, name)| name.into());
        Self { path: path.into(), origin, implementor, has_line: file.is_some() }
    }

    /// The name of the function itself: the last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    /// Returns whether the function only calls another one, so that a profile need not show it.
    pub(crate) fn is_glue(&self) -> bool {
        const GLUE: [&str; 9] = [
            "call",
            "call_mut",
            "call_once",
            "catch_unwind",
            "do_call",
            "__rust_begin_short_backtrace",
            "__rust_end_short_backtrace",
            "main",
            "thread_start",
        ];
        self.origin == Origin::Standard && GLUE.contains(&self.name())
    }
}

/// Turns `<Type as Trait>::method` into `Type::method` and the trait. Leaves other symbols as they are.
fn unqualified(symbol: &str) -> (String, Option<&str>) {
    let Some(inner) = symbol.strip_prefix('<') else { return (symbol.to_owned(), None) };
    let Some(end) = closing(inner) else { return (symbol.to_owned(), None) };
    let (qualified, rest) = (&inner[..end], &inner[end + 1..]);
    match split_at_as(qualified) {
        Some((subject, of_trait)) => (format!("{}{rest}", unqualified(subject).0), Some(of_trait)),
        None => (format!("{qualified}{rest}"), None),
    }
}

/// The trait and the type's name in `module::<impl Trait for Type>::method`.
fn implemented(symbol: &str) -> Option<(&str, &str)> {
    let (_, inner) = symbol.split_once("<impl ")?;
    let (of_trait, subject) = inner[..closing(inner)?].split_once(" for ")?;
    Some((of_trait, subject.rsplit("::").next().unwrap_or_default()))
}

/// The index of the `>` that closes the `<` before this text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' if text[..index].ends_with('-') => {}
            '>' if depth == 0 => return Some(index),
            '>' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits `Type as Trait`.
fn split_at_as(qualified: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (index, letter) in qualified.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' if !qualified[..index].ends_with('-') => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && qualified[index..].starts_with(" as ") => {
                return Some((&qualified[..index], &qualified[index + " as ".len()..]));
            }
            _ => {}
        }
    }
    None
}

fn without_generics(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut depth = 0_usize;
    let mut last = ' ';
    for letter in path.chars() {
        match letter {
            '<' => depth += 1,
            '>' if last != '-' && depth > 0 => depth -= 1,
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
        last = letter;
    }
    plain
}

/// The crate that a path begins with.
fn in_crate(path: &str) -> Option<&str> {
    let path = path.trim_start_matches(['&', '[', '(', '*', ' ']);
    let path = ["mut ", "const ", "dyn "].iter().fold(path, |path, word| path.trim_start_matches(word));
    path.split_once("::").map(|(first, _)| first)
}

fn by_path(path: &str, crates: &[&str]) -> Origin {
    match in_crate(path) {
        Some(CRATE) => {
            let inner = &path[path.find("::").map_or(0, |colons| colons + 2)..];
            Origin::Framework(part(inner, "::"))
        }
        Some("core" | "alloc" | "std") => Origin::Standard,
        Some(name) if crates.contains(&name) => Origin::User,
        _ => Origin::Library,
    }
}

fn by_file(file: &str, path: &str) -> Origin {
    if let Some(at) = file.find(SOURCE).filter(|at| *at == 0 || file[..*at].ends_with('/')) {
        return Origin::Framework(part(&file[at + SOURCE.len()..], "/"));
    }
    let is_standard = ["/rustc/", "/rustlib/src/"].iter().any(|folder| file.contains(folder));
    let is_rust = Path::new(file).extension().is_some_and(|extension| extension == "rs");
    let is_fetched = ["/registry/src/", "/git/checkouts/", "/vendor/", "/rust/deps/"]
        .iter()
        .any(|folder| file.contains(folder));
    match in_crate(path) {
        Some(CRATE) => by_path(path, &[]),
        Some("core" | "alloc" | "std") => Origin::Standard,
        _ if is_standard => Origin::Standard,
        _ if is_rust && !is_fetched => Origin::User,
        _ => Origin::Library,
    }
}

/// The part of the framework in which a file or a module is.
fn part(place: &str, separator: &str) -> Part {
    match place.split(separator).next() {
        Some("readers") => Part::Readers,
        Some("writers") => Part::Writers,
        Some("repository") => Part::Repository,
        _ => Part::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Origin, Part, SOURCE};

    fn frame(symbol: &str, file: Option<&str>) -> Frame {
        Frame::of(symbol, file, &["flights"])
    }

    #[test]
    fn a_path_has_neither_generics_nor_closures_nor_the_trait() {
        let path = |symbol| frame(symbol, None).path.to_string();
        assert_eq!(path("flights::parse::<alloc::vec::Vec<u8>>::inner"), "flights::parse::inner");
        assert_eq!(path("parse<fn(u8) -> u8>"), "parse");
        assert_eq!(path("flights::parse::{closure#0}"), "flights::parse");
        assert_eq!(path("flights::parse::{{closure}}"), "flights::parse");
        assert_eq!(
            path("<flights::Row<u8> as serde::Deserialize>::deserialize"),
            "flights::Row::deserialize"
        );
        assert_eq!(path("<<flights::A as x::B>::C as x::D>::run"), "flights::A::C::run");
        assert_eq!(path("<flights::Row>::new"), "flights::Row::new");
        assert_eq!(path("{closure#3}<u8>"), "");
        assert_eq!(
            path("flights::_::<impl x::Reads<u8> for flights::late>::bind::{{closure}}"),
            "flights::_::bind"
        );
        assert_eq!(path("sqlite3_step"), "sqlite3_step");
    }

    #[test]
    fn without_a_file_the_crate_tells_where_a_function_comes_from() {
        let origin = |symbol| frame(symbol, None).origin;
        assert_eq!(origin("flights::late"), Origin::User);
        assert_eq!(origin("<&mut flights::Row as core::fmt::Debug>::fmt"), Origin::User);
        assert_eq!(origin("serde_json::de::from_str"), Origin::Library);
        assert_eq!(origin("<alloc::vec::Vec<flights::Row> as core::clone::Clone>::clone"), Origin::Standard);
        assert_eq!(origin("batch_runtime::readers::csv::read"), Origin::Framework(Part::Readers));
        assert_eq!(origin("sqlite3_step"), Origin::Library);
    }

    #[test]
    fn with_a_file_its_folder_tells_where_a_function_comes_from() {
        let origin = |file: &str| frame("late", Some(file)).origin;
        let within = |file| format!("/home/me/{SOURCE}{file}");
        assert_eq!(origin("/home/me/flights/src/main.rs"), Origin::User);
        assert_eq!(origin("src/main.rs"), Origin::User);
        assert_eq!(origin(&within("writers/csv.rs")), Origin::Framework(Part::Writers));
        assert_eq!(origin(&within("repository/sqlite/chunks.rs")), Origin::Framework(Part::Repository));
        assert_eq!(origin(&within("engine/step.rs")), Origin::Framework(Part::Other));
        assert_eq!(origin("/rustc/0123/library/core/src/num.rs"), Origin::Standard);
        assert_eq!(origin("/home/me/.cargo/registry/src/index-1/csv-1.4.0/src/lib.rs"), Origin::Library);
        assert_eq!(origin("./nptl/pthread_create.c"), Origin::Library);
    }

    #[test]
    fn a_method_of_one_of_the_frameworks_traits_names_the_type_that_implements_it() {
        let of = |symbol: &str| frame(symbol, None).implementor;
        let definition = "batch_runtime::definition::ProcessorDefinition<u8>";
        assert_eq!(of(&format!("<flights::late as {definition}>::bind")).as_deref(), Some("late"));
        let inner = format!("flights::_::<impl {definition} for flights::late>::bind::{{{{closure}}}}");
        assert_eq!(of(&inner).as_deref(), Some("late"));
        assert_eq!(of("<flights::Row as serde::Deserialize>::deserialize"), None);
        assert_eq!(of("flights::late"), None);
    }
}
