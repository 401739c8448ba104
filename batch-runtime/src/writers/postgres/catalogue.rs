//! Looks up a table in the server's catalogue.

use std::collections::HashMap;

use tokio_postgres::types::{Kind, Oid, Type};

use super::column::{Column, Scalar};
use crate::postgres::{PgError, Row, Session, identifier};
use crate::writers::row::{self, RowError};

/// The columns of a table, or of a view, in their order.
const COLUMNS: &str = "SELECT n.nspname::text, c.relname::text, c.reltype::int8, t.typarray::int8,
    c.relkind IN ('r', 'p') AND NOT c.relhasrules AND NOT row_security_active(c.oid),
    a.attname::text, a.atttypid::int8, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity = 'a' OR a.attgenerated <> ''
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_type AS t ON t.oid = c.reltype
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = to_regclass($1) ORDER BY a.attnum";

/// Types that are not built in.
const TYPES: &str = "SELECT oid::int8, typtype::text, typname::text, typbasetype::int8, typtypmod,
    CASE WHEN typcategory = 'A' AND typlen = -1 THEN typelem::int8 ELSE 0 END
FROM pg_type WHERE oid = ANY (string_to_array($1, ',')::oid[])";

/// Whether a unique index treats two NULLs as equal, which only servers from version 15 on can do.
const NULLS: &str =
    "SELECT coalesce(bool_or(to_jsonb(i) ->> 'indnullsnotdistinct' = 'true'), false) FROM pg_index AS i
WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indnkeyatts = $2 AND (SELECT count(*)
    FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0 : i.indnkeyatts - 1])
        AND a.attname::text = ANY ($3)) = $2";

/// A table of the target database.
#[derive(Debug)]
pub(in crate::writers) struct Table {
    /// The name of the table without the schema.
    pub(super) name: Box<str>,
    /// The name of the table with the schema, as quoted in SQL.
    pub(super) quoted: String,
    /// The type of its rows.
    pub(super) row: Oid,
    /// The type of arrays of its rows.
    pub(super) rows: Type,
    /// Whether `COPY` into the table does the same as `INSERT`.
    pub(super) takes_copy: bool,
    /// All its columns.
    pub(super) columns: Vec<(Box<str>, Column)>,
    nullable: Vec<Box<str>>,
    /// The columns whose values the server generates.
    generated: Vec<Box<str>>,
}

impl Table {
    /// Finds a table by its exact name, as [`copy`](crate::postgres::Transaction::copy) does.
    pub(super) fn find(name: &str, session: &Session) -> Result<Self, PgError> {
        let rows = session.query(COLUMNS, &[&identifier::qualified(name)])?;
        let Some(first) = rows.first() else {
            return Err(PgError::misuse(
                "there is no such table; check the name, its schema, and the `search_path`",
            ));
        };
        let (schema, relation): (&str, &str) = (first.try_get(0)?, first.try_get(1)?);
        let described: Vec<Described> = rows.iter().map(Described::of).collect::<Result<_, _>>()?;
        let types = look_up_types(&described, session)?;
        let names = |which: fn(&Described) -> bool| {
            described.iter().filter(|column| which(column)).map(|column| column.name.clone()).collect()
        };
        Ok(Self {
            name: relation.into(),
            quoted: format!("{}.{}", quoted(schema), quoted(relation)),
            row: oid(first, 2)?,
            // Only the number of this type is sent.
            rows: Type::new(format!("{relation}[]"), oid(first, 3)?, Kind::Simple, schema.to_owned()),
            takes_copy: first.try_get(4)?,
            nullable: names(|column| !column.is_not_null),
            generated: names(|column| column.is_generated),
            columns: described.into_iter().map(|column| column.resolved(&types)).collect(),
        })
    }

    /// Returns whether a key of these columns can hold NULLs that do not equal each other.
    pub(super) fn has_distinct_nulls(&self, key: &[String], session: &Session) -> Result<bool, PgError> {
        if !key.iter().any(|column| self.nullable.iter().any(|nullable| **nullable == **column)) {
            return Ok(false);
        }
        let length = i16::try_from(key.len()).unwrap_or(i16::MAX);
        let is_one: bool = session.query_one(NULLS, &[&self.quoted, &length, &key])?.try_get(0)?;
        Ok(!is_one)
    }
}

impl row::Table for Table {
    type Column = Column;

    fn column(&self, name: &str) -> Result<Column, RowError> {
        if self.generated.iter().any(|generated| **generated == *name) {
            return Err(RowError::new("the server generates the values of this column; leave it out"));
        }
        if let Some((_, column)) = self.columns.iter().find(|(known, _)| **known == *name) {
            return Ok(column.clone());
        }
        let alike = self.columns.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        Err(RowError::new(match alike {
            Some((alike, _)) => {
                format!(
                    "the table has no such column; it has `{alike}`: rename the field, as with `#[serde(rename = \"{alike}\")]`"
                )
            }
            None => "the table has no such column; add it, or leave the field out with `#[serde(skip)]`"
                .to_owned(),
        }))
    }
}

pub(super) fn quoted(name: &str) -> String {
    identifier::quoted(name)
}

fn oid(row: &Row, column: usize) -> Result<Oid, PgError> {
    Ok(Oid::try_from(row.try_get::<_, i64>(column)?).unwrap_or_default())
}

/// A column as the catalogue describes it.
struct Described {
    name: Box<str>,
    oid: Oid,
    modifier: i32,
    type_name: Box<str>,
    is_not_null: bool,
    is_generated: bool,
}

impl Described {
    fn of(row: &Row) -> Result<Self, PgError> {
        Ok(Self {
            name: row.try_get::<_, &str>(5)?.into(),
            oid: oid(row, 6)?,
            modifier: row.try_get(7)?,
            type_name: row.try_get::<_, &str>(8)?.into(),
            is_not_null: row.try_get(9)?,
            is_generated: row.try_get(10)?,
        })
    }

    fn resolved(self, types: &HashMap<Oid, Foreign>) -> (Box<str>, Column) {
        let (scalar, element) = resolve(self.oid, self.modifier, types);
        (self.name, Column { oid: self.oid, type_name: self.type_name, scalar, element })
    }
}

/// A type that is not built in.
enum Foreign {
    /// Another name for a type, with constraints: the number of that type, and its modifier.
    Domain(Oid, i32),
    /// Arrays of the type with this number.
    Array(Oid),
    /// The names of an enum, or text of an extension.
    Text,
    Other,
}

impl Foreign {
    fn of(row: &Row) -> Result<Self, PgError> {
        let element = oid(row, 5)?;
        Ok(match (row.try_get::<_, &str>(1)?, row.try_get::<_, &str>(2)?) {
            ("d", _) => Self::Domain(oid(row, 3)?, row.try_get(4)?),
            ("e", _) | ("b", "citext") => Self::Text,
            _ if element != 0 => Self::Array(element),
            _ => Self::Other,
        })
    }

    /// The type that this one is made of.
    fn inner(&self) -> Option<Oid> {
        match self {
            Self::Domain(oid, _) | Self::Array(oid) => Some(*oid),
            Self::Text | Self::Other => None,
        }
    }
}

/// Looks up the types of columns that are not built in, and those that they are made of.
fn look_up_types(columns: &[Described], session: &Session) -> Result<HashMap<Oid, Foreign>, PgError> {
    let mut types = HashMap::new();
    let mut wanted: Vec<Oid> = columns.iter().map(|column| column.oid).collect();
    loop {
        wanted.retain(|oid| Scalar::of(*oid, -1).is_none() && !types.contains_key(oid));
        if wanted.is_empty() {
            return Ok(types);
        }
        let list: Vec<String> = wanted.iter().map(Oid::to_string).collect();
        let rows = session.query(TYPES, &[&list.join(",")])?;
        let found = rows.iter().map(|row| Ok((oid(row, 0)?, Foreign::of(row)?)));
        let found: HashMap<Oid, Foreign> = found.collect::<Result<_, PgError>>()?;
        let inner = found.values().filter_map(Foreign::inner).collect();
        // A type that no longer exists cannot be written.
        types.extend(std::mem::replace(&mut wanted, inner).into_iter().map(|oid| (oid, Foreign::Other)));
        types.extend(found);
    }
}

/// Returns the kind of a type's values or, for arrays, of their elements, and the type of the elements.
fn resolve(oid: Oid, modifier: i32, types: &HashMap<Oid, Foreign>) -> (Scalar, Option<Oid>) {
    if let Some(known) = Scalar::of(oid, modifier) {
        return known;
    }
    match types.get(&oid) {
        Some(Foreign::Text) => (Scalar::Text(None), None),
        Some(Foreign::Domain(base, modifier)) => resolve(*base, *modifier, types),
        Some(Foreign::Array(element)) => match resolve(*element, modifier, types) {
            (scalar, None) => (scalar, Some(*element)),
            // Arrays of a domain over arrays.
            (_, Some(_)) => (Scalar::Other, None),
        },
        Some(Foreign::Other) | None => (Scalar::Other, None),
    }
}
