//! Which tables a database of PostgreSQL has, and how their columns are read.

use std::collections::{HashMap, HashSet};

use polydav_store::ResourcePath;
use tokio_postgres::Row;

use crate::datum::Datum;
use crate::error::SqlError;
use crate::options::{OpenError, Options};
use crate::schema::{Column, ColumnKind, Schema, Table, TableKind, quote};

use super::session::Session;

/// Tables and views of a schema, but for partitions: their rows are those of the whole.
const TABLES: &str = "\
SELECT c.oid::int8, c.relname::text, n.nspname::text, c.relkind IN ('v', 'm'),
       c.relkind = 'r' AND c.relhassubclass,
       c.relhasrules AND c.relkind NOT IN ('v', 'm'),
       EXISTS (SELECT FROM pg_trigger t WHERE (t.tgrelid = c.oid OR c.relkind = 'p' AND t.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid))) AND NOT t.tgisinternal)
         OR EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND c.oid IN (f.confrelid, f.conrelid)
                    AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r'))),
       EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.confrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = coalesce($1::text, current_schema()::text)
  AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition";

/// The columns of those tables, in order. The base type of a domain is what its values are read as.
/// The types are named without the bounds that a cast would silently cut to, and as they were
/// declared. Arrays are told as JSON unless that would lose where their elements begin.
const COLUMNS: &str = "\
WITH RECURSIVE base (oid, of) AS (
  SELECT t.oid, t.oid FROM pg_type t
  UNION ALL
  SELECT t.typbasetype, b.of FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
SELECT a.attrelid::int8, a.attname::text, a.attnum::int4, b.typname::text, b.is_array,
       format_type(b.oid, -1), format_type(a.atttypid, a.atttypmod),
       a.attnotnull OR EXISTS (SELECT FROM pg_type d WHERE d.oid = a.atttypid AND d.typnotnull),
       a.atthasdef OR a.attidentity <> ''
         OR EXISTS (SELECT FROM pg_type d WHERE d.oid = a.atttypid AND d.typdefault IS NOT NULL),
       a.attgenerated <> '' OR a.attidentity = 'a',
       coalesce(l.collisdeterministic, true)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN LATERAL (SELECT t.oid, t.typname,
                     e.typarray = t.oid AND e.typtype <> 'c' AND e.typdelim = ','
                       AND e.typname NOT IN ('json', 'jsonb') AS is_array
              FROM base JOIN pg_type t ON t.oid = base.oid LEFT JOIN pg_type e ON e.oid = t.typelem
              WHERE base.of = a.atttypid AND t.typtype <> 'd' LIMIT 1) b ON true
LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE n.nspname = coalesce($1::text, current_schema()::text)
  AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum";

/// The columns of indexes: those of the primary key in its order, and those whose values are
/// compared with other rows'. Those of an expression, of a generated column, or of some of the rows
/// may be any, and have the number 0. A partition's index counts for the whole table too.
const INDEXES: &str = "\
SELECT i.indrelid::int8, i.indisprimary, k.attnum::int4,
       CASE WHEN i.indpred IS NULL AND coalesce(a.attgenerated, '') = '' THEN k.attnum ELSE 0 END::int4,
       coalesce(pg_partition_root(i.indrelid), i.indrelid)::oid::int8, x.relname::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE n.nspname = coalesce($1::text, current_schema()::text)
  AND (i.indisunique OR i.indisexclusion) AND k.place <= i.indnkeyatts
ORDER BY i.indrelid, k.place";

/// Constraints, the first column of each, and whether it is the only one.
const CONSTRAINTS: &str = "\
SELECT f.conrelid::int8, f.conname::text, f.conkey[1]::int4,
       f.contype = 'f' AND f.conrelid = f.confrelid, array_length(f.conkey, 1) = 1
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = coalesce($1::text, current_schema()::text) AND f.conkey[1] IS NOT NULL";

/// Finds the tables that are served.
pub(super) fn find(session: &Session, options: &Options) -> Result<Schema, OpenError> {
    let ask = |text| {
        let found = session.query(text, &[&options.schema]);
        found.map_err(|error| OpenError::Database(error.into()))
    };
    let mut details = Details::default();
    ask(COLUMNS)?.iter().for_each(|row| details.column(row));
    ask(INDEXES)?.iter().for_each(|row| details.index(row));
    ask(CONSTRAINTS)?.iter().for_each(|row| details.constraint(row));
    let listed = ask(TABLES)?;
    let names: Vec<String> = listed.iter().map(|row| row.get(1)).collect();
    let mut tables = Vec::new();
    for row in &listed {
        let mut table = details.table(row);
        if !options.serves(&table.name) {
            continue;
        }
        options.restrict(&mut table);
        let is_segment = ResourcePath::root().join(table.name.as_bytes()).is_ok();
        if is_segment && (table.kind == TableKind::View || !table.key.is_empty()) {
            tables.push(table);
        } else {
            tracing::info!(
                table = &*table.name,
                "it has no key that could name its rows, and isn't served"
            );
        }
    }
    options.check(names.iter().map(String::as_str), &tables)?;
    Ok(Schema::new(tables))
}

/// What is known of tables, by their numbers.
#[derive(Default)]
struct Details {
    columns: HashMap<i64, Vec<Numbered>>,
    keys: HashMap<i64, Vec<i32>>,
    key_constraints: HashMap<i64, HashSet<Box<str>>>,
    constraints: HashMap<i64, Vec<(Box<str>, i32)>>,
}

/// A column and its number, of which some may be missing.
struct Numbered {
    number: i32,
    column: Column,
    /// Whether its texts are equal only if they are the same.
    is_exact: bool,
}

impl Details {
    fn column(&mut self, row: &Row) {
        let name: String = row.get(1);
        let (base, is_array): (&str, Option<bool>) = (row.get(3), row.get(4));
        let kind = kind(base, is_array == Some(true));
        let quoted = quote(&name);
        let is_exact = match kind {
            ColumnKind::Integer { .. } => true,
            ColumnKind::Text => matches!(base, "text" | "varchar") && row.get(10),
            _ => false,
        };
        let column = Column {
            output: output(kind, base, &quoted),
            quoted,
            kind,
            cast: row.get(5),
            declared: row.get::<_, String>(6).into(),
            is_nullable: !row.get::<_, bool>(7),
            default: row.get::<_, bool>(8).then(|| "DEFAULT".to_owned()),
            is_read_only: row.get(9),
            is_compared: false,
            name: name.into(),
        };
        let columns = self.columns.entry(row.get(0)).or_default();
        columns.push(Numbered { number: row.get(2), column, is_exact });
    }

    fn index(&mut self, row: &Row) {
        let (table, is_key, number): (i64, bool, i32) = (row.get(0), row.get(1), row.get(2));
        if is_key {
            self.keys.entry(table).or_default().push(number);
            let (whole, name): (i64, String) = (row.get(4), row.get(5));
            self.key_constraints.entry(whole).or_default().insert(name.into());
        }
        self.compare(table, row.get(3));
    }

    fn constraint(&mut self, row: &Row) {
        let (table, name, number): (i64, String, i32) = (row.get(0), row.get(1), row.get(2));
        if row.get(3) {
            self.compare(table, number);
        }
        if row.get(4) {
            self.constraints.entry(table).or_default().push((name.into(), number));
        }
    }

    /// What has no number may be any column.
    fn compare(&mut self, table: i64, number: i32) {
        for Numbered { number: of, column, .. } in self.columns.entry(table).or_default() {
            column.is_compared |= number == 0 || *of == number;
        }
    }

    fn table(&mut self, row: &Row) -> Table {
        let oid: i64 = row.get(0);
        let (name, schema): (String, String) = (row.get(1), row.get(2));
        let is_view: bool = row.get(3);
        let mut columns = self.columns.remove(&oid).unwrap_or_default();
        let at = |number: &i32| columns.iter().position(|column| column.number == *number);
        let key: Vec<usize> = self.keys.remove(&oid).iter().flatten().filter_map(at).collect();
        let constraints = self.constraints.remove(&oid).unwrap_or_default().into_iter();
        let constraints = constraints.filter_map(|(name, number)| Some((name, at(&number)?)));
        let constraints = constraints.collect();
        // What names a row has one form, and that is not the one of JSON.
        for &at in &key {
            columns[at].column.tell_arrays_as_text();
        }
        let has_far_effects = row.get(6);
        let (has_heirs, has_rules): (bool, bool) = (row.get(4), row.get(5));
        let quoted = format!("{}.{}", quote(&schema), quote(&name));
        let is_bytes = |&at: &usize| columns[at].column.kind == ColumnKind::Bytes;
        let read_only = match () {
            () if is_view => Some("it is a view"),
            () if has_rules => Some("its changes are rewritten by rules of the database"),
            () if key.iter().any(is_bytes) => {
                Some("bytes are part of its key, and can't be written in a URL")
            }
            () => None,
        };
        Table {
            rows: if has_heirs { format!("ONLY {quoted}") } else { quoted.clone() },
            quoted,
            kind: if is_view { TableKind::View } else { TableKind::Table },
            has_exact_key: key.iter().all(|&at| columns[at].is_exact),
            has_loose_key: false,
            columns: columns.into_iter().map(|numbered| numbered.column).collect(),
            key,
            read_only,
            has_far_effects,
            is_single: has_far_effects || row.get(7),
            // They are set immediate.
            is_deferred: false,
            key_constraints: self.key_constraints.remove(&oid).unwrap_or_default(),
            constraints,
            references: Vec::new(),
            name: name.into(),
        }
    }
}

fn kind(base: &str, is_array: bool) -> ColumnKind {
    let integer = |min, max| ColumnKind::Integer { min, max };
    match base {
        "int2" => integer(i16::MIN.into(), i16::MAX.into()),
        "int4" => integer(i32::MIN.into(), i32::MAX.into()),
        "int8" => ColumnKind::INTEGER,
        "oid" => integer(0, u32::MAX.into()),
        "float4" | "float8" => ColumnKind::Real { has_nan: true },
        "numeric" => ColumnKind::Decimal { digits_max: None },
        "bool" => ColumnKind::Boolean,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnKind::Text,
        "bytea" => ColumnKind::Bytes,
        "json" | "jsonb" => ColumnKind::Json,
        _ if is_array => ColumnKind::Array,
        _ => ColumnKind::Other,
    }
}

impl Column {
    fn tell_arrays_as_text(&mut self) {
        if self.kind == ColumnKind::Array {
            self.kind = ColumnKind::Other;
            self.output = output(self.kind, "", &self.quoted);
        }
    }
}

/// What is selected to read a column. Times are told as JSON tells them, which is ISO 8601; and
/// addresses, without the length of a prefix that is none.
fn output(kind: ColumnKind, base: &str, quoted: &str) -> String {
    let quoted = format!("t.{quoted}");
    match kind {
        ColumnKind::Integer { .. } => format!("{quoted}::int8"),
        ColumnKind::Boolean => format!("{quoted}::int4::int8"),
        ColumnKind::Bytes => format!("{quoted}::bytea"),
        ColumnKind::Array => format!("array_to_json({quoted})::text"),
        _ if matches!(base, "timestamp" | "timestamptz" | "inet") => {
            format!("to_json({quoted}) #>> '{{}}'")
        }
        _ => format!("{quoted}::text"),
    }
}

/// Reads what [`output`] selects.
pub(super) fn read(row: &Row, at: usize, kind: ColumnKind) -> Result<Datum, SqlError> {
    Ok(match kind {
        ColumnKind::Integer { .. } | ColumnKind::Boolean => {
            row.try_get::<_, Option<i64>>(at)?.map_or(Datum::Null, Datum::Integer)
        }
        ColumnKind::Bytes => {
            row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Datum::Null, Datum::Bytes)
        }
        ColumnKind::Real { .. } => match row.try_get::<_, Option<&str>>(at)? {
            Some(text) => text.parse().map_or_else(|_| Datum::Text(text.to_owned()), Datum::Real),
            None => Datum::Null,
        },
        _ => row.try_get::<_, Option<String>>(at)?.map_or(Datum::Null, Datum::Text),
    })
}
