//! Which tables a file of SQLite has.

use std::collections::HashSet;

use polydav_store::ResourcePath;
use rusqlite::Connection;

use crate::datum::DIGITS_MAX;
use crate::options::{OpenError, Options};
use crate::schema::{Column, ColumnKind, Schema, Table, TableKind, quote};

/// Finds the tables that are served.
pub(super) fn find(connection: &Connection, options: &Options) -> Result<Schema, OpenError> {
    let found = Finder::new(connection)
        .and_then(|finder| finder.find(options))
        .map_err(|error| OpenError::Database(error.into()))?;
    let (names, tables) = found;
    options.check(names.iter().map(String::as_str), &tables)?;
    Ok(Schema::new(tables))
}

/// A table as the list of tables has it.
struct Listed {
    name: String,
    is_view: bool,
    has_rowid: bool,
    is_strict: bool,
    /// The statement that made it.
    sql: String,
}

/// A reference from one table to another.
struct Reference {
    from: String,
    column: String,
    to: String,
    /// Its column there; the key, if none is named.
    to_column: Option<String>,
    /// Whether it is one of several columns that refer together.
    is_part: bool,
    cascades: bool,
}

struct Finder<'a> {
    connection: &'a Connection,
    listed: Vec<Listed>,
    references: Vec<Reference>,
    triggered: HashSet<String>,
}

impl<'a> Finder<'a> {
    fn new(connection: &'a Connection) -> rusqlite::Result<Self> {
        let listed = listed(connection)?;
        let mut references = Vec::new();
        for table in &listed {
            references.extend(self::references(connection, &table.name)?);
        }
        let mut triggers = connection
            .prepare("SELECT lower(tbl_name) FROM sqlite_schema WHERE type = 'trigger'")?;
        let triggered = triggers.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(triggers);
        Ok(Self { connection, listed, references, triggered })
    }

    /// The names of all, and the tables that are served.
    fn find(&self, options: &Options) -> rusqlite::Result<(Vec<String>, Vec<Table>)> {
        let names = self.listed.iter().map(|listed| listed.name.clone()).collect();
        let mut tables = Vec::new();
        for listed in self.listed.iter().filter(|listed| options.serves(&listed.name)) {
            let mut table = self.table(listed)?;
            options.restrict(&mut table);
            let is_segment = ResourcePath::root().join(listed.name.as_bytes()).is_ok();
            if is_segment && (listed.is_view || !table.key.is_empty()) {
                tables.push(table);
            } else {
                tracing::info!(
                    table = listed.name,
                    "it has no key that could name its rows, and isn't served"
                );
            }
        }
        Ok((names, tables))
    }

    fn table(&self, listed: &Listed) -> rusqlite::Result<Table> {
        let compared = self.compared(&listed.name)?;
        let (mut columns, mut key) = self.columns(listed, &compared)?;
        let indexed = self.key_collations(&listed.name)?;
        // A number and a text that looks like it would have the same name; and a statement would
        // find several rows at one key.
        if key.iter().any(|&at| columns[at].kind == ColumnKind::Any)
            || self.finds_several(listed, key.iter().map(|&at| &columns[at]).zip(&indexed))?
        {
            key.clear();
        }
        let rowid = indexed.is_empty() && is_rowid(listed, &columns, &key);
        if rowid {
            // It is a number that SQLite gives, if nobody else does.
            let column = &mut columns[key[0]];
            (column.is_nullable, column.default) = (false, Some("NULL".to_owned()));
        }
        let touches = |reference: &Reference| {
            same(&reference.from, &listed.name) || same(&reference.to, &listed.name)
        };
        let mut touching = self.references.iter().filter(|reference| touches(reference));
        let is_deferred = touching.clone().any(|reference| self.is_deferred(&reference.from));
        let has_far_effects = self.triggered.contains(&listed.name.to_ascii_lowercase())
            || has_words(&listed.sql, "ON CONFLICT")
            || touching.clone().any(|reference| reference.cascades);
        let is_single =
            has_far_effects || touching.any(|reference| same(&reference.from, &reference.to));
        Ok(Table {
            name: listed.name.as_str().into(),
            quoted: format!("\"main\".{}", quote(&listed.name)),
            rows: format!("\"main\".{}", quote(&listed.name)),
            kind: if listed.is_view { TableKind::View } else { TableKind::Table },
            has_loose_key: !rowid && !listed.is_strict,
            has_exact_key: rowid || compares_bytes(listed, &columns, &key, &indexed),
            read_only: why_read_only(listed, &columns, &key, rowid),
            has_far_effects,
            is_single,
            is_deferred,
            // Who changes anything is alone: what is looked for and not there can be made.
            key_constraints: HashSet::new(),
            constraints: checks(&listed.sql, &columns),
            references: self.leads(&listed.name, &columns),
            columns,
            key,
        })
    }

    /// The columns, and which are the key.
    fn columns(
        &self,
        listed: &Listed,
        compared: &Option<HashSet<String>>,
    ) -> rusqlite::Result<(Vec<Column>, Vec<usize>)> {
        let sql =
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?)";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([&listed.name])?;
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
            let (place, hidden): (i64, i64) = (row.get(4)?, row.get(5)?);
            // A column of a virtual table that no star tells of.
            if hidden == 1 {
                continue;
            }
            if place > 0 {
                key.push((place, columns.len()));
            }
            let default: Option<String> = row.get(3)?;
            columns.push(Column {
                quoted: quote(&name),
                output: quote(&name),
                kind: kind(&declared),
                cast: String::new(),
                is_nullable: !row.get::<_, bool>(2)?,
                default: default.map(|told| default_value(&told)),
                is_read_only: hidden != 0,
                is_compared: compared.as_ref().is_none_or(|names| names.contains(&name)),
                declared: declared.into(),
                name: name.into(),
            });
        }
        key.sort_unstable();
        Ok((columns, key.into_iter().map(|(_, at)| at).collect()))
    }

    /// The columns whose values are compared with those of other rows; `None` if all may be: by an
    /// index of an expression, of a generated column, or of some of the rows.
    ///
    /// References are among them, wherever they lead: a statement only counts those that lead
    /// nowhere, and one that it mends would make up for one that it breaks.
    fn compared(&self, table: &str) -> rusqlite::Result<Option<HashSet<String>>> {
        let sql = "SELECT c.name, i.partial OR c.cid = -2 OR coalesce(x.hidden, 0) <> 0 \
                   FROM pragma_index_list(?1) AS i, pragma_index_info(i.name) AS c \
                   LEFT JOIN pragma_table_xinfo(?1) AS x ON x.cid = c.cid WHERE i.\"unique\"";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([table])?;
        let own = self.references.iter().filter(|reference| same(&reference.from, table));
        let mut compared: HashSet<_> = own.map(|reference| reference.column.clone()).collect();
        while let Some(row) = rows.next()? {
            if row.get(1)? {
                return Ok(None);
            }
            compared.extend(row.get::<_, Option<String>>(0)?);
        }
        Ok(Some(compared))
    }

    /// What selects the rows that a table's columns refer to.
    fn leads(&self, table: &str, columns: &[Column]) -> Vec<(usize, String)> {
        let own = self
            .references
            .iter()
            .filter(|reference| same(&reference.from, table) && !reference.is_part);
        own.filter_map(|Reference { column, to, to_column, .. }| {
            let at = columns.iter().position(|known| same(&known.name, column))?;
            let key = match to_column {
                Some(column) => column.clone(),
                None => self.key_of(to).ok()?,
            };
            Some((at, format!("SELECT 1 FROM \"main\".{} WHERE {} = ?1", quote(to), quote(&key))))
        })
        .collect()
    }

    fn key_of(&self, table: &str) -> rusqlite::Result<String> {
        let sql = "SELECT name FROM pragma_table_info(?) WHERE pk = 1";
        self.connection.query_row(sql, [table], |row| row.get(0))
    }

    /// Whether a constraint of the table may be looked at no sooner than at the commit. SQLite
    /// doesn't tell, but keeps the statement that made the table.
    fn is_deferred(&self, table: &str) -> bool {
        let listed = self.listed.iter().find(|listed| same(&listed.name, table));
        listed.is_some_and(|listed| has_words(&listed.sql, "INITIALLY DEFERRED"))
    }

    /// Whether statements compare the columns of a key less strictly than its index, whose collations
    /// are given.
    fn finds_several<'b>(
        &self,
        listed: &Listed,
        key: impl Iterator<Item = (&'b Column, &'b String)>,
    ) -> rusqlite::Result<bool> {
        for (column, indexed) in key {
            let (_, own, ..) =
                self.connection.column_metadata(Some("main"), &*listed.name, &*column.name)?;
            let own = own.unwrap_or_default();
            let own = own.to_string_lossy();
            if !same(&own, "BINARY") && !same(&own, indexed) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How the index of the key compares each of its columns. A key that is the row's own number has
    /// none.
    fn key_collations(&self, table: &str) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT c.coll FROM pragma_index_list(?1) AS i, pragma_index_xinfo(i.name) AS c \
                   WHERE i.origin = 'pk' AND c.key";
        let mut statement = self.connection.prepare(sql)?;
        statement.query_map([table], |row| row.get(0))?.collect()
    }
}

/// Whether the key compares as its texts do: texts byte by byte, and nothing else beside them.
fn compares_bytes(
    listed: &Listed,
    columns: &[Column],
    key: &[usize],
    collations: &[String],
) -> bool {
    let is_exact = |&at: &usize| match columns[at].kind {
        ColumnKind::Text => true,
        ColumnKind::Integer { .. } => listed.is_strict,
        _ => false,
    };
    key.iter().all(is_exact) && collations.iter().all(|name| same(name, "BINARY"))
}

/// The expression of a default. SQLite takes a name there for a text, and would take it for a column
/// elsewhere. It may end in a comment.
fn default_value(told: &str) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || "_$".contains(letter);
    let inner = told.get(1..told.len().saturating_sub(1)).unwrap_or_default();
    let name = match told.chars().next() {
        Some('"') => inner.replace("\"\"", "\""),
        Some('`') => inner.replace("``", "`"),
        Some('[') => inner.to_owned(),
        Some(first) if !first.is_numeric() && told.chars().all(is_part) && !is_value(told) => {
            told.to_owned()
        }
        _ => return format!("({told}\n)"),
    };
    format!("'{}'", name.replace('\'', "''"))
}

/// Whether a word is no name in an expression.
fn is_value(word: &str) -> bool {
    let values = ["NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"];
    values.iter().any(|value| same(value, word))
}

fn listed(connection: &Connection) -> rusqlite::Result<Vec<Listed>> {
    let sql = "SELECT l.name, l.type, l.wr, l.strict, coalesce(s.sql, '') \
               FROM pragma_table_list AS l \
               JOIN sqlite_schema AS s ON s.name = l.name AND s.type = l.type \
               WHERE l.schema = 'main' AND l.type IN ('table', 'view') \
               AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql)?;
    let listed = statement.query_map([], |row| {
        Ok(Listed {
            name: row.get(0)?,
            is_view: row.get::<_, String>(1)? == "view",
            has_rowid: !row.get::<_, bool>(2)?,
            is_strict: row.get(3)?,
            sql: row.get(4)?,
        })
    })?;
    listed.collect()
}

fn references(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Reference>> {
    let sql = "SELECT \"from\", \"table\", on_update, on_delete, \"to\", \
               count(*) OVER (PARTITION BY id) > 1 FROM pragma_foreign_key_list(?)";
    let mut statement = connection.prepare(sql)?;
    let references = statement.query_map([table], |row| {
        let acts = |action: String| !matches!(&*action, "NO ACTION" | "RESTRICT");
        Ok(Reference {
            from: table.to_owned(),
            column: row.get(0)?,
            to: row.get(1)?,
            to_column: row.get(4)?,
            is_part: row.get(5)?,
            cascades: acts(row.get(2)?) || acts(row.get(3)?),
        })
    })?;
    references.collect()
}

/// Named checks that are about a single column. SQLite tells of a broken check by its name, and of
/// its columns nothing; the statement that made the table does.
fn checks(sql: &str, columns: &[Column]) -> Vec<(Box<str>, usize)> {
    let words = words(sql);
    let mut checks = Vec::new();
    for (at, three) in words.windows(3).enumerate() {
        let [constraint, name, check] = three else { continue };
        if !same(constraint, "CONSTRAINT") || !same(check, "CHECK") {
            continue;
        }
        let within = inside(&words[at + 3..]);
        let column = |word: &&str| columns.iter().position(|column| same(&column.name, word));
        let mut named: Vec<_> = within.iter().filter_map(column).collect();
        named.dedup();
        if let [one] = named[..] {
            checks.push(((*name).into(), one));
        }
    }
    checks
}

/// The words of a statement, without their quotes, and each parenthesis.
fn words(sql: &str) -> Vec<&str> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut words = Vec::new();
    let mut rest = sql;
    while let Some(start) = rest.find(|letter: char| is_part(letter) || "()".contains(letter)) {
        rest = &rest[start..];
        let end = match rest.find(|letter: char| !is_part(letter)) {
            Some(0) => 1,
            Some(end) => end,
            None => rest.len(),
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

/// What stands between the parenthesis at the beginning and its counterpart.
fn inside<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    let mut depth = 0;
    let end = words.iter().position(|word| {
        match *word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &words[..end.unwrap_or(words.len())]
}

/// Whether these words follow each other in a statement.
fn has_words(sql: &str, wanted: &str) -> bool {
    let words = words(sql).join(" ").to_uppercase();
    words.contains(wanted)
}

/// Names of SQLite are the same in upper and lower case.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether the key is the row's own number, which is never null and never anything else.
fn is_rowid(listed: &Listed, columns: &[Column], key: &[usize]) -> bool {
    match key {
        [at] => listed.has_rowid && columns[*at].declared.eq_ignore_ascii_case("INTEGER"),
        _ => false,
    }
}

fn why_read_only(
    listed: &Listed,
    columns: &[Column],
    key: &[usize],
    rowid: bool,
) -> Option<&'static str> {
    if listed.is_view {
        return Some("it is a view");
    }
    let mut parts = key.iter().map(|&at| &columns[at]);
    if parts.clone().any(|column| column.kind == ColumnKind::Bytes) {
        return Some("bytes are part of its key, and can't be written in a URL");
    }
    // Only where there is no number of the row, the key is never null by itself.
    if !rowid && listed.has_rowid && parts.any(|column| column.is_nullable) {
        return Some("its key may be null");
    }
    None
}

/// How a column's values are written, by its declared type: the affinity of SQLite (its §3.1), and
/// the names that people use beyond it.
fn kind(declared: &str) -> ColumnKind {
    let declared = declared.to_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["BOOL"]) {
        ColumnKind::Boolean
    } else if has(&["JSON"]) {
        ColumnKind::Json
    } else if has(&["INT"]) {
        ColumnKind::INTEGER
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        ColumnKind::Text
    } else if has(&["BLOB", "BYTEA", "BINARY"]) {
        ColumnKind::Bytes
    } else if declared.is_empty() || declared == "ANY" {
        ColumnKind::Any
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        ColumnKind::Real { has_nan: false }
    } else if has(&["NUM", "DEC"]) {
        ColumnKind::Decimal { digits_max: Some(DIGITS_MAX) }
    } else {
        ColumnKind::Named
    }
}
