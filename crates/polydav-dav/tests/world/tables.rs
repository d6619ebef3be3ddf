//! The tables that the tests of records are about.

use polydav_store::schema::{Access, Column, Minimum, Origin, Table, Type};

const ID: Column = Column { origin: Origin::Either, ..Column::new("id", Type::Integer) };

/// Two people, an order of the first, keys of all kinds, and a view.
pub const TABLES: &[Table] = &[
    Table {
        name: "person",
        columns: &[
            ID,
            Column { unique: true, ..Column::new("name", Type::Text) },
            Column {
                minimum: Some(Minimum { constraint: "person_age", least: 0 }),
                ..Column::nullable("age", Type::Integer)
            },
            Column { default: Some("true"), ..Column::nullable("active", Type::Boolean) },
            Column::nullable("photo", Type::Bytes),
        ],
        key: &["id"],
        access: Access::Write,
        rows: &[&["1", "Ada", "36", "true", "AP8="], &["2", "Bob", "7", "false", ""]],
    },
    Table {
        name: "order",
        columns: &[
            ID,
            Column { references: Some("person"), ..Column::new("buyer", Type::Integer) },
            Column::nullable("first note", Type::Text),
        ],
        key: &["id"],
        access: Access::Write,
        rows: &[&["1", "1", "a, \"b\"\r\nc"]],
    },
    Table {
        name: "odd",
        columns: &[
            Column::new("key", Type::Text),
            Column::nullable("", Type::Text),
            Column::nullable("_x0041_", Type::Text),
        ],
        key: &["key"],
        access: Access::Write,
        rows: &[],
    },
    Table {
        name: "pair",
        columns: &[Column::new("a", Type::Text), Column::new("b", Type::Integer)],
        key: &["a", "b"],
        access: Access::Write,
        rows: &[&["x", "1"], &["x", "2"]],
    },
    Table {
        name: "fixed",
        columns: &[Column::new("a", Type::Text)],
        key: &["a"],
        access: Access::Read,
        rows: &[&["x"]],
    },
];
