//! SQLite, asked by hand.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::Result;

use super::{Change, Database, Random, tables};

/// A file, and a connection to it.
pub(super) struct Sqlite {
    file: PathBuf,
    connection: Connection,
}

impl Sqlite {
    pub(super) fn make(folder: &Path, rows: usize) -> Result<Self> {
        let file = folder.join("orders.db");
        let connection = Connection::open(&file)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let series = format!(
            "(WITH RECURSIVE s (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             SELECT n FROM s)"
        );
        connection.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = FULL")?;
        let tables = tables("integer", "numeric", &series, rows);
        connection.execute_batch(&format!("BEGIN; {tables} COMMIT"))?;
        Ok(Self { file, connection })
    }
}

impl Database for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn source(&self) -> String {
        format!("sqlite:{}", self.file.display())
    }

    fn update(&mut self, changes: &[Change]) -> Result<Duration> {
        let places = vec!["(?, ?, ?)"; changes.len()].join(", ");
        let text = format!(
            "WITH v (id, status, note) AS (VALUES {places}) \
             UPDATE orders SET status = v.status, note = v.note FROM v WHERE orders.id = v.id"
        );
        let start = Instant::now();
        let mut statement = self.connection.prepare(&text)?;
        for (at, change) in changes.iter().enumerate() {
            statement.raw_bind_parameter(3 * at + 1, change.id as i64)?;
            statement.raw_bind_parameter(3 * at + 2, change.status)?;
            statement.raw_bind_parameter(3 * at + 3, &*change.note)?;
        }
        let changed = statement.raw_execute()?;
        let took = start.elapsed();
        if changed != changes.len() {
            return Err(format!("{changed} rows were changed by hand").into());
        }
        Ok(took)
    }

    fn select(&mut self, rows: usize) -> Result<Duration> {
        let start = Instant::now();
        let text = "SELECT id, customer, status, total, note FROM orders ORDER BY id";
        let mut statement = self.connection.prepare(text)?;
        let mut found = statement.query([])?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            for column in 0..5 {
                std::hint::black_box(row.get::<_, Value>(column)?);
            }
            count += 1;
        }
        if count != rows {
            return Err(format!("{count} rows were read by hand").into());
        }
        Ok(start.elapsed())
    }

    fn updates(&mut self, rows: usize, time: Duration) -> Result<f64> {
        let text = "UPDATE orders SET status = ?, note = ? WHERE id = ?";
        let mut statement = self.connection.prepare(text)?;
        let mut ids = Random::new(0, rows);
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            let change = Change::new(ids.next(), count);
            statement.execute((change.status, change.note, change.id as i64))?;
            count += 1;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    }
}
