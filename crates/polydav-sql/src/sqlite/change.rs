//! The statements that change rows: one after the other, or many together where that takes less, as
//! long as nothing is the matter with any of them.

use rusqlite::{CachedStatement, Connection};

use crate::database::{Behind, Change, Shape};
use crate::datum::{self, Datum};
use crate::error::{SqlError, SqlErrorKind};
use crate::row::Row;
use crate::schema::{Table, list};
use crate::statement::Key;

use super::{bind, read};

/// So many rows are changed together: with more of them a statement gets no faster.
pub(super) const TOGETHER: usize = 50;

/// A statement takes so many parameters, and some more.
const PARAMETERS_MAX: usize = 32_000;

/// The statements of a change.
///
/// An update isn't asked to tell what it made of the row: SQLite would set up a table for the
/// answer each time, which costs more than the update and a look at the row.
pub(super) struct Changing<'a> {
    table: &'a Table,
    shape: &'a Shape,
    one: CachedStatement<'a>,
    /// Updates [`TOGETHER`] rows, where that comes to the same as one after the other, and sooner.
    together: Option<CachedStatement<'a>>,
    /// Selects a row by its key, behind an update.
    look: Option<CachedStatement<'a>>,
}

impl<'a> Changing<'a> {
    pub(super) fn prepare(
        connection: &'a Connection,
        change: &'a Change,
        behind: Behind,
    ) -> rusqlite::Result<Self> {
        let Change { table, shape, rows } = change;
        let text = text(table, shape);
        let one = connection.prepare_cached(&text)?;
        let (mut together, mut look) = (None, None);
        if let Shape::Update { given, reset } = shape {
            look = Some(connection.prepare_cached(&self::look(table))?);
            // Behind one that isn't there, the others would be changed all the same; and if two
            // keys may be those of one row, either could be the last.
            let is_same = behind != Behind::Stop && table.has_exact_key && !table.has_far_effects;
            let parameters = TOGETHER * (given.len() + table.key.len());
            if is_same
                && rows.len() >= TOGETHER
                && parameters <= PARAMETERS_MAX
                && sets_up(connection, &text)?
            {
                let text = self::together(table, given, reset);
                together = Some(connection.prepare_cached(&text)?);
            }
        }
        Ok(Self { table, shape, one, together, look })
    }

    /// Changes all of these rows, but for those that aren't there; `false` if none was changed,
    /// which then is to be tried of each.
    pub(super) fn together(&mut self, rows: &[(Key, Vec<Datum>)]) -> Result<bool, SqlError> {
        let Some(together) = self.together.as_mut().filter(|_| rows.len() == TOGETHER) else {
            return Ok(false);
        };
        bind(together, rows.iter().flat_map(|(key, values)| values.iter().chain(key)))?;
        match together.raw_execute().map_err(SqlError::from) {
            Ok(_) => Ok(true),
            // One of them is at fault, and the whole statement was undone.
            Err(error) if error.is_about_row() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Changes a row; gives what it is now, or `None` if it isn't there.
    pub(super) fn one(&mut self, key: &Key, values: &[Datum]) -> Result<Option<Row>, SqlError> {
        match self.shape {
            Shape::Insert { .. } => {
                bind(&mut self.one, values)?;
                let mut rows = self.one.raw_query();
                let row = rows.next()?.map(|row| read(row, self.table)).transpose()?;
                while rows.next()?.is_some() {}
                return Ok(row);
            }
            Shape::Update { .. } | Shape::Delete => {
                bind(&mut self.one, values.iter().chain(key))?;
            }
        }
        match self.one.raw_execute()? {
            0 => Ok(None),
            _ => self.look(key),
        }
    }

    /// What the row of a key is now. Nothing is told of one that was removed.
    pub(super) fn look(&mut self, key: &Key) -> Result<Option<Row>, SqlError> {
        match &mut self.look {
            Some(look) => Ok(find(look, self.table, key)?),
            None => Ok(Some(Row(Vec::new()))),
        }
    }
}

/// Whether a statement sets up a table for itself, such as for the list of a CHECK: that takes longer
/// than changing a row, and is worth doing once for many. What isn't known again costs time alone.
fn sets_up(connection: &Connection, text: &str) -> rusqlite::Result<bool> {
    let mut explain = connection.prepare(&format!("EXPLAIN {text}"))?;
    let mut instructions = explain.raw_query();
    while let Some(instruction) = instructions.next()? {
        if instruction.get_ref("opcode")?.as_str()? == "OpenEphemeral" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Selects the row of a key.
pub(super) fn look(table: &Table) -> String {
    let key = key(table, |at| format!("?{}", at + 1));
    format!("SELECT {} FROM {} AS t WHERE {key}", table.outputs(), table.rows)
}

/// The row of a key, by a statement of [`look`].
pub(super) fn find(
    look: &mut CachedStatement<'_>,
    table: &Table,
    key: &Key,
) -> rusqlite::Result<Option<Row>> {
    bind(look, key)?;
    let mut rows = look.raw_query();
    rows.next()?.map(|row| read(row, table)).transpose()
}

/// Refuses a text that SQLite took for a number, unless that is the same: `007` would be told as 7
/// from now on.
pub(super) fn check_kept(change: &Change, values: &[Datum], row: &Row) -> Result<(), SqlError> {
    let (Shape::Insert { given } | Shape::Update { given, .. }) = &change.shape else {
        return Ok(());
    };
    for (&at, value) in given.iter().zip(values) {
        let (column, kept) = (&change.table.columns[at], &row.0[at]);
        if let (Datum::Text(text), Datum::Integer(_) | Datum::Real(_)) = (value, kept)
            && !datum::is_same_number(column, text, kept)
        {
            let said = "the database keeps this text as another one";
            let error = SqlError::new(SqlErrorKind::Value, said);
            return Err(SqlError { column: Some((&*column.name).into()), ..error });
        }
    }
    Ok(())
}

/// The statement that makes a change of one row: its values are bound first, its key then.
fn text(table: &Table, shape: &Shape) -> String {
    let quoted = &table.quoted;
    match shape {
        Shape::Insert { given } if given.is_empty() => {
            format!("INSERT INTO {quoted} DEFAULT VALUES RETURNING {}", table.outputs())
        }
        Shape::Insert { given } => {
            let names = list(given.iter().map(|&at| table.columns[at].quoted.as_str()));
            let places: Vec<_> = (1..=given.len()).map(|at| format!("?{at}")).collect();
            let (places, outputs) = (places.join(", "), table.outputs());
            format!("INSERT INTO {quoted} ({names}) VALUES ({places}) RETURNING {outputs}")
        }
        Shape::Update { given, reset } => {
            let value = |at| format!("?{}", at + 1);
            let sets = sets(table, given, reset, value);
            let key = key(table, |at| value(given.len() + at));
            format!("UPDATE {quoted} AS t SET {sets} WHERE {key}")
        }
        Shape::Delete => {
            let key = key(table, |at| format!("?{}", at + 1));
            format!("DELETE FROM {quoted} AS t WHERE {key}")
        }
    }
}

/// The statement that updates [`TOGETHER`] rows: of each, its values are bound first, its key then.
fn together(table: &Table, given: &[usize], reset: &[usize]) -> String {
    let columns = given.len() + table.key.len();
    let names: Vec<_> = (0..columns).map(|at| format!("\"~{at}\"")).collect();
    let value = |at: usize| format!("v.{}", names[at]);
    let sets = sets(table, given, reset, value);
    let key = key(table, |at| value(given.len() + at));
    let names = names.join(", ");
    let row = format!("({})", vec!["?"; columns].join(", "));
    let rows = vec![row; TOGETHER].join(", ");
    format!(
        "WITH v({names}) AS (VALUES {rows}) UPDATE {} AS t SET {sets} FROM v WHERE {key}",
        table.quoted
    )
}

/// SQLite has no word for a column's default in an update: the expression itself is written, as
/// the schema has it.
fn sets(
    table: &Table,
    given: &[usize],
    reset: &[usize],
    value: impl Fn(usize) -> String,
) -> String {
    let given = given.iter().enumerate();
    let given =
        given.map(|(at, &column)| format!("{} = {}", table.columns[column].quoted, value(at)));
    let reset = reset.iter().map(|&column| {
        let column = &table.columns[column];
        format!("{} = {}", column.quoted, column.default.as_deref().unwrap_or("NULL"))
    });
    given.chain(reset).collect::<Vec<_>>().join(", ")
}

/// What makes a row of `t` the one of a key, of which each part is told by its place.
fn key(table: &Table, value: impl Fn(usize) -> String) -> String {
    let parts = table.key_columns().enumerate();
    let parts = parts.map(|(at, column)| format!("t.{} = {}", column.quoted, value(at)));
    parts.collect::<Vec<_>>().join(" AND ")
}
