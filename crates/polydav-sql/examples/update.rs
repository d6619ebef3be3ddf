//! Updates of many rows by runs, beside one statement for all of them, written by hand.
//!
//! ```sh
//! cargo run --release -p polydav-sql --example update
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program to look at")]

use std::time::{Duration, Instant};

use conformance::Postgres;
use polydav_sql::{Options, SqlStore};
use polydav_store::kit::{run, update};
use polydav_store::{Durability, NoLocks, Outcome, Run, Store, Value};
use rusqlite::Connection;

const ROWS: usize = 10_000;
const ROUNDS: usize = 7;

fn main() {
    sqlite();
    postgres();
}

fn store_seconds(store: &SqlStore, round: usize) -> f64 {
    let begun = Instant::now();
    for first in (0..ROWS).step_by(Run::STEPS_MAX) {
        let steps = (first..first + Run::STEPS_MAX).map(|at| {
            let qty = Value::Json((at + round).to_string().into());
            let note = Value::Json(format!("\"note {round}\"").into());
            update(format!("item/{at}"), [("qty", qty), ("note", note)]).step(at)
        });
        let run = Run { durability: Durability::Full, ..run(steps.collect()) };
        let applied = store.apply(run, &NoLocks, &mut |_, outcome: Outcome| {
            outcome.unwrap();
        });
        applied.unwrap();
    }
    begun.elapsed().as_secs_f64()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn show(name: &str, ours: Vec<f64>, bare: Vec<f64>) {
    let (ours, bare) = (median(ours), median(bare));
    println!("{name}: {ours:.4} s, by hand {bare:.4} s, {:.2}", ours / bare);
}

fn sqlite() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let file = folder.path().join("app.db");
    let mut by_hand = Connection::open(&file).unwrap();
    by_hand.busy_timeout(Duration::from_secs(5)).unwrap();
    let sql = "PRAGMA journal_mode = wal; PRAGMA synchronous = FULL; CREATE TABLE item \
        (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL, note TEXT, name TEXT NOT NULL); \
        WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
        INSERT INTO item SELECT i, 0, 'note', 'name ' || i FROM n";
    by_hand.execute_batch(sql).unwrap();
    let store = SqlStore::open_sqlite(&file, &Options::default()).unwrap();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(store_seconds(&store, round));
        let begun = Instant::now();
        let places = vec!["(?, ?, ?)"; ROWS].join(", ");
        let text = format!(
            "WITH v (id, qty, note) AS (VALUES {places}) \
             UPDATE item SET qty = v.qty, note = v.note FROM v WHERE item.id = v.id"
        );
        let transaction = by_hand.transaction().unwrap();
        let mut statement = transaction.prepare(&text).unwrap();
        for at in 0..ROWS {
            statement.raw_bind_parameter(3 * at + 1, at as i64).unwrap();
            statement.raw_bind_parameter(3 * at + 2, (at + round) as i64).unwrap();
            statement.raw_bind_parameter(3 * at + 3, format!("note {round}")).unwrap();
        }
        assert_eq!(statement.raw_execute().unwrap(), ROWS);
        drop(statement);
        transaction.commit().unwrap();
        bare.push(begun.elapsed().as_secs_f64());
    }
    show("sqlite", ours, bare);
}

fn postgres() {
    let server = Postgres::start();
    let database = server.database(
        "CREATE TABLE item (id bigint PRIMARY KEY, qty bigint NOT NULL, note text, name text NOT NULL); \
         INSERT INTO item SELECT i, 0, 'note', 'name ' || i FROM generate_series(0, 9999) i; ANALYZE",
    );
    let url = server.url(&database);
    let store = SqlStore::open_postgres(&url, &Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    });
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(store_seconds(&store, round));
        let begun = Instant::now();
        let values: Vec<_> =
            (0..ROWS).map(|at| format!("({at}, {}, 'note {round}')", at + round)).collect();
        let text = format!(
            "UPDATE item SET qty = v.qty, note = v.note FROM (VALUES {}) AS v (id, qty, note) \
             WHERE item.id = v.id",
            values.join(", ")
        );
        let changed = runtime.block_on(client.execute(&text, &[])).unwrap();
        assert_eq!(changed, ROWS as u64);
        bare.push(begun.elapsed().as_secs_f64());
    }
    show("postgres", ours, bare);
}
