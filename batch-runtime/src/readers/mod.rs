//! Readers: one module per format or source. Every reader yields items, a position from which a restart
//! resumes, and errors that name the place in the input.

mod adaptors;
mod any;
mod chain;
mod civil;
#[cfg(any(feature = "csv", feature = "fixed"))]
#[cfg_attr(not(feature = "csv"), allow(dead_code, reason = "fixed-width columns have no header"))]
mod columns;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod compressed;
#[cfg(feature = "encodings")]
mod converter;
#[cfg(feature = "csv")]
mod csv;
#[cfg(all(test, feature = "encodings"))]
mod document_encodings;
mod error;
mod exact;
mod exact_numbers;
mod fields;
mod files;
#[cfg(feature = "fixed")]
mod fixed;
mod floats;
#[cfg_attr(
    not(feature = "csv"),
    allow(dead_code, unused_imports, reason = "each format uses a part of the module, and CSV all of it")
)]
mod framed;
#[cfg(feature = "http")]
pub mod http;
mod iterator;
mod json_array;
mod json_item;
mod json_lines;
mod json_text;
#[cfg(feature = "csv")]
mod lent;
mod lines;
mod magic;
mod paging;
#[cfg(feature = "postgres")]
mod postgres;
mod resume_points;
mod rows;
mod sorted_merge;
mod source;
mod sqlite;
mod vec;
#[cfg(feature = "xml")]
mod xml;

#[cfg(test)]
mod tests;

pub use adaptors::{
    Inspect, Limit, LimitPosition, Peekable, Prefetch, ReaderExt, SkipTo, Synchronized, Throttled,
};
pub use chain::{Chain, ChainPart, ChainPosition};
#[cfg(feature = "csv")]
pub use csv::{CsvItem, CsvOptions, CsvPart, CsvPosition, CsvReader, CsvRecord, CsvState};
pub use error::{ReadError, SHOWN_CHARACTERS};
pub use files::{FilePart, FileSeen, FilesError, FilesPosition, FilesReader, files, files_by_pattern};
#[cfg(feature = "fixed")]
pub(crate) use fixed::{Align, Form};
#[cfg(feature = "fixed")]
pub use fixed::{FixedColumn, FixedOptions, FixedReader};
pub use framed::{TextPart, TextPosition, Totals};
pub use iterator::{EndedEarly, FallibleIteratorReader, IteratorReader};
pub use json_array::{JsonArrayOptions, JsonArrayPart, JsonArrayPosition, JsonArrayReader, JsonArrayState};
pub use json_lines::{JsonLinesOptions, JsonLinesReader, LinePart, LinePosition};
#[cfg(feature = "csv")]
pub use lent::{Borrows, Lender, Lent};
pub use lines::{LineState, LinesOptions, LinesReader};
pub use paging::{Counted, CountedPages, PagePart, PagePosition, Pages, PagesFn, PagingError, PagingReader};
#[cfg(feature = "postgres")]
pub use postgres::{
    Decoded, PostgresPart, PostgresPosition, PostgresQuery, PostgresReadError, PostgresReader, PostgresSource,
};
pub use rows::KeyColumns;
pub use sorted_merge::{MergeError, MergePosition, Merged, SortedMerge, sorted_merge};
pub use source::Identity;
pub(crate) use source::hash;
pub use sqlite::{
    Deserialized, SqlitePart, SqlitePosition, SqliteQuery, SqliteReadError, SqliteReader, SqliteSource,
};
pub use vec::{VecPart, VecReader};
#[cfg(feature = "xml")]
pub(crate) use xml::bad_character;
#[cfg(feature = "xml")]
pub use xml::{XmlOptions, XmlPart, XmlPosition, XmlReader, XmlState};

pub(crate) use error::shown;
