//! PostgreSQL, asked by hand and by pgbench.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conformance::Folder;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use crate::Result;

use super::{Change, Database, tables};

/// A server, a database of it, and a session.
pub(super) struct Postgres {
    client: Client,
    runtime: Runtime,
    database: String,
    /// What pgbench does.
    script: PathBuf,
    server: conformance::Postgres,
}

impl Postgres {
    pub(super) fn make(image: &Path, rows: usize) -> Result<Self> {
        let home = Folder::new_in(image);
        let script = home.join("update.sql");
        let text = format!(
            "\\set id random(1, {rows})\n\\set day random(1, 10000)\n\
             UPDATE orders SET status = 'paid', \
             note = 'left at the door, day ' || :day::text || ' of order ' || :id::text \
             WHERE id = :id::bigint;\n"
        );
        fs::write(&script, text)?;
        let server = conformance::Postgres::start_in(home);
        let series = format!("generate_series(1, {rows}) AS s (n)");
        let database = server.database(&tables("bigint", "numeric(12, 2)", &series, rows));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&server.url(&database), NoTls).await?;
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Self { client, runtime, database, script, server })
    }
}

impl Database for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn source(&self) -> String {
        self.server.url(&self.database)
    }

    fn update(&mut self, changes: &[Change]) -> Result<Duration> {
        let mut values = String::new();
        for Change { id, status, note } in changes {
            let separator = if values.is_empty() { "" } else { ", " };
            write!(values, "{separator}({id}, '{status}', '{note}')")?;
        }
        let text = format!(
            "UPDATE orders SET status = v.status, note = v.note \
             FROM (VALUES {values}) AS v (id, status, note) WHERE orders.id = v.id"
        );
        let start = Instant::now();
        let changed = self.runtime.block_on(self.client.execute(&text, &[]))?;
        let took = start.elapsed();
        if changed != changes.len() as u64 {
            return Err(format!("{changed} rows were changed by hand").into());
        }
        Ok(took)
    }

    fn select(&mut self, rows: usize) -> Result<Duration> {
        let start = Instant::now();
        let text = "SELECT id, customer, status, total::text, note FROM orders ORDER BY id";
        let found = self.runtime.block_on(self.client.query(text, &[]))?;
        for row in &found {
            let numbers: (i64, i64) = (row.get(0), row.get(1));
            let texts: [Option<String>; 3] = [row.get(2), row.get(3), row.get(4)];
            std::hint::black_box((numbers, texts));
        }
        if found.len() != rows {
            return Err(format!("{} rows were read by hand", found.len()).into());
        }
        Ok(start.elapsed())
    }

    /// By pgbench, whose script knows the rows.
    fn updates(&mut self, _: usize, time: Duration) -> Result<f64> {
        let mut pgbench = self.server.client("pgbench", &self.database);
        pgbench.args(["-n", "-c", "32", "-j", "2", "-M", "prepared"]);
        pgbench.args(["-T", &time.as_secs().to_string(), "-f"]).arg(&self.script);
        let said = conformance::run(&mut pgbench).success().stdout;
        let speed = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let speed = speed.and_then(|line| line.split_whitespace().next());
        Ok(speed.ok_or_else(|| format!("pgbench said {said}"))?.parse()?)
    }
}
