//! Changing many rows by one statement: their values come as arrays, one for each column.

use crate::database::{Change, Patience, Shape};
use crate::datum::Datum;
use crate::error::{SqlError, SqlErrorKind};
use crate::row::Row;
use crate::schema::{Table, list};
use crate::statement::Key;

use super::session::{Session, Way};
use super::{read, text};

/// Values of many rows, column by column.
pub(super) struct Arrays(pub(super) Vec<Vec<Option<String>>>);

impl Arrays {
    /// The keys of these rows.
    pub(super) fn of_keys<'a>(table: &Table, keys: impl Iterator<Item = &'a Key> + Clone) -> Self {
        let column = |at: usize| keys.clone().map(move |key| text(&key[at])).collect();
        Self((0..table.key.len()).map(column).collect())
    }

    /// The values of the rows of a change, and then their keys.
    fn of(change: &Change) -> Self {
        let given = match &change.shape {
            Shape::Insert { given } | Shape::Update { given, .. } => given.len(),
            Shape::Delete => 0,
        };
        let column = |at: usize| change.rows.iter().map(|(_, values)| text(&values[at])).collect();
        let mut arrays: Vec<_> = (0..given).map(column).collect();
        if !matches!(change.shape, Shape::Insert { .. }) {
            let keys = Self::of_keys(&change.table, change.rows.iter().map(|(key, _)| key));
            arrays.extend(keys.0);
        }
        Self(arrays)
    }
}

/// A source of the rows of a change, as [`unnest`] is. One row comes as values of its own: the
/// database then keeps its plan, and needn't make one each time.
fn source(change: &Change, columns: usize) -> String {
    if change.rows.len() != 1 {
        return unnest(columns);
    }
    let places: String = (1..=columns).map(|at| format!("${at}::text, ")).collect();
    let names: String = (1..=columns).map(|at| format!("\"~{at}\", ")).collect();
    format!("(VALUES ({places}1::bigint)) AS v({names}\"~n\")")
}

/// A source of rows named `v`: a column `~1` and so on for each array, and `~n`, the number of the
/// row from 1.
fn unnest(arrays: usize) -> String {
    let places: Vec<_> = (1..=arrays).map(|at| format!("${at}::text[]")).collect();
    let names: Vec<_> = (1..=arrays).map(|at| format!("\"~{at}\"")).collect();
    let (places, names) = (places.join(", "), names.join(", "));
    format!("unnest({places}) WITH ORDINALITY AS v({names}, \"~n\")")
}

/// What joins the rows of a table to `v`, where the key stands behind so many columns.
fn joined(table: &Table, behind: usize) -> String {
    let parts = table.key_columns().enumerate().map(|(at, column)| {
        format!("t.{} = v.\"~{}\"::{}", column.quoted, behind + at + 1, column.cast)
    });
    parts.collect::<Vec<_>>().join(" AND ")
}

/// Takes hold of rows by their keys, in the order of the keys. What is only changed needn't hold up
/// those who refer to it. Without patience, rows that others hold are left out.
pub(super) fn hold(table: &Table, goes: bool, patience: Patience) -> String {
    let strength = if goes { "UPDATE" } else { "NO KEY UPDATE" };
    let skip = if patience == Patience::None { " SKIP LOCKED" } else { "" };
    format!("{} FOR {strength} OF t{skip}", see(table))
}

/// Reads rows by their keys, in the order of the keys.
pub(super) fn see(table: &Table) -> String {
    format!(
        "SELECT {} FROM {} AS t JOIN {} ON {} ORDER BY {}",
        table.outputs(),
        table.rows,
        unnest(table.key.len()),
        joined(table, 0),
        table.key_quoted(),
    )
}

/// Makes a change; for each row, what it is now.
pub(super) fn make(
    session: &Session,
    change: &Change,
    way: Way,
) -> Result<Vec<Option<Row>>, SqlError> {
    let mut changed: Vec<Option<Row>> = change.rows.iter().map(|_| None).collect();
    if let Shape::Insert { given } = &change.shape
        && given.is_empty()
    {
        let (quoted, outputs) = (&change.table.quoted, change.table.outputs());
        let statement = format!("INSERT INTO {quoted} AS t DEFAULT VALUES RETURNING {outputs}");
        for row in &mut changed {
            let rows = session.change::<&str>(&statement, &[], way)?;
            *row = rows.first().map(|row| read(row, &change.table, 0)).transpose()?;
        }
        return Ok(changed);
    }
    let (statement, Arrays(arrays)) = (statement(change), Arrays::of(change));
    // What is committed by now, and can't be read, was done all the same.
    let in_doubt = |error| match way {
        Way::Alone => SqlError { kind: SqlErrorKind::InDoubt, ..error },
        Way::Within => error,
    };
    let rows = match change.rows.len() {
        1 => session.change(&statement, &arrays.concat(), way)?,
        _ => session.change(&statement, &arrays, way)?,
    };
    let is_short = change.rows.len() > 1 && rows.len() < change.rows.len();
    if is_short && matches!(change.shape, Shape::Insert { .. }) {
        // Which of them was left out, it doesn't say.
        return Err(SqlError::new(SqlErrorKind::Refused, "not every row was made"));
    }
    for (at, row) in rows.iter().enumerate() {
        let (at, row) = match change.shape {
            // An insertion tells of rows in the order of their making, and of nothing else.
            Shape::Insert { .. } => (at, read(row, &change.table, 0).map_err(in_doubt)?),
            Shape::Update { .. } | Shape::Delete => {
                let number = usize::try_from(row.get::<_, i64>(0)).unwrap_or_default();
                (number - 1, read(row, &change.table, 1).map_err(in_doubt)?)
            }
        };
        changed[at] = Some(row);
    }
    Ok(changed)
}

fn statement(change: &Change) -> String {
    let Change { table, shape, .. } = change;
    let (quoted, rows, outputs) = (&table.quoted, &table.rows, table.outputs());
    let value = |(at, &column): (usize, &usize)| {
        format!("v.\"~{}\"::{}", at + 1, table.columns[column].cast)
    };
    match shape {
        Shape::Insert { given } => {
            let names = list(given.iter().map(|&at| table.columns[at].quoted.as_str()));
            let values: Vec<_> = given.iter().enumerate().map(value).collect();
            let (values, source) = (values.join(", "), source(change, given.len()));
            format!(
                "INSERT INTO {quoted} AS t ({names}) SELECT {values} FROM {source} ORDER BY v.\"~n\" \
                 RETURNING {outputs}"
            )
        }
        Shape::Update { given, reset } => {
            let name = |at: usize| &table.columns[at].quoted;
            let sets = given.iter().enumerate();
            let sets =
                sets.map(|(at, column)| format!("{} = {}", name(*column), value((at, column))));
            let resets = reset.iter().map(|&at| format!("{} = DEFAULT", name(at)));
            let sets: Vec<_> = sets.chain(resets).collect();
            let (sets, source) = (sets.join(", "), source(change, given.len() + table.key.len()));
            let joined = joined(table, given.len());
            format!(
                "UPDATE {rows} AS t SET {sets} FROM {source} WHERE {joined} \
                 RETURNING v.\"~n\", {outputs}"
            )
        }
        Shape::Delete => {
            let (source, joined) = (source(change, table.key.len()), joined(table, 0));
            format!(
                "DELETE FROM {rows} AS t USING {source} WHERE {joined} \
                 RETURNING v.\"~n\", {outputs}"
            )
        }
    }
}

/// Which of these keys are none that the table can have, by their places: a text isn't one of a
/// column's type.
pub(super) fn unreadable(
    session: &Session,
    table: &Table,
    keys: &[&Key],
) -> Result<Vec<usize>, SqlError> {
    let casts = table.key_columns().enumerate();
    let casts = casts.map(|(at, column)| format!("count(v.\"~{}\"::{})", at + 1, column.cast));
    let casts = casts.collect::<Vec<_>>().join(", ");
    let statement = format!("SELECT {casts} FROM {}", unnest(table.key.len()));
    let (mut found, mut todo) = (Vec::new(), vec![(0, keys)]);
    while let Some((first, keys)) = todo.pop() {
        let arrays = Arrays::of_keys(table, keys.iter().copied());
        match session.query_apart(&statement, &arrays.0) {
            Ok(_) => {}
            Err(error) if error.kind != SqlErrorKind::Value => return Err(error),
            Err(_) if keys.len() == 1 => found.push(first),
            Err(_) => {
                let (front, back) = keys.split_at(keys.len() / 2);
                todo.extend([(first, front), (first + front.len(), back)]);
            }
        }
    }
    Ok(found)
}

/// Values of which one isn't of its column's type, or its domain's: the database doesn't say which.
pub(super) struct Suspect(Vec<Value>);

struct Value {
    column: Box<str>,
    /// The type with its bounds.
    declared: Box<str>,
    /// The type without.
    cast: String,
    text: Option<String>,
}

impl Suspect {
    /// The values of a row that is changed.
    pub(super) fn of_change(change: &Change, values: &[Datum]) -> Option<Self> {
        let (Shape::Insert { given } | Shape::Update { given, .. }) = &change.shape else {
            return None;
        };
        Some(Self::of(&change.table, given.iter().zip(values)))
    }

    pub(super) fn of<'a>(
        table: &Table,
        values: impl Iterator<Item = (&'a usize, &'a Datum)>,
    ) -> Self {
        let value = |(&at, datum): (&usize, &Datum)| {
            let column = &table.columns[at];
            Value {
                column: (&*column.name).into(),
                declared: column.declared.clone(),
                cast: column.cast.clone(),
                text: text(datum),
            }
        };
        Self(values.map(value).collect())
    }

    /// Names the column in the error of a step, by having each value read alone.
    pub(super) fn blame(self, session: &Session, error: &mut SqlError) {
        let bad = self.0.into_iter().find(|value| value.is_bad(session));
        error.column = bad.map(|value| value.column);
    }
}

impl Value {
    fn is_bad(&self, session: &Session) -> bool {
        let (Some(text), Self { declared, cast, .. }) = (&self.text, self) else { return false };
        let cut = format!("rtrim($1::text::{declared}::text) <> rtrim($1::text::{cast}::text)");
        match session.query_apart(&format!("SELECT {cut}"), &[text]) {
            // A text or a string of bits that is too long is cut here, and refused where it is
            // stored; a number is rounded in both places.
            Ok(rows) => {
                let is_cut = rows.first().and_then(|row| row.get(0)).unwrap_or(false);
                is_cut && (cast.contains("char") || cast.contains("bit"))
            }
            Err(error) => matches!(error.kind, SqlErrorKind::Value | SqlErrorKind::Check),
        }
    }
}
