//! Decodes records into items by a [`Plan`] that is made once: it maps columns to the fields of the item's
//! type.

use serde::de::DeserializeOwned;

use super::CsvOptions;
use super::records::Record;
use super::row::{Column, Form, Row, Trace};
use super::value::{Problem, ValueError};

/// What is known about the item's type and the header.
#[derive(Debug, Clone)]
enum Plan {
    /// Nothing yet: the first good record determines it.
    Unknown,
    /// A struct with a column for each of its fields, in this order.
    Sequence { columns: Box<[usize]>, widest: usize },
    /// A type that needs the names, or lacks some columns.
    Names(Box<[Column]>),
}

/// Decodes records into items.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    /// The columns of the header, if the file has one.
    header: Option<Box<[Column]>>,
    plan: Plan,
    pub(super) trim: bool,
    pub(super) nulls: Box<[Box<str>]>,
    /// True if quoted text can be null too.
    pub(super) quoted_nulls: bool,
    pub(super) untyped_as_text: bool,
}

/// Why and where a record cannot be decoded.
pub(super) struct Refusal {
    pub(super) error: ValueError,
    pub(super) column: Option<usize>,
}

impl Decoder {
    pub(super) fn new<T>(header: Option<Vec<Box<str>>>, options: CsvOptions<T>) -> Self {
        let header = header.map(|names| names.into_iter().zip(0..).collect());
        let CsvOptions { trim, nulls, quoted_nulls, untyped_as_text, .. } = options;
        Self { header, plan: Plan::Unknown, trim, nulls: nulls.into(), quoted_nulls, untyped_as_text }
    }

    pub(super) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.header.iter().flatten().map(|(name, _)| &**name)
    }

    /// The name of a column in messages.
    pub(super) fn name(&self, column: usize) -> Box<str> {
        self.names().nth(column).map_or_else(|| (column + 1).to_string().into(), Into::into)
    }

    /// Returns the index of the column with that name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }

    /// Decodes a record into an item.
    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(
        &mut self,
        record: Record<'_>,
        text: &str,
    ) -> Result<T, Refusal> {
        if let Plan::Sequence { columns, widest } = &self.plan
            && *widest <= record.ends.len()
        {
            let trace = Trace::default();
            match T::deserialize(self.row(record, text, Form::Sequence(columns), &trace)) {
                Ok(item) => return Ok(item),
                Err(error) if !matches!(*error.0, Problem::Null) => {
                    return Err(Refusal { error, column: trace.column.get() });
                }
                // The field may have a default, which only a type that sees the names can use.
                Err(_) => {}
            }
        }
        self.decode_by_name(record, text)
    }

    #[inline]
    fn row<'a>(&'a self, record: Record<'a>, text: &'a str, form: Form<'a>, trace: &'a Trace) -> Row<'a> {
        Row {
            text,
            start: record.start,
            ends: record.ends,
            quoted: record.quoted,
            decoder: self,
            form,
            trace,
        }
    }

    fn decode_by_name<T: DeserializeOwned>(&mut self, record: Record<'_>, text: &str) -> Result<T, Refusal> {
        let trace = Trace::default();
        let attempt = |form| T::deserialize(self.row(record, text, form, &trace));
        let ((Plan::Names(columns), _) | (_, Some(columns))) = (&self.plan, &self.header) else {
            let item = attempt(Form::Positions);
            return item.map_err(|error| Refusal { error, column: trace.column.get() });
        };
        match attempt(Form::Names { columns, omit_nulls: false }) {
            Ok(item) => {
                if matches!(self.plan, Plan::Unknown) {
                    self.plan = self.learn::<T>(record, text, trace.fields.get());
                }
                Ok(item)
            }
            Err(error) if matches!(*error.0, Problem::Null) => {
                let null = trace.column.get();
                attempt(Form::Names { columns, omit_nulls: true }).map_err(|again| match &*again.0 {
                    Problem::Missing(name) if self.column(name).is_some() => {
                        Refusal { error: ValueError::null(), column: self.column(name) }
                    }
                    _ => Refusal { error: again, column: trace.column.get().or(null) },
                })
            }
            Err(error) => Err(Refusal { error, column: trace.column.get() }),
        }
    }

    /// Makes the plan for a type, of which `record` was just decoded by name. `fields` are the names of its
    /// fields, if it is a struct; a field with aliases appears once for each of its names.
    fn learn<T: DeserializeOwned>(
        &self,
        record: Record<'_>,
        text: &str,
        fields: Option<&'static [&'static str]>,
    ) -> Plan {
        let all = || self.header.clone().unwrap_or_default();
        let Some(fields) = fields else { return Plan::Names(all()) };
        let columns: Option<Box<[usize]>> = fields.iter().map(|field| self.column(field)).collect();
        if let Some(columns) = columns {
            let widest = columns.iter().max().map_or(0, |last| last + 1);
            let trace = Trace::default();
            let form = Form::Sequence(&columns);
            let proof = T::deserialize(self.row(record, text, form, &trace));
            // A hand-written `Deserialize` may accept names only.
            if proof.is_ok() && trace.taken.get() == columns.len() {
                return Plan::Sequence { columns, widest };
            }
        }
        // Leave out columns that the type does not know: it did not refuse them.
        Plan::Names(all().into_iter().filter(|(name, _)| fields.contains(&&**name)).collect())
    }
}
