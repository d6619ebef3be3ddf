//! `MemoryRecords`: a store of records that lasts as long as the process, and the model others are
//! held against.
//!
//! It is written to be obviously right, not to be fast. What it does, every store of records does:
//!
//! # What there is
//!
//! The root is a collection of tables, a table one of rows, and a row is a file; under a row lies
//! nothing. All of them are records, and nobody knows their times. The name of a row is its key as
//! [`key`] spells it, with numbers as JSON has them: `042` names nothing.
//!
//! The content of a row is a JSON object with a member for each column, in their order, without
//! spaces: numbers, strings, booleans, null; bytes as strings of their base64. Its entity tag comes
//! from that content: equal content, equal tag.
//!
//! # What is refused
//!
//! Of several reasons to refuse a step, the first of these is told. What [`Step::open`] finds comes
//! before all of them.
//!
//! | action | reasons, in order |
//! |---|---|
//! | put | [`IsCollection`] at a table, [`Forbidden`] beside the tables; [`ParentMissing`] under a row; [`Unsuited`] if it gives no columns; [`NotFound`], with the path of the table; [`ReadOnly`]; [`Invalid`] if the name can't be a key; columns |
//! | add | [`NotFound`]; [`Unsuited`] to the root or a row; [`ReadOnly`]; columns |
//! | update | [`NotFound`]; [`Unsuited`] at the root or a table; [`ReadOnly`]; columns |
//! | remove | [`NotFound`]; [`Forbidden`] at a table; [`ReadOnly`]; [`Conflict`] if another row refers to it |
//! | make a collection | [`Exists`]; [`Unsupported`] |
//! | copy, move | [`NotFound`], of the source; [`Unsupported`], with the source |
//! | patch | [`NotFound`]; [`Unsupported`], unless there is no change |
//!
//! Columns: first the given ones, one after the other: it is unknown, [`Invalid`]; nobody may give
//! it, [`ReadOnly`]; the value isn't of its type, [`Invalid`]; it is of the key, and the row has
//! another key, [`Invalid`]. Then what the row would be, in the order of the columns: one lacks a
//! value, [`Invalid`]; a check fails, [`Invalid`]; the key is taken, [`Conflict`]; a unique value
//! is taken, [`Conflict`]; no row is referred to, [`Conflict`]. The failure tells the column; for a
//! key of several that is taken, none.
//!
//! A put says what the whole row is: a column that isn't given gets what it has in a new row. An
//! update changes the given columns. An addition may leave a number to the store.
//!
//! [`Conflict`]: FailureKind::Conflict
//! [`Exists`]: FailureKind::Exists
//! [`Forbidden`]: FailureKind::Forbidden
//! [`Invalid`]: FailureKind::Invalid
//! [`IsCollection`]: FailureKind::IsCollection
//! [`NotFound`]: FailureKind::NotFound
//! [`ParentMissing`]: FailureKind::ParentMissing
//! [`ReadOnly`]: FailureKind::ReadOnly
//! [`Unsuited`]: FailureKind::Unsuited
//! [`Unsupported`]: FailureKind::Unsupported

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::datum::{Datum, json_string};
use crate::guard::View;
use crate::key;
use crate::memory::{MemoryContent, apply_to};
use crate::run::{Done, Outcome, Report, Run};
use crate::schema::{Access, Column, Origin, Table, Type};
use crate::step::{Action, Content, Permit, Step};
use crate::store::{Broken, Capabilities, Reading, Space, Stage, Store, Visit, Walk, WalkDepth};
use crate::{
    Added, ETag, Entry, Failure, FailureKind, Field, Fields, Kind, Listed, LockView, Page,
    ResourcePath, Select,
};

/// A store of records in memory: tables, and their rows. Each step is its own commit.
#[derive(Debug)]
pub struct MemoryRecords {
    tables: Mutex<Tables>,
}

impl MemoryRecords {
    /// A store of these tables.
    ///
    /// # Panics
    /// If they name columns or tables that they don't have, or have rows that may not be.
    pub fn new(tables: &'static [Table]) -> Self {
        let rows =
            |table: &'static Table| (table.name.as_bytes(), Rows { table, rows: BTreeMap::new() });
        let mut all = Tables(tables.iter().map(rows).collect());
        tables.iter().for_each(|table| all.fill(table));
        Self { tables: Mutex::new(all) }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryRecords {
    fn capabilities(&self, _: &ResourcePath) -> Capabilities {
        Capabilities::RECORDS
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        Ok(self.tables().find(path)?.entry(path, select))
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        // Collected before, so that `visit` may ask the store.
        let visits = self.tables().walk(root, walk)?;
        let _ = visits.into_iter().try_for_each(visit);
        Ok(())
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        let tables = self.tables();
        let place = tables.find(path)?;
        let Place::Row(rows, key) = &place else {
            return fail(FailureKind::IsCollection, path);
        };
        let content = Arc::new(MemoryContent(rows.content(&rows.rows[key])));
        Ok(Reading { entry: place.entry(path, &Select::None), content })
    }

    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let listed = self.tables().list(collection, page)?;
        let _ = listed.into_iter().try_for_each(visit);
        Ok(())
    }

    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        self.tables().find_table(collection)?.locate(collection, record)
    }

    fn stage(&self, target: &ResourcePath, _: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        fail(FailureKind::Unsupported, target)
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        let is_gone = |tables: &Tables, path: &ResourcePath| tables.place(path).is_none();
        apply_to(&self.tables, run, (locks, is_gone), report, Tables::perform);
        Ok(())
    }

    fn space(&self, _: &ResourcePath) -> Result<Option<Space>, Failure> {
        Ok(None)
    }

    /// Another one that holds the same.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        Ok(Arc::new(Self { tables: Mutex::new(self.tables().clone()) }))
    }
}

/// All tables, by name.
#[derive(Debug, Clone)]
struct Tables(BTreeMap<&'static [u8], Rows>);

/// The values of the columns of a key, in its order.
type Key = Vec<Datum>;

/// The values of all columns, in their order.
type Row = Vec<Datum>;

/// A table, and its rows by their keys.
#[derive(Debug, Clone)]
struct Rows {
    table: &'static Table,
    rows: BTreeMap<Key, Row>,
}

/// What lies at a path.
enum Place<'a> {
    Root,
    Table(&'a Rows),
    Row(&'a Rows, Key),
}

impl Place<'_> {
    fn entry(&self, path: &ResourcePath, select: &Select) -> Entry {
        let collection = Entry {
            path: path.clone(),
            kind: Kind::Collection,
            length: 0,
            modified: None,
            created: None,
            etag: None,
            link: false,
            record: true,
            properties: Vec::new(),
            columns: Vec::new(),
        };
        let Self::Row(rows, key) = self else { return collection };
        let row = &rows.rows[key];
        let content = rows.content(row);
        let column = |(column, datum): (&Column, &Datum)| {
            select.pick_column(&column.name.into(), || datum.value())
        };
        Entry {
            kind: Kind::File,
            length: content.len() as u64,
            etag: Some(etag(&content)),
            columns: rows.table.columns.iter().zip(row).filter_map(column).collect(),
            ..collection
        }
    }
}

/// Looking.
impl Tables {
    fn find(&self, path: &ResourcePath) -> Result<Place<'_>, Failure> {
        match self.place(path) {
            Some(place) => Ok(place),
            None => fail(FailureKind::NotFound, path),
        }
    }

    fn place(&self, path: &ResourcePath) -> Option<Place<'_>> {
        let segments: Vec<_> = path.segments().collect();
        match segments[..] {
            [] => Some(Place::Root),
            [table] => self.0.get(table).map(Place::Table),
            [table, name] => {
                let rows = self.0.get(table)?;
                let key = rows.key(name).filter(|key| rows.rows.contains_key(key))?;
                Some(Place::Row(rows, key))
            }
            _ => None,
        }
    }

    fn find_table(&self, path: &ResourcePath) -> Result<&Rows, Failure> {
        match self.find(path)? {
            Place::Table(rows) => Ok(rows),
            Place::Root | Place::Row(..) => fail(FailureKind::Unsuited, path),
        }
    }

    fn walk(&self, root: &ResourcePath, walk: &Walk) -> Result<Vec<Visit>, Failure> {
        let mut visits = Vec::new();
        match self.find(root)? {
            Place::Root => {
                for (name, rows) in &self.0 {
                    let path = member(root, name);
                    let entry = Place::Table(rows).entry(&path, &walk.select);
                    match walk.depth {
                        WalkDepth::Infinity { budget } if visits.len() as u64 >= budget => {
                            visits.push(Visit::Cut(entry));
                        }
                        WalkDepth::Infinity { .. } => {
                            visits.push(Visit::Entry(entry));
                            visits.extend(rows.walk(&path, &walk.select));
                        }
                        WalkDepth::One => visits.push(Visit::Entry(entry)),
                    }
                }
            }
            Place::Table(rows) => visits.extend(rows.walk(root, &walk.select)),
            Place::Row(..) => {}
        }
        Ok(visits)
    }

    fn list(&self, collection: &ResourcePath, page: &Page) -> Result<Vec<Listed>, Failure> {
        match self.find(collection)? {
            Place::Root => Ok(self.list_tables()),
            Place::Table(rows) => rows.list(collection, page),
            Place::Row(..) => fail(FailureKind::Unsuited, collection),
        }
    }

    /// Of the page nothing is asked: no table is a record.
    fn list_tables(&self) -> Vec<Listed> {
        let columns = ["table", "kind", "key", "columns"].map(Arc::from).to_vec();
        let tables = self.0.values().map(|rows| Listed::Record(rows.described().into()));
        std::iter::once(Listed::Head { columns, next: None }).chain(tables).collect()
    }
}

/// One table.
impl Rows {
    fn columns_of_key(&self) -> impl Iterator<Item = usize> {
        let is_named = |name: &&str| {
            let at = self.table.columns.iter().position(|column| column.name == *name);
            at.expect("a key is made of columns")
        };
        self.table.key.iter().map(is_named)
    }

    /// The key that is spelled so.
    fn key(&self, segment: &[u8]) -> Option<Key> {
        let parts = key::read(segment, self.table.key.len())?;
        let datum = |(at, part): (usize, Cow<'_, str>)| {
            let datum = Datum::parse(self.table.columns[at].kind, &part).ok()?;
            (datum.text() == part).then_some(datum)
        };
        self.columns_of_key().zip(parts).map(datum).collect()
    }

    fn key_of(&self, row: &Row) -> Key {
        self.columns_of_key().map(|at| row[at].clone()).collect()
    }

    fn walk(&self, path: &ResourcePath, select: &Select) -> impl Iterator<Item = Visit> {
        self.rows.keys().map(|key| {
            let place = Place::Row(self, key.clone());
            Visit::Entry(place.entry(&member(path, spelled(key).as_bytes()), select))
        })
    }

    fn content(&self, row: &Row) -> Bytes {
        let pair = |(column, datum): (&Column, &Datum)| {
            format!("{}:{}", json_string(column.name), datum.json())
        };
        let pairs: Vec<_> = self.table.columns.iter().zip(row).map(pair).collect();
        format!("{{{}}}", pairs.join(",")).into()
    }

    fn list(&self, path: &ResourcePath, page: &Page) -> Result<Vec<Listed>, Failure> {
        let after = match page.after.as_deref().map(|after| self.key(after.as_bytes())) {
            Some(None) => {
                return Err(refused(path, "no record is named like the one to go on after"));
            }
            after => after.flatten(),
        };
        let filter = page.filter.iter().map(|field| self.read(path, field));
        let filter: Vec<_> = filter.collect::<Result<_, _>>()?;
        let mut matching = self.rows.iter().filter(|(key, row)| {
            after.as_ref().is_none_or(|after| *key > after)
                && filter.iter().all(|(at, datum)| row[*at] == *datum)
        });
        let limit = page.limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
        let told: Vec<_> = matching.by_ref().take(limit).collect();
        let next = matching.next().and(told.last()).map(|(key, _)| spelled(key));
        let columns = self.table.columns.iter().map(|column| column.name.into()).collect();
        let records = told.into_iter().map(|(_, row)| Listed::Record(self.content(row)));
        Ok(std::iter::once(Listed::Head { columns, next }).chain(records).collect())
    }

    /// Fields that aren't of the key aren't looked at.
    fn locate(&self, path: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        let mut key = Key::new();
        for at in self.columns_of_key() {
            let name = self.table.columns[at].name;
            let field = record.iter().find(|field| *field.name == *name);
            match field.map(|field| self.read(path, field)).transpose()? {
                None | Some((_, Datum::Null)) => return Err(self.lacks_value(path, at)),
                Some((_, datum)) => key.push(datum),
            }
        }
        Ok(member(path, spelled(&key).as_bytes()))
    }

    /// What the table is, as JSON.
    fn described(&self) -> String {
        let Table { name, columns, key, access, .. } = self.table;
        let kind = if *access == Access::Write { "table" } else { "view" };
        let key: Vec<_> = key.iter().map(|name| json_string(name)).collect();
        let column = |column: &Column| {
            format!(
                r#"{{"name":{},"type":"{}","nullable":{},"readOnly":{}}}"#,
                json_string(column.name),
                type_name(column.kind),
                column.nullable,
                *access == Access::Read || column.origin == Origin::Store,
            )
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        let (name, key, columns) = (json_string(name), key.join(","), columns.join(","));
        format!(r#"{{"table":{name},"kind":"{kind}","key":[{key}],"columns":[{columns}]}}"#)
    }
}

/// Changing.
impl Tables {
    fn perform(&mut self, step: Step, locks: &dyn LockView) -> Outcome {
        // Nothing lies under a row: there is nothing to leave alone.
        let Permit { action, .. } = step.open(&Live { tables: self, locks })?;
        match action {
            Action::Put { target, content, .. } => self.put(&target, content),
            Action::Add { collection, record, .. } => self.add(&collection, &record),
            Action::Update { target, record } => self.update(&target, &record),
            Action::Remove { target } => self.remove(&target),
            Action::MakeCollection { target } => match self.place(&target) {
                Some(_) => fail(FailureKind::Exists, &target),
                None => fail(FailureKind::Unsupported, &target),
            },
            Action::Copy { source, .. } | Action::Rename { source, .. } => {
                self.find(&source)?;
                fail(FailureKind::Unsupported, &source)
            }
            Action::Patch { target, changes } => {
                self.find(&target)?;
                if changes.is_empty() {
                    return Ok(Done::default());
                }
                fail(FailureKind::Unsupported, &target)
            }
        }
    }

    fn put(&mut self, target: &ResourcePath, content: Content) -> Outcome {
        let (Some(parent), Some(name)) = (target.parent(), target.name()) else {
            return fail(FailureKind::IsCollection, target);
        };
        match (parent.segments().count(), self.place(target)) {
            (0, Some(_)) => return fail(FailureKind::IsCollection, target),
            (0, None) => return fail(FailureKind::Forbidden, target),
            (1, _) => {}
            _ => return fail(FailureKind::ParentMissing, &parent),
        }
        let Content::Record(record) = content else {
            return fail(FailureKind::Unsuited, target);
        };
        let rows = self.find_table(&parent)?;
        rows.check_access(target)?;
        let Some(key) = rows.key(name) else {
            return Err(refused(target, "the table can't have a key that is spelled so"));
        };
        let given = rows.given(target, &record, Some(&key))?;
        let mut row = rows.blank();
        rows.columns_of_key().zip(&key).for_each(|(at, datum)| row[at] = datum.clone());
        given.into_iter().for_each(|(at, datum)| row[at] = datum);
        self.check(target, rows, &row, Some(&key))?;
        Ok(self.keep(rows.table, row))
    }

    fn add(&mut self, collection: &ResourcePath, record: &Fields) -> Outcome {
        let rows = self.find_table(collection)?;
        rows.check_access(collection)?;
        let given = rows.given(collection, record, None)?;
        let mut row = rows.blank();
        for (at, column) in rows.table.columns.iter().enumerate() {
            if column.origin == Origin::Either && !given.iter().any(|(of, _)| *of == at) {
                row[at] = rows.next_number(collection, at)?;
            }
        }
        given.into_iter().for_each(|(at, datum)| row[at] = datum);
        self.check(collection, rows, &row, None)?;
        let key = rows.key_of(&row);
        let added = Added {
            path: member(collection, spelled(&key).as_bytes()),
            key: if let [datum] = &key[..] { Some(datum.value()) } else { None },
        };
        Ok(Done { added: Some(added), ..self.keep(rows.table, row) })
    }

    fn update(&mut self, target: &ResourcePath, record: &Fields) -> Outcome {
        let Place::Row(rows, key) = self.find(target)? else {
            return fail(FailureKind::Unsuited, target);
        };
        rows.check_access(target)?;
        let given = rows.given(target, record, Some(&key))?;
        let mut row = rows.rows[&key].clone();
        given.into_iter().for_each(|(at, datum)| row[at] = datum);
        self.check(target, rows, &row, Some(&key))?;
        Ok(self.keep(rows.table, row))
    }

    fn remove(&mut self, target: &ResourcePath) -> Outcome {
        let Place::Row(rows, key) = self.find(target)? else {
            return fail(FailureKind::Forbidden, target);
        };
        rows.check_access(target)?;
        for other in self.0.values() {
            for (at, column) in other.table.columns.iter().enumerate() {
                let refers = |(of, row): (&Key, &Row)| {
                    let is_itself = *of == key && other.table.name == rows.table.name;
                    !is_itself && row[at..=at] == key[..]
                };
                if column.references == Some(rows.table.name) && other.rows.iter().any(refers) {
                    let (table, column) = (other.table.name, column.name);
                    let detail =
                        format!("the column {column:?} of a row of {table:?} refers to it");
                    return Err(refused_for(FailureKind::Conflict, target, detail));
                }
            }
        }
        self.rows_of(rows.table).remove(&key);
        Ok(Done::default())
    }

    /// Makes this row one of the table's.
    fn keep(&mut self, table: &'static Table, row: Row) -> Done {
        let rows = &self.0[table.name.as_bytes()];
        let (key, etag) = (rows.key_of(&row), etag(&rows.content(&row)));
        let before = self.rows_of(table).insert(key, row);
        Done { created: before.is_none(), etag: Some(etag), ..Done::default() }
    }

    fn rows_of(&mut self, table: &'static Table) -> &mut BTreeMap<Key, Row> {
        &mut self.0.get_mut(table.name.as_bytes()).expect("tables stay").rows
    }

    /// Puts the rows there that the table has at first.
    fn fill(&mut self, table: &'static Table) {
        let path = member(&ResourcePath::root(), table.name.as_bytes());
        for texts in table.rows {
            let parse = |(column, text): (&Column, &&str)| Datum::parse(column.kind, text);
            let row: Result<Row, _> = table.columns.iter().zip(*texts).map(parse).collect();
            let row = row.expect("a value of a first row is of its column's type");
            let checked = self.check(&path, &self.0[table.name.as_bytes()], &row, None);
            checked.expect("a first row may be there");
            self.keep(table, row);
        }
    }
}

/// What rows may be.
impl Tables {
    /// Whether `row` may be one of the table's. `own` is the key of the row that it replaces, if
    /// that is there; `None` if it replaces none.
    fn check(
        &self,
        path: &ResourcePath,
        rows: &Rows,
        row: &Row,
        own: Option<&Key>,
    ) -> Result<(), Failure> {
        rows.check_values(path, row)?;
        rows.check_taken(path, row, own)?;
        self.check_references(path, rows, row)
    }

    fn check_references(&self, path: &ResourcePath, rows: &Rows, row: &Row) -> Result<(), Failure> {
        for (at, column, datum) in rows.columns(row) {
            let Some(table) = column.references else { continue };
            let is_itself = table == rows.table.name && rows.key_of(row)[..] == row[at..=at];
            let is_there = || self.0[table.as_bytes()].rows.contains_key(&row[at..=at]);
            if *datum != Datum::Null && !is_itself && !is_there() {
                let constraint = format!("{}_{}_fkey", rows.table.name, column.name);
                let detail = format!("no row of {table:?} has this key ({constraint})");
                return Err(rows.at_fault(FailureKind::Conflict, path, at, &detail));
            }
        }
        Ok(())
    }
}

impl Rows {
    fn columns<'a>(
        &self,
        row: &'a Row,
    ) -> impl Iterator<Item = (usize, &'static Column, &'a Datum)> {
        let columns = self.table.columns.iter().zip(row).enumerate();
        columns.map(|(at, (column, datum))| (at, column, datum))
    }

    /// Whether each column has a value that it may have.
    fn check_values(&self, path: &ResourcePath, row: &Row) -> Result<(), Failure> {
        for (at, column, datum) in self.columns(row) {
            let is_key = self.table.key.contains(&column.name);
            if *datum == Datum::Null && (is_key || !column.nullable) {
                return Err(self.lacks_value(path, at));
            }
        }
        for (at, column, datum) in self.columns(row) {
            if let (Some(minimum), Datum::Integer(number)) = (&column.minimum, datum)
                && *number < minimum.least
            {
                let detail = format!("it is less than {} ({})", minimum.least, minimum.constraint);
                return Err(self.at_fault(FailureKind::Invalid, path, at, &detail));
            }
        }
        Ok(())
    }

    /// Whether no other row has its key or one of its unique values.
    fn check_taken(
        &self,
        path: &ResourcePath,
        row: &Row,
        own: Option<&Key>,
    ) -> Result<(), Failure> {
        if own.is_none() && self.rows.contains_key(&self.key_of(row)) {
            return Err(self.key_is_taken(path));
        }
        for (at, column, datum) in self.columns(row) {
            let mut others = self.rows.iter().filter(|(key, _)| own != Some(key));
            let is_unique = column.unique && *datum != Datum::Null;
            if is_unique && others.any(|(_, other)| other[at] == *datum) {
                let constraint = format!("{}_{}_key", self.table.name, column.name);
                let detail = format!("another row has it ({constraint})");
                return Err(self.at_fault(FailureKind::Conflict, path, at, &detail));
            }
        }
        Ok(())
    }
}

/// What columns may be given, and what they are without.
impl Rows {
    fn check_access(&self, path: &ResourcePath) -> Result<(), Failure> {
        match self.table.access {
            Access::Write => Ok(()),
            Access::Read => fail(FailureKind::ReadOnly, path),
        }
    }

    /// The columns that a client gives, and their values; `own` is the key of their row, where it
    /// is known already.
    fn given(
        &self,
        path: &ResourcePath,
        record: &Fields,
        own: Option<&Key>,
    ) -> Result<Vec<(usize, Datum)>, Failure> {
        let given = record.iter().map(|field| {
            let at = self.column(path, field)?;
            if self.table.columns[at].origin == Origin::Store {
                return Err(self.at_fault(
                    FailureKind::ReadOnly,
                    path,
                    at,
                    "only the store gives it",
                ));
            }
            let (_, datum) = self.read(path, field)?;
            let part = self.columns_of_key().position(|of| of == at);
            if let (Some(own), Some(part)) = (own, part)
                && own[part] != datum
            {
                let detail = "the name of the row says another value";
                return Err(self.at_fault(FailureKind::Invalid, path, at, detail));
            }
            Ok((at, datum))
        });
        given.collect()
    }

    fn column(&self, path: &ResourcePath, field: &Field) -> Result<usize, Failure> {
        let is_named = |column: &Column| *field.name == *column.name;
        self.table.columns.iter().position(is_named).ok_or_else(|| {
            let detail = format!("the table has no column {:?}", field.name);
            refused(path, detail).with_column(&*field.name)
        })
    }

    fn read(&self, path: &ResourcePath, field: &Field) -> Result<(usize, Datum), Failure> {
        let at = self.column(path, field)?;
        match Datum::read(self.table.columns[at].kind, &field.value) {
            Ok(datum) => Ok((at, datum)),
            Err(unfit) => {
                Err(self.at_fault(FailureKind::Invalid, path, at, &format!("the value {unfit}")))
            }
        }
    }

    /// A new row of which nothing is given.
    fn blank(&self) -> Row {
        let datum = |column: &Column| match column.default {
            Some(text) => Datum::parse(column.kind, text).expect("a default is of its type"),
            None => Datum::Null,
        };
        self.table.columns.iter().map(datum).collect()
    }

    fn next_number(&self, path: &ResourcePath, at: usize) -> Result<Datum, Failure> {
        let last = self.rows.values().map(|row| row[at].clone()).max();
        let last = if let Some(Datum::Integer(last)) = last { last.max(0) } else { 0 };
        match last.checked_add(1) {
            Some(next) => Ok(Datum::Integer(next)),
            None => fail(FailureKind::Exhausted, path),
        }
    }

    fn lacks_value(&self, path: &ResourcePath, at: usize) -> Failure {
        self.at_fault(FailureKind::Invalid, path, at, "it must have a value")
    }

    fn key_is_taken(&self, path: &ResourcePath) -> Failure {
        let detail = format!("another row has this key ({}_pkey)", self.table.name);
        match self.columns_of_key().collect::<Vec<_>>()[..] {
            [at] => self.at_fault(FailureKind::Conflict, path, at, &detail),
            _ => refused_for(FailureKind::Conflict, path, detail),
        }
    }

    fn at_fault(&self, kind: FailureKind, path: &ResourcePath, at: usize, why: &str) -> Failure {
        let name = self.table.columns[at].name;
        refused_for(kind, path, format!("the column {name:?}: {why}")).with_column(name)
    }
}

/// What steps are opened against.
struct Live<'a> {
    tables: &'a Tables,
    locks: &'a dyn LockView,
}

impl View for Live<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        Ok(self.tables.place(path).map(|place| place.entry(path, &Select::None)))
    }

    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}

fn fail<T>(kind: FailureKind, path: &ResourcePath) -> Result<T, Failure> {
    Err(Failure::new(kind, path.clone()))
}

fn refused_for(kind: FailureKind, path: &ResourcePath, detail: impl Into<Box<str>>) -> Failure {
    Failure::new(kind, path.clone()).with_detail(detail)
}

fn refused(path: &ResourcePath, detail: impl Into<Box<str>>) -> Failure {
    refused_for(FailureKind::Invalid, path, detail)
}

fn member(collection: &ResourcePath, name: &[u8]) -> ResourcePath {
    collection.join(name).expect("names of tables and rows are segments")
}

fn spelled(key: &Key) -> String {
    key::write(key.iter().map(Datum::text))
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Integer => "integer",
        Type::Text => "text",
        Type::Bytes => "bytes",
        Type::Boolean => "boolean",
    }
}

/// Twice 64 bits of it, so that no two contents are told to be equal by chance.
fn etag(content: &Bytes) -> ETag {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, content).hash(&mut hasher);
        hasher.finish()
    };
    ETag::new(format!("{:016x}{:016x}", half(0), half(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::{
        add, apply, fields, found, given, put_record, remove, run, tell, text, update,
    };
    use crate::schema::Minimum;
    use crate::{NoLocks, Value};

    const TABLES: &[Table] = &[
        Table {
            name: "item",
            columns: &[
                Column { origin: Origin::Either, ..Column::new("id", Type::Integer) },
                Column { unique: true, ..Column::new("name", Type::Text) },
                Column {
                    default: Some("1"),
                    minimum: Some(Minimum { constraint: "item_qty", least: 0 }),
                    ..Column::new("qty", Type::Integer)
                },
                Column { default: Some("true"), ..Column::nullable("on", Type::Boolean) },
                Column { references: Some("item"), ..Column::nullable("of", Type::Integer) },
                Column {
                    origin: Origin::Store,
                    default: Some("AP8="),
                    ..Column::new("data", Type::Bytes)
                },
            ],
            key: &["id"],
            access: Access::Write,
            rows: &[],
        },
        Table {
            name: "fixed",
            columns: &[Column::new("a", Type::Text), Column::new("b", Type::Integer)],
            key: &["b", "a"],
            access: Access::Read,
            rows: &[&["x", "10"], &["y", "9"], &["..", "9"]],
        },
    ];

    fn path(joined: &str) -> ResourcePath {
        crate::kit::path(joined)
    }

    fn item(id: i64, name: &str) -> crate::kit::Draft {
        put_record(format!("item/{id}"), [("name", text(name))])
    }

    fn listed(store: &MemoryRecords, collection: &str) -> Vec<String> {
        let mut all = Vec::new();
        let listed = store.list(&path(collection), &Page::default(), &mut |listed| {
            all.push(match listed {
                Listed::Head { columns, next } => format!("{} {next:?}", columns.join(" ")),
                Listed::Record(json) => String::from_utf8(json.to_vec()).unwrap(),
            });
            ControlFlow::Continue(())
        });
        listed.unwrap();
        all
    }

    #[test]
    fn rows_are_json_objects_and_columns() {
        let store = MemoryRecords::new(TABLES);
        given(&store, [item(5, "a\"\n")]);
        let row = r#"{"id":5,"name":"a\"\n","qty":1,"on":true,"of":null,"data":"AP8="}"#;
        assert_eq!(listed(&store, "item"), ["id name qty on of data None", row]);
        let read = store.read(&path("item/5")).unwrap();
        let entry = found(&store, "item/5");
        assert_eq!(read.entry, Entry { columns: Vec::new(), ..entry.clone() });
        assert_eq!(entry.length, row.len() as u64);
        let values: Vec<_> = entry.columns.into_iter().map(|field| field.value).collect();
        let data = Value::Bytes(Bytes::from_static(b"\0\xff"));
        assert_eq!(values, [text("5"), text("a\"\n"), text("1"), text("true"), Value::Null, data]);
    }

    #[test]
    fn tables_are_described() {
        let item = [
            r#"{"table":"item","kind":"table","key":["id"],"columns":["#,
            r#"{"name":"id","type":"integer","nullable":false,"readOnly":false},"#,
            r#"{"name":"name","type":"text","nullable":false,"readOnly":false},"#,
            r#"{"name":"qty","type":"integer","nullable":false,"readOnly":false},"#,
            r#"{"name":"on","type":"boolean","nullable":true,"readOnly":false},"#,
            r#"{"name":"of","type":"integer","nullable":true,"readOnly":false},"#,
            r#"{"name":"data","type":"bytes","nullable":false,"readOnly":true}]}"#,
        ];
        let fixed = [
            r#"{"table":"fixed","kind":"view","key":["b","a"],"columns":["#,
            r#"{"name":"a","type":"text","nullable":false,"readOnly":true},"#,
            r#"{"name":"b","type":"integer","nullable":false,"readOnly":true}]}"#,
        ];
        let head = "table kind key columns None".to_owned();
        let store = MemoryRecords::new(TABLES);
        assert_eq!(listed(&store, ""), [head, fixed.concat(), item.concat()]);
    }

    #[test]
    fn first_rows_are_there_in_the_order_of_their_keys() {
        let store = MemoryRecords::new(TABLES);
        let rows = [r#"{"a":"..","b":9}"#, r#"{"a":"y","b":9}"#, r#"{"a":"x","b":10}"#];
        assert_eq!(listed(&store, "fixed")[1..], rows);
        for name in ["9,..", "9,y", "10,x"] {
            assert_eq!(found(&store, format!("fixed/{name}")).kind, Kind::File);
        }
    }

    #[test]
    fn a_view_stays_as_it_is() {
        let store = MemoryRecords::new(TABLES);
        let told = tell(
            &store,
            [
                put_record("fixed/9,y", []),
                put_record("fixed/9,z", [("c", text(""))]),
                put_record("fixed/z", []),
                add("fixed", []),
                update("fixed/9,y", []),
                update("fixed/9,z", []),
                remove("fixed/9,y"),
                remove("fixed/09,y"),
            ],
        );
        let expected = [
            "ReadOnly /fixed/9,y",
            "ReadOnly /fixed/9,z",
            "ReadOnly /fixed/z",
            "ReadOnly /fixed",
            "ReadOnly /fixed/9,y",
            "NotFound /fixed/9,z",
            "ReadOnly /fixed/9,y",
            "NotFound /fixed/09,y",
        ];
        assert_eq!(told, expected);
        assert_eq!(listed(&store, "fixed").len(), 4);
    }

    #[test]
    fn a_row_may_refer_to_itself() {
        let store = MemoryRecords::new(TABLES);
        let of = |of| [("of", text(of))];
        given(&store, [item(1, "a"), item(2, "b"), update("item/1", of("1"))]);
        given(&store, [update("item/2", of("1"))]);
        let told = tell(&store, [remove("item/1"), remove("item/2"), remove("item/1")]);
        assert_eq!(told, ["Conflict /item/1", "done", "done"]);
    }

    #[test]
    fn the_store_gives_numbers_as_long_as_there_are_some() {
        let store = MemoryRecords::new(TABLES);
        let added = |name: &str| {
            let steps = vec![add("item", [("name", text(name))]).step(0)];
            let outcome = apply(&store, &NoLocks, run(steps)).remove(0);
            outcome.map(|done| done.added.unwrap().path.to_string()).map_err(|failure| failure.kind)
        };
        given(&store, [item(-7, "a")]);
        assert_eq!(added("b"), Ok("/item/1".to_owned()));
        given(&store, [item(i64::MAX - 1, "c")]);
        assert_eq!(added("d"), Ok(format!("/item/{}", i64::MAX)));
        assert_eq!(added("e"), Err(FailureKind::Exhausted));
    }

    #[test]
    fn columns_that_only_the_store_gives_keep_their_value() {
        let store = MemoryRecords::new(TABLES);
        let data = || ("data", text("AP8="));
        let told = tell(
            &store,
            [
                put_record("item/1", [("name", text("a")), data()]),
                item(1, "a"),
                update("item/1", [data()]),
                put_record("item/1", [("name", text("b"))]),
            ],
        );
        assert_eq!(told, ["ReadOnly /item/1 [data]", "created", "ReadOnly /item/1 [data]", "done"]);
    }

    #[test]
    fn failures_say_what_is_wrong_without_the_value() {
        let store = MemoryRecords::new(TABLES);
        given(&store, [item(1, "secret")]);
        let added = |record: &[(&str, &str)]| {
            let record = record.iter().map(|(name, value)| (*name, text(value)));
            let outcome = apply(&store, &NoLocks, run(vec![add("item", record).step(0)])).remove(0);
            outcome.unwrap_err().detail.unwrap()
        };
        for (record, detail) in [
            (&[("x", "secret")][..], r#"the table has no column "x""#),
            (&[], r#"the column "name": it must have a value"#),
            (&[("qty", "secret")], r#"the column "qty": the value is no whole number of 64 bits"#),
            (&[("name", "b"), ("qty", "-1")], r#"the column "qty": it is less than 0 (item_qty)"#),
            (&[("name", "secret")], r#"the column "name": another row has it (item_name_key)"#),
            (
                &[("id", "1"), ("name", "b")],
                r#"the column "id": another row has this key (item_pkey)"#,
            ),
            (
                &[("name", "b"), ("of", "9")],
                r#"the column "of": no row of "item" has this key (item_of_fkey)"#,
            ),
        ] {
            assert_eq!(&*added(record), detail);
        }
        let located = store.locate(&path("fixed"), &fields([("b", text("1"))])).unwrap_err();
        assert_eq!(located.detail.as_deref(), Some(r#"the column "a": it must have a value"#));
    }
}
