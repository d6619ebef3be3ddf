//! `SqlStore`: the tables of a database behind the contract of stores.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use polydav_store::{
    Broken, Cancel, Capabilities, Course, Entry, Failure, FailureKind, Fields, Kind, Listed,
    LockView, OnFailure, Outcome, Page, ReadAt, Reading, Report, ResourcePath, Run, Select, Space,
    Stage, Step, Store, Visit, Walk, WalkDepth, Witness, key,
};

use crate::database::{BYTES_MAX, Database};
use crate::datum::{self, Datum};
use crate::error::{Refusal, SqlError, SqlErrorKind};
use crate::place::{Place, is_typed, read_key};
use crate::queue::{Fate, Journey, Queue, Turn};
use crate::row::{Row, bare};
use crate::run::{self, Ran, Running};
use crate::schema::{Column, Schema, Table, TableKind};
use crate::statement::{Key, Rows};

/// So many rows are read at once, if they are small.
const CHUNK_MAX: u64 = 1_000;

/// So many at first, since nobody knows yet how large they are.
const CHUNK_FIRST: u64 = 32;

/// Rows read at once have about so many bytes.
const CHUNK_BYTES: u64 = 256 * 1024;

/// The most rows of a view in one page: a view has no key to go on from, so each page is read at
/// once.
const VIEW_PAGE_MAX: u64 = 1_000;

/// A store over the tables of a database.
pub struct SqlStore {
    database: Arc<dyn Database>,
    queue: Queue,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").finish_non_exhaustive()
    }
}

impl SqlStore {
    pub(crate) fn new(database: Arc<dyn Database>) -> Self {
        Self { queue: Queue::new(database.places()), database }
    }

    /// What lies at `path`, or may. A table may have been made or dropped since it was looked for;
    /// whoever reads a row will see that.
    fn place(&self, path: &ResourcePath) -> Result<Place, Failure> {
        match Place::of(&self.database.schema(), path) {
            Place::NoTable | Place::Table(_) => {
                let schema =
                    self.database.look_again().map_err(|error| error.to_failure(path.clone()))?;
                Ok(Place::of(&schema, path))
            }
            place => Ok(place),
        }
    }

    /// Looks at what lies at `path`; once more if the tables turn out to be others than were known.
    fn look<T>(
        &self,
        path: &ResourcePath,
        mut at: impl FnMut(Place) -> Result<T, Refusal>,
    ) -> Result<T, Failure> {
        match at(self.place(path)?) {
            Err(Refusal::Sql(error)) if error.kind == SqlErrorKind::Changed => {}
            told => return told.map_err(|refusal| refusal.to_failure(path)),
        }
        self.database.look_again().map_err(|error| error.to_failure(path.clone()))?;
        at(self.place(path)?).map_err(|refusal| refusal.to_failure(path))
    }

    fn row(&self, table: &Table, key: &Key, path: &ResourcePath) -> Result<Row, Refusal> {
        let filter = table.key.iter().copied().zip(key.iter().cloned()).collect();
        let rows = Rows { filter, limit: 1, ..Rows::default() };
        let found = match self.database.rows(table, &rows) {
            // What is no value of the key's type is no key.
            Err(error) if error.kind == SqlErrorKind::Value => Vec::new(),
            found => found?,
        };
        match found.into_iter().find(|row| row.is_at(table, path)) {
            Some(row) => Ok(row),
            None => fail(FailureKind::NotFound, path),
        }
    }

    /// Tells of the rows of a table, in the order of their keys. Between the chunks nothing of the
    /// database is held.
    fn rows(
        &self,
        table: &Table,
        mut rows: Rows,
        visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), SqlError> {
        let mut left = rows.limit;
        let mut chunk = CHUNK_FIRST;
        while left > 0 {
            rows.limit = chunk.min(left);
            let found = self.database.rows(table, &rows)?;
            let Some(last) = found.last() else { return Ok(()) };
            left -= found.len() as u64;
            let bytes: u64 = found.iter().map(Row::bytes).sum();
            let is_last = (found.len() as u64) < rows.limit && bytes < BYTES_MAX;
            rows.after = Some(last.key(table));
            chunk = (CHUNK_BYTES * found.len() as u64 / bytes.max(1)).clamp(1, CHUNK_MAX);
            for row in found {
                if visit(row).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn fail<T, E: From<Failure>>(kind: FailureKind, path: &ResourcePath) -> Result<T, E> {
    Err(Failure::new(kind, path.clone()).into())
}

impl Store for SqlStore {
    fn capabilities(&self, _: &ResourcePath) -> Capabilities {
        let mut capabilities = Capabilities::RECORDS;
        capabilities.writable = self.database.is_writable();
        capabilities
    }

    fn stat(&self, path: &ResourcePath, select: &Select) -> Result<Entry, Failure> {
        self.look(path, |place| match place {
            Place::Root | Place::Table(_) => Ok(bare(path.clone(), Kind::Collection)),
            Place::Row(table, key) => {
                Ok(self.row(&table, &key, path)?.entry(&table, path.clone(), select))
            }
            Place::NoRow(_) | Place::NoTable | Place::Beyond => fail(FailureKind::NotFound, path),
        })
    }

    fn walk(
        &self,
        root: &ResourcePath,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.look(root, |place| match place {
            Place::Root => {
                self.walk_tables(&*self.database.look_again()?, walk, visit);
                Ok(())
            }
            Place::Table(table) => {
                let mut met = 0;
                let walked = self.walk_rows(&table, root, walk, &mut met, visit);
                walked.map(drop).map_err(|error| Refusal::once(error, met > 0, root))
            }
            Place::Row(table, key) => self.row(&table, &key, root).map(drop),
            Place::NoRow(_) | Place::NoTable | Place::Beyond => fail(FailureKind::NotFound, root),
        })
    }

    fn read(&self, path: &ResourcePath) -> Result<Reading, Failure> {
        self.look(path, |place| match place {
            Place::Root | Place::Table(_) => fail(FailureKind::IsCollection, path),
            Place::Row(table, key) => {
                let row = self.row(&table, &key, path)?;
                let entry = row.entry(&table, path.clone(), &Select::None);
                Ok(Reading { entry, content: Arc::new(Content(row.content(&table))) })
            }
            Place::NoRow(_) | Place::NoTable | Place::Beyond => fail(FailureKind::NotFound, path),
        })
    }

    fn list(
        &self,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.look(collection, |place| match place {
            Place::Root => {
                describe(&*self.database.look_again()?, visit);
                Ok(())
            }
            Place::Table(table) if table.kind == TableKind::View => {
                self.list_view(&table, collection, page, visit)
            }
            Place::Table(table) => self.list_table(&table, collection, page, visit),
            Place::Row(table, key) => {
                self.row(&table, &key, collection)?;
                fail(FailureKind::Unsuited, collection)
            }
            Place::NoRow(_) | Place::NoTable | Place::Beyond => {
                fail(FailureKind::NotFound, collection)
            }
        })
    }

    /// The table is taken as it was found last, as that of a row is: there may be a record for each
    /// of many rows.
    fn locate(&self, collection: &ResourcePath, record: &Fields) -> Result<ResourcePath, Failure> {
        let place = match Place::of(&self.database.schema(), collection) {
            Place::NoTable => self.place(collection)?,
            place => place,
        };
        let table = match place {
            Place::Table(table) => table,
            Place::Root | Place::Row(..) => return fail(FailureKind::Unsuited, collection),
            Place::NoRow(_) | Place::NoTable | Place::Beyond => {
                return fail(FailureKind::NotFound, collection);
            }
        };
        if table.key.is_empty() {
            return fail(FailureKind::ReadOnly, collection);
        }
        let parts = table.key_columns().map(|column| {
            let wrong = |said: &str| {
                Failure::new(FailureKind::Invalid, collection.clone())
                    .with_column(&*column.name)
                    .with_detail(format!("column {}: {said}", column.name))
            };
            let field = record.iter().find(|field| field.name == column.name);
            let field = field.ok_or_else(|| wrong("it is part of the key, and missing"))?;
            match datum::read(column, &field.value) {
                Ok(Datum::Null) => Err(wrong("it is part of the key, and null")),
                Ok(datum) => Ok(datum::to_text(column, &datum)),
                Err(expected) => Err(wrong(&format!("expected {}", expected.0))),
            }
        });
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        Ok(collection.join(key::write(parts).as_bytes()).expect("the name of a row is a segment"))
    }

    fn stage(&self, target: &ResourcePath, _: Option<u64>) -> Result<Box<dyn Stage>, Failure> {
        fail(FailureKind::Unsupported, target)
    }

    fn apply(&self, run: Run, locks: &dyn LockView, report: &mut dyn Report) -> Result<(), Broken> {
        if !self.database.is_writable() {
            let failure = Failure::new(FailureKind::ReadOnly, ResourcePath::root());
            Course::of(&run).refuse(&run.steps, &failure, report);
            return Ok(());
        }
        if let [step] = &run.steps[..]
            && step.needs().is_empty()
            && !report.keeps_receipts()
            && self.is_swift(step)
        {
            self.apply_one(run, locks, report);
        } else {
            Running::new(&*self.database, run, locks, report).run();
        }
        Ok(())
    }

    fn fate(&self, commit: &Witness) -> Result<polydav_store::Fate, Failure> {
        self.database.fate(commit).map_err(|error| error.to_failure(ResourcePath::root()))
    }

    fn space(&self, _: &ResourcePath) -> Result<Option<Space>, Failure> {
        Ok(None)
    }

    /// Within one transaction, which is rolled back. Where nothing can be changed, nothing comes of a
    /// run anyway.
    fn rehearsal(self: Arc<Self>) -> Result<Arc<dyn Store>, Failure> {
        if !self.database.is_writable() {
            return Ok(self);
        }
        match Arc::clone(&self.database).rehearsal() {
            Ok(database) => Ok(Arc::new(Self::new(database))),
            Err(error) => Err(error.to_failure(ResourcePath::root())),
        }
    }
}

/// Changing single rows.
impl SqlStore {
    /// Whether a step takes no longer than others of its kind: who knows what triggers do.
    fn is_swift(&self, step: &Step) -> bool {
        let schema = self.database.schema();
        run::tables(&schema, step).all(|table| !table.has_far_effects && !table.is_deferred)
    }

    /// Performs a run of one step, together with those that come at the same time. All runs of a
    /// store see the same locks, and none of the steps needs another: their indices say nothing.
    fn apply_one(&self, mut run: Run, locks: &dyn LockView, report: &mut dyn Report) {
        let Some(step) = run.steps.pop() else { return };
        let index = step.index();
        let fate = match self.queue.enter(step, run.cancel.clone()) {
            Turn::Over(fate) => fate,
            Turn::Go(mut journey) => self.apply_together(&mut journey, &run, locks),
        };
        match fate {
            Fate::Done(outcome) => report.outcome(index, outcome),
            // It waits for whoever is in its way by itself.
            Fate::Again(step) => {
                let run = Run { steps: vec![step], ..run };
                Running::new(&*self.database, run, locks, report).run();
            }
        }
    }

    /// Does the steps of a journey, and tells those who came along; returns what became of the
    /// first. Nobody waits for others there, or but a little if there is no company.
    fn apply_together(&self, journey: &mut Journey<'_>, like: &Run, locks: &dyn LockView) -> Fate {
        let steps = journey.take_steps();
        let mut outcomes = Vec::with_capacity(steps.len());
        let mut note = |_: usize, outcome: Outcome| outcomes.push(outcome);
        // Whether to go on was asked when each of those who came along set out.
        let cancel = if journey.has_company() { Cancel::never() } else { like.cancel.clone() };
        let run = Run { steps, on_failure: OnFailure::Continue, cancel, ..*like };
        let running = Running::new(&*self.database, run, locks, &mut note);
        let running = if journey.has_company() { running.impatient() } else { running.hurried() };
        let Ran { steps, is_away } = running.run();
        let mut fates = outcomes.into_iter().zip(steps).map(|(outcome, step)| match outcome {
            Err(failure) if failure.kind == FailureKind::Busy && !is_away => Fate::Again(step),
            outcome => Fate::Done(outcome),
        });
        let own = fates.next().expect("a journey has a first step");
        journey.tell(fates);
        own
    }
}

/// Walking.
impl SqlStore {
    fn walk_tables(
        &self,
        schema: &Schema,
        walk: &Walk,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) {
        let mut met = 0;
        for table in schema.tables() {
            let path = table.path();
            let entry = bare(path.clone(), Kind::Collection);
            let told = match walk.depth {
                WalkDepth::One => visit(Visit::Entry(entry)),
                WalkDepth::Infinity { budget } if met >= budget => visit(Visit::Cut(entry)),
                WalkDepth::Infinity { .. } => {
                    met += 1;
                    if visit(Visit::Entry(entry)).is_break() {
                        return;
                    }
                    match self.walk_rows(table, &path, walk, &mut met, visit) {
                        Ok(told) => told,
                        Err(error) => {
                            let failure = error.to_failure(path.clone());
                            visit(Visit::Failure(path, failure.kind))
                        }
                    }
                }
            };
            if told.is_break() {
                return;
            }
        }
    }

    fn walk_rows(
        &self,
        table: &Table,
        path: &ResourcePath,
        walk: &Walk,
        met: &mut u64,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, SqlError> {
        if table.key.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let mut told = ControlFlow::Continue(());
        let all = Rows { limit: u64::MAX, ..Rows::default() };
        self.rows(table, all, &mut |row| {
            *met += 1;
            let entry = row.entry(table, row.path(table, path), &walk.select);
            told = visit(Visit::Entry(entry));
            told
        })?;
        Ok(told)
    }
}

/// Listing.
impl SqlStore {
    fn list_table(
        &self,
        table: &Table,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        let after = match &page.after {
            None => None,
            Some(name) => Some(self.cursor(table, name, collection)?),
        };
        let filter = filter(table, &page.filter, collection)?;
        // More rows than a database can count are all rows.
        let limit = page.limit.filter(|&limit| i64::try_from(limit).is_ok());
        let count = limit.unwrap_or(u64::MAX);
        let mut rows = Rows { filter, after, limit: count, ..Rows::default() };
        let last = match limit {
            None => None,
            Some(limit) => self.last_of(table, &rows, limit)?,
        };
        let next = last.as_ref().map(|row| row.name(table));
        if let Some(last) = last {
            // Rows that come to lie before it meanwhile must not push it off the page.
            (rows.until, rows.limit) = (Some(last.key(table)), u64::MAX);
        }
        // Told once something was read: before, it could all be begun anew.
        let mut head = Some(Listed::Head { columns: names(table), next });
        let told = self.rows(table, rows, &mut |row| {
            head.take().map_or(ControlFlow::Continue(()), &mut *visit)?;
            visit(Listed::Record(row.content(table)))
        });
        told.map_err(|error| Refusal::once(error, head.is_none(), collection))?;
        head.map(visit);
        Ok(())
    }

    /// The key that a listing goes on behind. Its row may be gone, unless only a row that is there
    /// could have such a key.
    fn cursor(&self, table: &Table, name: &str, collection: &ResourcePath) -> Result<Key, Refusal> {
        let key = read_key(table, name.as_bytes()).ok_or_else(|| bad_cursor(collection))?;
        if !is_typed(table, &key) {
            let path = collection.join(name.as_bytes()).map_err(|_| bad_cursor(collection))?;
            self.row(table, &key, &path).map_err(|_| bad_cursor(collection))?;
        }
        Ok(key)
    }

    /// The last row of a page, if there are rows behind it.
    fn last_of(&self, table: &Table, rows: &Rows, limit: u64) -> Result<Option<Row>, SqlError> {
        let Some(offset) = limit.checked_sub(1) else { return Ok(None) };
        let last = Rows { limit: 1, offset, ..rows.clone() };
        let Some(last) = self.database.rows(table, &last)?.pop() else { return Ok(None) };
        let behind = Rows { limit: 1, after: Some(last.key(table)), ..rows.clone() };
        let behind = self.database.rows(table, &behind)?.pop();
        Ok(behind.map(|_| last))
    }

    /// A view: its rows have no names, and no order but its own.
    fn list_view(
        &self,
        table: &Table,
        collection: &ResourcePath,
        page: &Page,
        visit: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        let offset = match page.after.as_deref().map(str::parse::<u32>) {
            None => 0,
            Some(Ok(offset)) => u64::from(offset),
            Some(Err(_)) => return Err(bad_cursor(collection).into()),
        };
        let limit = page.limit.unwrap_or(u64::MAX).min(VIEW_PAGE_MAX);
        let filter = filter(table, &page.filter, collection)?;
        let rows = Rows { filter, limit: limit + 1, offset, ..Rows::default() };
        let found = self.database.rows(table, &rows)?;
        let bytes: u64 = found.iter().map(Row::bytes).sum();
        let more = found.len() as u64 > limit || bytes >= BYTES_MAX;
        let next = more.then(|| (offset + limit.min(found.len() as u64)).to_string());
        if visit(Listed::Head { columns: names(table), next }).is_break() {
            return Ok(());
        }
        for row in found.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            if visit(Listed::Record(row.content(table))).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn bad_cursor(collection: &ResourcePath) -> Failure {
    Failure::new(FailureKind::Invalid, collection.clone()).with_detail("cursor: it leads nowhere")
}

fn names(table: &Table) -> Vec<Arc<str>> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

fn filter(
    table: &Table,
    fields: &Fields,
    collection: &ResourcePath,
) -> Result<Vec<(usize, Datum)>, Failure> {
    let wrong = |column: &str, said: &str| {
        Failure::new(FailureKind::Invalid, collection.clone())
            .with_column(column)
            .with_detail(format!("column {column}: {said}"))
    };
    let one = |field: &polydav_store::Field| {
        let at = table
            .column(&field.name)
            .ok_or_else(|| wrong(&field.name, "there is no such column"))?;
        let value = datum::read(&table.columns[at], &field.value)
            .map_err(|expected| wrong(&field.name, &format!("expected {}", expected.0)))?;
        Ok((at, value))
    };
    fields.iter().map(one).collect()
}

/// Tells of each table what it is.
fn describe(schema: &Schema, visit: &mut dyn FnMut(Listed) -> ControlFlow<()>) {
    let columns = ["table", "kind", "key", "columns"].map(Arc::from).to_vec();
    if visit(Listed::Head { columns, next: None }).is_break() {
        return;
    }
    for table in schema.tables() {
        if visit(Listed::Record(described(table))).is_break() {
            return;
        }
    }
}

/// What a table is, as JSON.
fn described(table: &Table) -> Bytes {
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let column = |column: &Column| {
        format!(
            r#"{{"name":{},"type":{},"nullable":{},"readOnly":{}}}"#,
            string(&column.name),
            string(&column.declared),
            column.is_nullable,
            column.is_read_only || table.read_only.is_some(),
        )
    };
    let kind = match table.kind {
        TableKind::Table => "table",
        TableKind::View => "view",
    };
    let key: Vec<_> = table.key_columns().map(|column| string(&column.name)).collect();
    let columns: Vec<_> = table.columns.iter().map(column).collect();
    let (name, key, columns) = (string(&table.name), key.join(","), columns.join(","));
    format!(r#"{{"table":{name},"kind":"{kind}","key":[{key}],"columns":[{columns}]}}"#).into()
}

/// The content of a row.
struct Content(Bytes);

impl ReadAt for Content {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Failure> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let length = buffer.len().min(self.0.len() - start);
        buffer[..length].copy_from_slice(&self.0[start..start + length]);
        Ok(length)
    }
}
