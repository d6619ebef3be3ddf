//! The tables that a store under test has.

use crate::schema::{Access, Column, Minimum, Origin, Table, Type};

/// The tables that a store under test has, and no others; all are empty.
///
/// For a database, in the words of SQLite; elsewhere `id` is an identity `BY DEFAULT` and `data` is
/// of the type of bytes:
///
/// ```sql
/// CREATE TABLE item (
///     id INTEGER PRIMARY KEY,
///     name text NOT NULL UNIQUE,
///     qty bigint NOT NULL DEFAULT 1 CONSTRAINT item_qty CHECK (qty >= 0),
///     note text,
///     data blob
/// );
/// CREATE TABLE part (
///     kind text NOT NULL,
///     no bigint NOT NULL,
///     item bigint REFERENCES item,
///     label text,
///     PRIMARY KEY (kind, no)
/// );
/// CREATE TABLE word (word text NOT NULL PRIMARY KEY);
/// CREATE VIEW ro AS SELECT word FROM word WHERE false;
/// ```
///
/// `ro` may as well be a table that clients can't change.
pub const SCHEMA: &[Table] = &[
    Table { name: "item", columns: ITEM, key: &["id"], access: Access::Write, rows: &[] },
    Table { name: "part", columns: PART, key: &["kind", "no"], access: Access::Write, rows: &[] },
    Table { name: "word", columns: WORD, key: &["word"], access: Access::Write, rows: &[] },
    Table { name: "ro", columns: WORD, key: &["word"], access: Access::Read, rows: &[] },
];

const ITEM: &[Column] = &[
    Column { origin: Origin::Either, ..Column::new("id", Type::Integer) },
    Column { unique: true, ..Column::new("name", Type::Text) },
    Column {
        default: Some("1"),
        minimum: Some(Minimum { constraint: "item_qty", least: 0 }),
        ..Column::new("qty", Type::Integer)
    },
    Column::nullable("note", Type::Text),
    Column::nullable("data", Type::Bytes),
];

const PART: &[Column] = &[
    Column::new("kind", Type::Text),
    Column::new("no", Type::Integer),
    Column { references: Some("item"), ..Column::nullable("item", Type::Integer) },
    Column::nullable("label", Type::Text),
];

const WORD: &[Column] = &[Column::new("word", Type::Text)];
