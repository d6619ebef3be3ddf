//! `Attempt`: one go at some steps within a transaction. Steps that follow each other and do the
//! same to rows of one table are handed to the database together.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use polydav_store::{
    Action, Content, Course, Done, Entry, Failure, FailureKind, Fields, Kind, LockView, LocksOfRun,
    Outcome, ResourcePath, Select, Step, Value, View, at_stake,
};

use crate::database::{Behind, Change, Changed, Shape, Transaction, Trouble, Wanted};
use crate::datum::{self, Datum};
use crate::error::{Refusal, SqlError, SqlErrorKind};
use crate::place::{Place, is_typed};
use crate::row::{Row, bare};
use crate::schema::{Schema, Table};
use crate::statement::Key;

/// How many rows one statement changes at most.
const ROWS_MAX: usize = 1_000;

/// Steps being done.
pub(crate) struct Attempt<'a> {
    schema: &'a Schema,
    transaction: &'a dyn Transaction,
    locks: LocksOfRun<'a>,
    steps: &'a [Step],
    course: &'a mut Course,
    care: Care,
    outcomes: Vec<Option<Outcome>>,
    pending: Option<Pending<'a>>,
}

/// What is done before a row is changed, where that isn't already known to be needless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// Nothing. What succeeds is done; why anything else isn't has to be found out by looking.
    None,
    /// All rows are taken hold of, and looked at.
    Look,
    /// The same, and each is changed by a statement of its own: what one complains of is about one
    /// row.
    Each,
}

/// Changes that were decided on and not yet handed to the database.
struct Pending<'a> {
    change: Change,
    /// For each row: its step, and where it is to lie, if that is known.
    steps: Vec<(usize, Option<&'a ResourcePath>)>,
    /// The paths of the rows.
    touched: HashSet<&'a ResourcePath>,
    /// The table, if the database names the rows: each of its rows may be one of them.
    unnamed: Option<ResourcePath>,
}

/// A change of one row.
struct Planned<'a> {
    table: Arc<Table>,
    shape: Shape,
    key: Key,
    values: Vec<Datum>,
    /// Where the row lies, unless the database names it.
    path: Option<&'a ResourcePath>,
}

/// What to do about a step.
enum Decision<'a> {
    Change(Planned<'a>),
    Done(Done),
}

fn fail<T>(kind: FailureKind, path: &ResourcePath) -> Result<T, Refusal> {
    Err(Failure::new(kind, path.clone()).into())
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        schema: &'a Schema,
        transaction: &'a dyn Transaction,
        locks: &'a dyn LockView,
        steps: &'a [Step],
        course: &'a mut Course,
        care: Care,
    ) -> Self {
        let outcomes = steps.iter().map(|_| None).collect();
        let locks = LocksOfRun::new(locks);
        Self { schema, transaction, locks, steps, course, care, outcomes, pending: None }
    }

    /// Does all steps; their outcomes hold once the transaction is committed.
    pub(crate) fn perform(mut self) -> Result<Vec<Outcome>, Trouble> {
        self.prefetch()?;
        for at in 0..self.steps.len() {
            self.step(at)?;
        }
        self.flush()?;
        let outcomes = self.outcomes.into_iter();
        Ok(outcomes.map(|outcome| outcome.expect("every step was decided on")).collect())
    }

    fn prefetch(&self) -> Result<(), SqlError> {
        if !self.looks_first() {
            return Ok(());
        }
        let mut wanted = Vec::new();
        for step in self.steps {
            let goes = step.vacates().next().is_some();
            for path in std::iter::once(step.subject()).chain(step.watches()) {
                if let Place::Row(table, key) = Place::of(self.schema, path) {
                    wanted.push(Wanted { table, key, goes: goes && path == step.subject() });
                }
            }
        }
        self.transaction.prefetch(&wanted)
    }

    fn step(&mut self, at: usize) -> Result<(), Trouble> {
        let steps = self.steps;
        let step = &steps[at];
        if self.meets_pending(step) || self.course.needed().awaits(step) {
            self.flush()?;
        }
        if self.outcomes[at].is_none()
            && let Some(kind) = self.course.ask()
        {
            self.outcomes[at] = Some(Err(Failure::new(kind, step.subject().clone())));
        }
        if self.outcomes[at].is_some() {
            return Ok(());
        }
        // Whoever applies other runs ends them behind such a step.
        let at_stake = match self.course.undoes_all() {
            true => at_stake(&self.locks, step),
            false => Vec::new(),
        };
        match self.decide(step) {
            Ok(Decision::Done(done)) => self.settle(at, Ok(done))?,
            Ok(Decision::Change(planned)) => self.push(at, planned)?,
            Err(Refusal::Failure(failure)) => self.settle(at, Err(failure))?,
            Err(Refusal::Sql(error)) => return Err(Trouble { at: Some(at..at + 1), error }),
        }
        if !at_stake.is_empty() {
            self.flush()?;
            let is_done = matches!(self.outcomes[at], Some(Ok(_)));
            self.locks.end(at_stake, |_| is_done);
        }
        Ok(())
    }

    /// Notes the outcome of a step that changes nothing. What stands before it may fail yet, and be
    /// the reason not to try it.
    fn settle(&mut self, at: usize, outcome: Outcome) -> Result<(), Trouble> {
        if self.course.stops() {
            self.flush()?;
        }
        let outcome = match self.course.over() {
            Some(kind) => Err(Failure::new(kind, self.steps[at].subject().clone())),
            None => outcome,
        };
        self.course.note(self.steps[at].index(), &outcome);
        self.outcomes[at] = Some(outcome);
        Ok(())
    }

    /// Whether a step looks at, or changes, what a pending change is about.
    fn meets_pending(&self, step: &Step) -> bool {
        self.pending.as_ref().is_some_and(|pending| {
            pending.change.table.has_far_effects
                || std::iter::once(step.subject())
                    .chain(step.watches())
                    .any(|path| pending.touches(path))
        })
    }

    /// Opens a step and works out what it comes to.
    fn decide(&self, step: &'a Step) -> Result<Decision<'a>, Refusal> {
        let sight = Sight {
            schema: self.schema,
            transaction: self.transaction,
            locks: &self.locks,
            error: RefCell::new(None),
        };
        let opened = step.open_again(&sight, self.course.needed());
        if let Some(error) = sight.error.into_inner() {
            return Err(error.into());
        }
        match opened? {
            Action::Put { target, content: Content::Record(fields), .. } => {
                self.put(target, fields)
            }
            Action::Put { target, .. } => self.refuse_content(target),
            Action::Add { collection, record, .. } => self.add(collection, record),
            Action::Update { target, record } => self.update(target, record),
            Action::Remove { target } => self.remove(target),
            Action::MakeCollection { target } => match self.exists(target)? {
                true => fail(FailureKind::Exists, target),
                false => fail(FailureKind::Unsupported, target),
            },
            Action::Patch { target, changes } => match self.exists(target)? {
                true if changes.is_empty() => Ok(Decision::Done(Done::default())),
                true => fail(FailureKind::Unsupported, target),
                false => fail(FailureKind::NotFound, target),
            },
            Action::Copy { source, .. } | Action::Rename { source, .. } => {
                match self.exists(source)? {
                    true => fail(FailureKind::Unsupported, source),
                    false => fail(FailureKind::NotFound, source),
                }
            }
            other => fail(FailureKind::Unsupported, other.subject()),
        }
    }

    fn exists(&self, path: &ResourcePath) -> Result<bool, SqlError> {
        match Place::of(self.schema, path) {
            Place::Root | Place::Table(_) => Ok(true),
            Place::Row(table, key) => Ok(row_at(self.transaction, &table, &key, path)?.is_some()),
            Place::NoRow(_) | Place::NoTable | Place::Beyond => Ok(false),
        }
    }

    fn put(&self, target: &'a ResourcePath, fields: &Fields) -> Result<Decision<'a>, Refusal> {
        let (table, key) = self.place_to_put(target)?;
        check_writable(&table, target)?;
        let is_there = match &key {
            Some(key) => row_at(self.transaction, &table, key, target)?.is_some(),
            None => false,
        };
        let Some(key) = key.filter(|key| is_there || is_typed(&table, key)) else {
            let said = "the last segment of the URL is no key of this table";
            let failure = Failure::new(FailureKind::Invalid, target.clone());
            return Err(failure.with_detail(said).into());
        };
        let (given, values) = self.columns(&table, fields, Some(&key), target)?;
        let path = Some(target);
        if is_there {
            let reset = (0..table.columns.len()).filter(|at| {
                !table.key.contains(at) && !given.contains(at) && !table.columns[*at].is_read_only
            });
            let reset: Vec<_> = reset.collect();
            check_values(&table, (&given, &values), &reset, target)?;
            let shape = Shape::Update { given, reset };
            return self.changed(Planned { table, shape, key, values, path });
        }
        let given: Vec<_> = table.key.iter().copied().chain(given).collect();
        let values: Vec<_> = key.iter().cloned().chain(values).collect();
        check_key_is_free_to_choose(&table, target)?;
        check_complete(&table, &given, &values, target)?;
        Ok(Decision::Change(Planned { table, shape: Shape::Insert { given }, key, values, path }))
    }

    fn place_to_put(&self, target: &ResourcePath) -> Result<(Arc<Table>, Option<Key>), Refusal> {
        match Place::of(self.schema, target) {
            Place::Row(table, key) => Ok((table, Some(key))),
            Place::NoRow(table) => Ok((table, None)),
            Place::Root | Place::Table(_) => fail(FailureKind::IsCollection, target),
            Place::NoTable => match target.parent() {
                Some(parent) if !parent.is_root() => fail(FailureKind::NotFound, &parent),
                _ => fail(FailureKind::Forbidden, target),
            },
            Place::Beyond => fail(FailureKind::ParentMissing, &target.parent().unwrap_or_default()),
        }
    }

    /// A row is made of columns, not of bytes.
    fn refuse_content(&self, target: &ResourcePath) -> Result<Decision<'a>, Refusal> {
        match self.place_to_put(target) {
            Err(Refusal::Failure(failure)) if failure.kind != FailureKind::NotFound => {
                Err(failure.into())
            }
            _ => fail(FailureKind::Unsuited, target),
        }
    }

    fn add(&self, collection: &ResourcePath, fields: &Fields) -> Result<Decision<'a>, Refusal> {
        let table = match Place::of(self.schema, collection) {
            Place::Table(table) => table,
            Place::NoTable => return fail(FailureKind::NotFound, collection),
            Place::Root => return fail(FailureKind::Unsuited, collection),
            Place::Row(table, key) => {
                return match row_at(self.transaction, &table, &key, collection)? {
                    Some(_) => fail(FailureKind::Unsuited, collection),
                    None => fail(FailureKind::NotFound, collection),
                };
            }
            Place::NoRow(_) | Place::Beyond => return fail(FailureKind::NotFound, collection),
        };
        check_writable(&table, collection)?;
        let (given, values) = self.columns(&table, fields, None, collection)?;
        check_complete(&table, &given, &values, collection)?;
        let shape = Shape::Insert { given };
        Ok(Decision::Change(Planned { table, shape, key: Vec::new(), values, path: None }))
    }

    fn update(&self, target: &'a ResourcePath, fields: &Fields) -> Result<Decision<'a>, Refusal> {
        let (table, key) = match Place::of(self.schema, target) {
            Place::Row(table, key) => (table, key),
            Place::Root | Place::Table(_) => return fail(FailureKind::Unsuited, target),
            Place::NoRow(_) | Place::NoTable | Place::Beyond => {
                return fail(FailureKind::NotFound, target);
            }
        };
        if self.must_look(&table) && row_at(self.transaction, &table, &key, target)?.is_none() {
            return fail(FailureKind::NotFound, target);
        }
        let decided = check_writable(&table, target)
            .and_then(|()| Ok(self.columns(&table, fields, Some(&key), target)?))
            .and_then(|(given, values)| {
                check_values(&table, (&given, &values), &[], target)?;
                Ok((given, values))
            });
        let (given, values) = match decided {
            Ok(decided) => decided,
            // That it isn't there is the better reason.
            Err(refusal) => {
                return match row_at(self.transaction, &table, &key, target)? {
                    Some(_) => Err(refusal),
                    None => fail(FailureKind::NotFound, target),
                };
            }
        };
        let shape = Shape::Update { given, reset: Vec::new() };
        self.changed(Planned { table, shape, key, values, path: Some(target) })
    }

    /// An update, unless there is nothing to change.
    fn changed(&self, planned: Planned<'a>) -> Result<Decision<'a>, Refusal> {
        let Planned { table, shape: Shape::Update { given, reset }, key, path: Some(path), .. } =
            &planned
        else {
            return Ok(Decision::Change(planned));
        };
        if !(given.is_empty() && reset.is_empty()) {
            return Ok(Decision::Change(planned));
        }
        match row_at(self.transaction, table, key, path)? {
            Some(row) => {
                Ok(Decision::Done(Done { etag: Some(row.etag(table)), ..Done::default() }))
            }
            None => fail(FailureKind::NotFound, path),
        }
    }

    fn remove(&self, target: &'a ResourcePath) -> Result<Decision<'a>, Refusal> {
        let (table, key) = match Place::of(self.schema, target) {
            Place::Row(table, key) => (table, key),
            Place::Root | Place::Table(_) => {
                let said = "tables are made and removed in the database, not here";
                return Err(Failure::new(FailureKind::Forbidden, target.clone())
                    .with_detail(said)
                    .into());
            }
            Place::NoRow(_) | Place::NoTable | Place::Beyond => {
                return fail(FailureKind::NotFound, target);
            }
        };
        if (self.must_look(&table) || table.read_only.is_some())
            && row_at(self.transaction, &table, &key, target)?.is_none()
        {
            return fail(FailureKind::NotFound, target);
        }
        check_writable(&table, target)?;
        let (shape, path) = (Shape::Delete, Some(target));
        Ok(Decision::Change(Planned { table, shape, key, values: Vec::new(), path }))
    }

    /// Whether a row must be seen before it is changed.
    fn must_look(&self, table: &Table) -> bool {
        self.looks_first() || !table.has_exact_key
    }

    fn looks_first(&self) -> bool {
        self.care != Care::None && self.transaction.knows_rows()
    }

    /// As [`columns`], with what the references of the step come to.
    fn columns(
        &self,
        table: &Table,
        fields: &Fields,
        key: Option<&Key>,
        path: &ResourcePath,
    ) -> Result<(Vec<usize>, Vec<Datum>), Failure> {
        let needed = self.course.needed();
        let values = fields.iter().map(|field| (&*field.name, needed.value(&field.value)));
        columns(table, values, key, path)
    }

    /// Adds a change to those pending, or begins anew.
    fn push(&mut self, at: usize, planned: Planned<'a>) -> Result<(), Trouble> {
        let joins = self.care != Care::Each
            && self.pending.as_ref().is_some_and(|pending| pending.takes(&planned));
        if !joins {
            self.flush()?;
            if let Some(kind) = self.course.over() {
                let failure = Failure::new(kind, self.steps[at].subject().clone());
                self.outcomes[at] = Some(Err(failure));
                return Ok(());
            }
        }
        let Planned { table, shape, key, values, path } = planned;
        let unnamed = path.is_none().then(|| table.path());
        let pending = self.pending.get_or_insert_with(|| Pending {
            change: Change { table, shape, rows: Vec::new() },
            steps: Vec::new(),
            touched: HashSet::new(),
            unnamed: None,
        });
        pending.unnamed = pending.unnamed.take().or(unnamed);
        pending.touched.extend(path);
        pending.change.rows.push((key, values));
        pending.steps.push((at, path));
        Ok(())
    }

    fn behind(&self) -> Behind {
        match self.care {
            Care::None if self.steps.len() == 1 => Behind::Nothing,
            // What is done behind one that isn't there is undone with everything.
            _ if self.course.stops() && !self.course.undoes_all() => Behind::Stop,
            _ => Behind::Others,
        }
    }

    /// Has the pending changes made.
    fn flush(&mut self) -> Result<(), Trouble> {
        let Some(Pending { change, steps, .. }) = self.pending.take() else { return Ok(()) };
        let at = || Some(steps[0].0..steps[steps.len() - 1].0 + 1);
        let changed = self.transaction.change(&change, self.behind());
        let changed = changed.map_err(|error| Trouble { at: at(), error })?;
        let mut changed = changed.into_iter();
        let mut is_undone = false;
        for (number, (at, path)) in steps.into_iter().enumerate() {
            let subject = self.steps[at].subject();
            // One that isn't told of wasn't tried, because of one before it.
            let outcome = match changed.next().filter(|_| !is_undone) {
                Some(changed) => self
                    .outcome(&change, &change.rows[number].0, path, changed, subject)
                    .map_err(|error| Trouble { at: Some(at..at + 1), error })?,
                None => Err(Failure::new(FailureKind::Dependency, subject.clone())),
            };
            is_undone |= outcome.is_err() && self.course.undoes_all();
            self.course.note(self.steps[at].index(), &outcome);
            self.outcomes[at] = Some(outcome);
        }
        Ok(())
    }

    /// What became of a step whose row was changed so. A row that came to lie elsewhere than its
    /// URL says must not have been changed at all.
    fn outcome(
        &self,
        change: &Change,
        key: &Key,
        path: Option<&ResourcePath>,
        changed: Changed,
        subject: &ResourcePath,
    ) -> Result<Outcome, SqlError> {
        let row = match changed {
            Ok(Some(row)) => row,
            Ok(None) => return self.unchanged(change, key, subject),
            Err(error) => return Ok(Err(error.to_failure(subject.clone()))),
        };
        if let Shape::Delete = change.shape {
            return Ok(Ok(Done::default()));
        }
        let table = &change.table;
        let created = matches!(change.shape, Shape::Insert { .. });
        let added = match path {
            None => Some(row.added(table, subject)),
            Some(path) if row.is_at(table, path) => None,
            Some(_) => {
                let said = "the database keeps this key as another one";
                let column = match table.key[..] {
                    [at] => Some((&*table.columns[at].name).into()),
                    _ => None,
                };
                return Err(SqlError { column, ..SqlError::new(SqlErrorKind::Value, said) });
            }
        };
        // A trigger may have changed it since.
        let row = match table.has_far_effects {
            true => self.transaction.row(table, &row.key(table))?,
            false => Some(row),
        };
        Ok(Ok(Done { created, etag: row.map(|row| row.etag(table)), added }))
    }

    /// What became of a step that changed no row: it isn't there, or a trigger kept it as it is.
    fn unchanged(
        &self,
        change: &Change,
        key: &Key,
        subject: &ResourcePath,
    ) -> Result<Outcome, SqlError> {
        let is_there = match change.shape {
            Shape::Insert { .. } => true,
            Shape::Update { .. } | Shape::Delete => {
                change.table.has_far_effects && self.transaction.row(&change.table, key)?.is_some()
            }
        };
        if is_there {
            // What the trigger did beside must not stay behind a failure.
            return Err(SqlError::new(SqlErrorKind::Refused, "nothing was changed"));
        }
        Ok(Err(Failure::new(FailureKind::NotFound, subject.clone())))
    }
}

impl Pending<'_> {
    fn touches(&self, path: &ResourcePath) -> bool {
        self.touched.contains(path)
            || self.unnamed.as_ref().is_some_and(|table| table.is_above(path))
    }

    /// Whether a change can be made together with those pending, with the same outcome as after
    /// them.
    fn takes(&self, planned: &Planned<'_>) -> bool {
        let Planned { table, shape, .. } = planned;
        let compares = match shape {
            Shape::Update { given, reset } => {
                given.iter().chain(reset).any(|&at| table.columns[at].is_compared)
            }
            Shape::Insert { .. } | Shape::Delete => false,
        };
        Arc::ptr_eq(table, &self.change.table)
            && self.change.shape == *shape
            && self.steps.len() < ROWS_MAX
            && !table.is_single
            && !compares
    }
}

fn check_writable(table: &Table, path: &ResourcePath) -> Result<(), Refusal> {
    match table.read_only {
        Some(why) => Err(Failure::new(FailureKind::ReadOnly, path.clone()).with_detail(why).into()),
        None => Ok(()),
    }
}

fn wrong(kind: FailureKind, path: &ResourcePath, column: &str, said: &str) -> Failure {
    Failure::new(kind, path.clone())
        .with_column(column)
        .with_detail(format!("column {column}: {said}"))
}

/// The columns given, but for those of the key, and their values. Those of the key may be given if
/// they say the same as the URL; of a new row, whose `key` isn't known yet, they are columns as any.
fn columns<'a>(
    table: &Table,
    fields: impl ExactSizeIterator<Item = (&'a str, &'a Value)>,
    key: Option<&Key>,
    path: &ResourcePath,
) -> Result<(Vec<usize>, Vec<Datum>), Failure> {
    let (mut given, mut values) =
        (Vec::with_capacity(fields.len()), Vec::with_capacity(fields.len()));
    for (name, value) in fields {
        let Some(at) = table.column(name) else {
            return Err(wrong(FailureKind::Invalid, path, name, "there is no such column"));
        };
        let column = &table.columns[at];
        let in_key =
            key.and_then(|key| Some((key, table.key.iter().position(|&part| part == at)?)));
        if column.is_read_only && in_key.is_none() {
            return Err(wrong(FailureKind::ReadOnly, path, name, "it can't be set"));
        }
        let value = datum::read(column, value).map_err(|expected| {
            wrong(FailureKind::Invalid, path, name, &format!("expected {}", expected.0))
        })?;
        match in_key {
            Some((key, place)) if key[place] == value => continue,
            Some(_) => {
                let said = "it is part of the key, which the URL says otherwise";
                return Err(wrong(FailureKind::Invalid, path, name, said));
            }
            None => {}
        }
        given.push(at);
        values.push(value);
    }
    Ok((given, values))
}

/// Refuses a new row of these columns that lacks a value which it must have.
fn check_complete(
    table: &Table,
    given: &[usize],
    values: &[Datum],
    path: &ResourcePath,
) -> Result<(), Failure> {
    let missing: Vec<_> = (0..table.columns.len()).filter(|at| !given.contains(at)).collect();
    check_values(table, (given, values), &missing, path)
}

/// Refuses to give columns no value, or to leave them to their defaults, that must have one.
fn check_values(
    table: &Table,
    (given, values): (&[usize], &[Datum]),
    left: &[usize],
    path: &ResourcePath,
) -> Result<(), Failure> {
    let nulls = given.iter().zip(values).filter(|(_, value)| **value == Datum::Null);
    // A trigger may give it one.
    let without = left.iter().filter(|&&at| {
        let column = &table.columns[at];
        column.default.is_none() && !column.is_read_only && !table.has_far_effects
    });
    let empty = nulls.map(|(at, _)| at).chain(without);
    // Of several, the first in the order of the columns is told.
    match empty.filter(|&&at| !table.columns[at].is_nullable).min() {
        Some(&at) => {
            let (column, said) = (&table.columns[at].name, "it must have a value");
            Err(wrong(FailureKind::Invalid, path, column, said))
        }
        None => Ok(()),
    }
}

/// Refuses to make a row under a key of the client's, where the database alone gives keys.
fn check_key_is_free_to_choose(table: &Table, path: &ResourcePath) -> Result<(), Failure> {
    match table.key_columns().find(|column| column.is_read_only) {
        Some(column) => {
            let said = "the database gives it; POST to the table makes a record";
            Err(wrong(FailureKind::ReadOnly, path, &column.name, said))
        }
        None => Ok(()),
    }
}

/// The row that lies at `path`, whose name spells this key.
pub(crate) fn row_at(
    transaction: &dyn Transaction,
    table: &Arc<Table>,
    key: &Key,
    path: &ResourcePath,
) -> Result<Option<Row>, SqlError> {
    let row = transaction.row(table, key)?;
    Ok(row.filter(|row| row.is_at(table, path)))
}

/// What steps are opened against: the rows as the transaction sees them.
struct Sight<'a> {
    schema: &'a Schema,
    transaction: &'a dyn Transaction,
    locks: &'a dyn LockView,
    /// What the database failed with meanwhile: that is no reason to refuse a step.
    error: RefCell<Option<SqlError>>,
}

impl View for Sight<'_> {
    fn entry(&self, path: &ResourcePath) -> Result<Option<Entry>, Failure> {
        match Place::of(self.schema, path) {
            Place::Root | Place::Table(_) => Ok(Some(bare(path.clone(), Kind::Collection))),
            Place::Row(table, key) => match row_at(self.transaction, &table, &key, path) {
                Ok(row) => Ok(row.map(|row| row.entry(&table, path.clone(), &Select::None))),
                Err(error) => {
                    *self.error.borrow_mut() = Some(error);
                    Err(Failure::new(FailureKind::Internal, path.clone()))
                }
            },
            Place::NoRow(_) | Place::NoTable | Place::Beyond => Ok(None),
        }
    }

    fn locks(&self) -> &dyn LockView {
        self.locks
    }
}
