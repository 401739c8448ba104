//! Readers: one module per format or source. Every reader yields items, a position from which a restart
//! resumes, and errors that name the place in the input.

mod adaptors;
mod any;
mod chain;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod compressed;
#[cfg(feature = "csv")]
mod csv;
mod error;
mod fields;
mod files;
mod iterator;
mod json_lines;
mod magic;
mod paging;
#[cfg(feature = "postgres")]
mod postgres;
mod real;
mod rows;
mod source;
mod sqlite;
mod vec;

#[cfg(test)]
mod tests;

pub use adaptors::{Limit, LimitPosition, Peekable, Prefetch, ReaderExt, SkipTo, Synchronized};
pub use chain::{Chain, ChainPart, ChainPosition};
#[cfg(feature = "csv")]
pub use csv::{CsvOptions, CsvPart, CsvPosition, CsvReader};
pub use error::{ReadError, SHOWN_CHARACTERS};
pub use files::{FilePart, FilesError, FilesPosition, FilesReader, files, files_by_pattern};
pub use iterator::{EndedEarly, FallibleIteratorReader, IteratorReader};
pub use json_lines::{JsonLinesReader, LinePart, LinePosition};
pub use paging::{Counted, CountedPages, PagePart, PagePosition, Pages, PagesFn, PagingError, PagingReader};
#[cfg(feature = "postgres")]
pub use postgres::{
    Decoded, PostgresPart, PostgresPosition, PostgresQuery, PostgresReadError, PostgresReader, PostgresSource,
};
pub use rows::KeyColumns;
pub use source::Identity;
pub(crate) use source::hash;
pub use sqlite::{
    Deserialized, SqlitePart, SqlitePosition, SqliteQuery, SqliteReadError, SqliteReader, SqliteSource,
};
pub use vec::{VecPart, VecReader};

pub(crate) use error::shown;
