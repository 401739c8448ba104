//! Decodes records into items by a [`Plan`] that is made once: it maps columns to the fields of the item's
//! type.

use serde::Deserialize;

use super::row::{Column, Fields, Form, Row, Trace};
use super::value::{Problem, ValueError};

/// How to decode records, derived from the item's type and the header.
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
pub(crate) struct Decoder {
    /// The columns of the header, if the file has one.
    header: Option<Box<[Column]>>,
    plan: Plan,
    pub(crate) trim: bool,
    pub(crate) nulls: Box<[Box<str>]>,
    /// True if quoted text can be null too.
    pub(crate) quoted_nulls: bool,
    pub(crate) untyped_as_text: bool,
}

impl Decoder {
    /// Decodes fields that are matched by name, or by position if there are no names.
    pub(crate) fn new(names: Option<Vec<Box<str>>>) -> Self {
        Self {
            header: names.map(|names| names.into_iter().zip(0..).collect()),
            plan: Plan::Unknown,
            trim: false,
            nulls: Box::default(),
            quoted_nulls: false,
            untyped_as_text: false,
        }
    }

    pub(crate) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.header.iter().flatten().map(|(name, _)| &**name)
    }

    /// The name of a column in messages.
    pub(crate) fn name(&self, column: usize) -> Box<str> {
        self.names().nth(column).map_or_else(|| (column + 1).to_string().into(), Into::into)
    }

    /// Returns the index of the column with that name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }

    /// Decodes a record into an item.
    #[inline]
    pub(crate) fn decode<'a, T: Deserialize<'a>>(
        &mut self,
        fields: impl Fields<'a>,
    ) -> Result<T, ValueError> {
        let columns = match &self.plan {
            Plan::Sequence { columns, widest } if *widest <= fields.count() => Some(columns),
            _ => None,
        };
        let trace = Trace::default();
        // One variable holds all results: the item is then made in place and not moved.
        let mut item = match columns {
            Some(columns) => T::deserialize(&self.row(fields, Form::Sequence(columns), &trace)),
            None => return self.decode_by_name(fields),
        };
        // The field may have a default, which serde uses only if it sees the names.
        if matches!(&item, Err(error) if matches!(error.problem(), Problem::Null)) {
            item = self.decode_by_name(fields);
        }
        item
    }

    /// Decodes one field of a record.
    pub(crate) fn decode_field<'a, T: Deserialize<'a>>(
        &self,
        fields: impl Fields<'a>,
        column: usize,
    ) -> Result<T, ValueError> {
        let trace = Trace::default();
        let value = self.row(fields, Form::Positions, &trace).value(column).ok_or_else(ValueError::null);
        value.and_then(T::deserialize).map_err(|error| error.in_column(column))
    }

    #[inline]
    fn row<'a, F>(&'a self, fields: F, form: Form<'a>, trace: &'a Trace) -> Row<'a, F> {
        Row { fields, decoder: self, form, trace }
    }

    fn decode_by_name<'a, T: Deserialize<'a>>(&mut self, fields: impl Fields<'a>) -> Result<T, ValueError> {
        let trace = Trace::default();
        let attempt = |form| T::deserialize(&self.row(fields, form, &trace));
        let ((Plan::Names(columns), _) | (_, Some(columns))) = (&self.plan, &self.header) else {
            return attempt(Form::Positions);
        };
        let item = attempt(Form::Names { columns, omit_nulls: false });
        match &item {
            Ok(_) if matches!(self.plan, Plan::Unknown) => {
                self.plan = self.learn::<T>(fields, trace.fields.get());
            }
            Err(null) if matches!(null.problem(), Problem::Null) => {
                return attempt(Form::Names { columns, omit_nulls: true }).map_err(|error| {
                    match error.problem() {
                        Problem::Missing(name) if self.column(name).is_some() => {
                            ValueError::null().in_column(self.column(name))
                        }
                        _ => error.in_column(null.column()),
                    }
                });
            }
            _ => {}
        }
        item
    }

    /// Makes the plan for the type `T`, after `record` was decoded by name. `fields` are the names of the type's
    /// fields, if it is a struct; a field with aliases appears once for each of its names.
    fn learn<'a, T: Deserialize<'a>>(
        &self,
        record: impl Fields<'a>,
        fields: Option<&'static [&'static str]>,
    ) -> Plan {
        let all = || self.header.clone().unwrap_or_default();
        let Some(fields) = fields else { return Plan::Names(all()) };
        let columns: Option<Box<[usize]>> = fields.iter().map(|field| self.column(field)).collect();
        if let Some(columns) = columns {
            let widest = columns.iter().max().map_or(0, |last| last + 1);
            let trace = Trace::default();
            let form = Form::Sequence(&columns);
            let proof = T::deserialize(&self.row(record, form, &trace));
            // A hand-written `Deserialize` may accept names only.
            if proof.is_ok() && trace.taken.get() == columns.len() {
                return Plan::Sequence { columns, widest };
            }
        }
        // Leave out columns that the type does not know: it did not refuse them.
        Plan::Names(all().into_iter().filter(|(name, _)| fields.contains(&&**name)).collect())
    }
}
