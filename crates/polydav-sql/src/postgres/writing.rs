//! `Writing`: a transaction of PostgreSQL, which knows the rows that it holds.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polydav_store::Commit;

use crate::database::{Behind, Change, Changed, Patience, Shape, Transaction, Wanted};
use crate::datum;
use crate::error::{SqlError, SqlErrorKind};
use crate::row::Row;
use crate::schema::Table;
use crate::statement::{self, Key, Parameters};

use super::change::{self, Suspect};
use super::session::{Session, Way};
use super::{name_of, placeholder, read};

/// How often rows are taken hold of that were made while others were waited for.
const HOLD_TRIES_MAX: u32 = 4;

/// The names of rows, by table.
type Known = HashMap<(*const Table, String), Option<Row>>;

/// A transaction that is under way.
pub(super) struct Writing<'a> {
    session: &'a Session,
    /// Begins it anew, after it was rolled back.
    begin: &'a dyn Fn(),
    patience: Patience,
    /// The names of rows that others hold.
    held: RefCell<HashSet<(*const Table, String)>>,
    /// The names that are no keys of the tables they are asked of.
    unreadable: RefCell<HashSet<(*const Table, String)>>,
    /// The rows it holds, as they are by now.
    rows: RefCell<Known>,
    /// What has one bad value among several.
    suspect: Cell<Option<Suspect>>,
}

fn name(table: &Table, key: &Key) -> String {
    let parts = table.key_columns().zip(key);
    polydav_store::key::write(parts.map(|(column, datum)| datum::to_text(column, datum)))
}

impl<'a> Writing<'a> {
    /// The transaction that `begin` began.
    pub(super) fn new(session: &'a Session, begin: &'a dyn Fn(), patience: Patience) -> Self {
        Self {
            session,
            begin,
            patience,
            held: RefCell::default(),
            unreadable: RefCell::default(),
            rows: RefCell::default(),
            suspect: Cell::default(),
        }
    }

    /// The values of a change that failed, if it has to be found out which of them was bad.
    pub(super) fn into_suspect(self) -> Option<Suspect> {
        self.suspect.into_inner()
    }

    /// Whether a change may be committed as soon as it is made: nothing has to be looked at
    /// afterwards.
    fn needs_nothing_more(&self, change: &Change) -> bool {
        let table = &change.table;
        self.patience == Patience::Little && table.has_exact_key && !table.has_far_effects
    }

    fn know(&self, table: &Arc<Table>, name: String, row: Option<Row>) {
        self.rows.borrow_mut().insert((Arc::as_ptr(table), name), row);
    }

    /// Takes hold of rows, table by table.
    fn hold(&self, by_table: &[(&Arc<Table>, Vec<&Wanted>)]) -> Result<(), SqlError> {
        for (table, wanted) in by_table {
            let goes = wanted.iter().any(|wanted| wanted.goes);
            let keys = wanted.iter().map(|wanted| &wanted.key);
            let keys = keys.filter(|key| !self.is_unreadable(table, key)).cloned().collect();
            for wanted in wanted {
                self.know(table, name(table, &wanted.key), None);
            }
            self.hold_all(table, keys, goes)?;
        }
        Ok(())
    }

    /// Takes hold of rows of a table. While we wait for a row somebody may remove it and make it
    /// again: then the one that is waited for is gone, and the new one wasn't there to be seen.
    fn hold_all(&self, table: &Arc<Table>, keys: Vec<Key>, goes: bool) -> Result<(), SqlError> {
        let mut missing = keys;
        for _ in 0..HOLD_TRIES_MAX {
            self.hold_once(table, &missing, goes)?;
            missing.retain(|key| !self.holds(table, &name(table, key)));
            if missing.is_empty() {
                return Ok(());
            }
            let keys = change::Arrays::of_keys(table, missing.iter());
            let there = self.session.query(&change::see(table), &keys.0)?;
            let there: Vec<_> =
                there.iter().map(|row| read(row, table, 0)).collect::<Result<_, _>>()?;
            let there = there.iter().filter(|row| !self.holds(table, &row.name(table)));
            if self.patience == Patience::None {
                let names = there.map(|row| (Arc::as_ptr(table), row.name(table)));
                self.held.borrow_mut().extend(names);
                return Ok(());
            }
            missing = there.map(|row| row.key(table)).collect();
            if missing.is_empty() {
                return Ok(());
            }
        }
        Err(SqlError::new(SqlErrorKind::Again, "rows are made as fast as they are removed"))
    }

    fn hold_once(&self, table: &Arc<Table>, keys: &[Key], goes: bool) -> Result<(), SqlError> {
        let hold = change::hold(table, goes, self.patience);
        let keys = change::Arrays::of_keys(table, keys.iter());
        for row in &self.session.query(&hold, &keys.0)? {
            let row = read(row, table, 0)?;
            self.know(table, row.name(table), Some(row));
        }
        Ok(())
    }

    fn holds(&self, table: &Arc<Table>, name: &str) -> bool {
        let rows = self.rows.borrow();
        matches!(rows.get(&(Arc::as_ptr(table), name.to_owned())), Some(Some(_)))
    }

    fn is_unreadable(&self, table: &Arc<Table>, key: &Key) -> bool {
        let unreadable = self.unreadable.borrow();
        !unreadable.is_empty() && unreadable.contains(&(Arc::as_ptr(table), name(table, key)))
    }

    /// Finds out which rows can't be, since their names say what no key of their tables is.
    fn leave_out_unreadable(
        &self,
        by_table: &[(&Arc<Table>, Vec<&Wanted>)],
    ) -> Result<(), SqlError> {
        for (table, wanted) in by_table {
            let keys: Vec<_> = wanted.iter().map(|wanted| &wanted.key).collect();
            let found = change::unreadable(self.session, table, &keys)?;
            let names = found.into_iter().map(|at| (Arc::as_ptr(table), name(table, keys[at])));
            self.unreadable.borrow_mut().extend(names);
        }
        Ok(())
    }
}

impl Transaction for Writing<'_> {
    fn commit(&self) -> Commit {
        match self.session.number() {
            Some(number) => Commit::Named(name_of(&number, self.session.started())),
            None => Commit::Nothing,
        }
    }

    fn knows_rows(&self) -> bool {
        true
    }

    fn prefetch(&self, wanted: &[Wanted]) -> Result<(), SqlError> {
        let mut by_table: Vec<(&Arc<Table>, Vec<&Wanted>)> = Vec::new();
        for row in wanted {
            match by_table.iter_mut().find(|(table, _)| Arc::ptr_eq(table, &row.table)) {
                Some((_, rows)) => rows.push(row),
                None => by_table.push((&row.table, vec![row])),
            }
        }
        // In one order everywhere: who takes hold of rows in different orders waits in a circle.
        by_table.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        match self.hold(&by_table) {
            // Nothing was done so far.
            Err(error) if error.kind == SqlErrorKind::Value => {
                self.session.roll_back();
                self.leave_out_unreadable(&by_table)?;
                (self.begin)();
                self.hold(&by_table)
            }
            held => held,
        }
    }

    fn row(&self, table: &Arc<Table>, key: &Key) -> Result<Option<Row>, SqlError> {
        if self.is_unreadable(table, key) {
            return Ok(None);
        }
        let name = name(table, key);
        if self.held.borrow().contains(&(Arc::as_ptr(table), name.clone())) {
            return Err(SqlError::new(SqlErrorKind::Held, "somebody else holds the row"));
        }
        if let Some(known) = self.rows.borrow().get(&(Arc::as_ptr(table), name.clone())) {
            return Ok(known.clone());
        }
        let mut parameters = Parameters::new(placeholder);
        let is = statement::key_is(table, key, &mut parameters);
        let text = format!(
            "SELECT {} FROM {} AS t WHERE {is} FOR NO KEY UPDATE OF t",
            table.outputs(),
            table.rows
        );
        let statement = parameters.finish(text);
        let parameters: Vec<_> = statement.parameters.iter().map(super::text).collect();
        let found = self.session.query(&statement.text, &parameters)?;
        let row = found.first().map(|row| read(row, table, 0)).transpose()?;
        self.know(table, name, row.clone());
        Ok(row)
    }

    fn change(&self, change: &Change, behind: Behind) -> Result<Vec<Changed>, SqlError> {
        let way = match behind {
            Behind::Nothing if self.needs_nothing_more(change) => Way::Alone,
            _ => Way::Within,
        };
        let changed = change::make(self.session, change, way);
        let changed = changed.map_err(|error| {
            let error = error.of(&change.shape).if_made(change).about(change);
            if let ([(_, values)], SqlErrorKind::Value | SqlErrorKind::Check, None) =
                (&*change.rows, error.kind, &error.column)
            {
                self.suspect.set(Suspect::of_change(change, values));
            }
            error
        })?;
        if change.table.has_far_effects {
            // Rows may have changed that nobody named.
            self.rows.borrow_mut().clear();
            return Ok(changed.into_iter().map(Ok).collect());
        }
        for ((key, _), row) in change.rows.iter().zip(&changed) {
            match (&change.shape, row) {
                (Shape::Delete, _) => {
                    self.know(&change.table, name(&change.table, key), None);
                }
                (_, Some(row)) => {
                    self.know(&change.table, row.name(&change.table), Some(row.clone()));
                }
                (_, None) => {}
            }
        }
        Ok(changed.into_iter().map(Ok).collect())
    }
}
