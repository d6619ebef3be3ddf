//! A table of 100,000 orders: changed by batches and row by row, and listed, beside the same done
//! by hand through the driver that polydav uses.

mod batch;
mod listing;
mod postgres;
mod single;
mod sqlite;

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::polydav::Polydav;
use crate::report::{MEBIBYTE, Report};
use crate::{Result, Settings};

use self::postgres::Postgres;
use self::sqlite::Sqlite;

const ROWS: usize = 100_000;
const CUSTOMERS: usize = 1_000;
const STATUSES: [&str; 3] = ["new", "paid", "sent"];

/// A database with the table of orders.
trait Database {
    fn name(&self) -> &'static str;

    /// What polydav is told to serve.
    fn source(&self) -> String;

    /// Makes all changes by one statement, and commits.
    fn update(&mut self, changes: &[Change]) -> Result<Duration>;

    /// Reads every column of so many rows.
    fn select(&mut self, rows: usize) -> Result<Duration>;

    /// Changes rows at random for so long, each by itself; the changes a second.
    fn updates(&mut self, rows: usize, time: Duration) -> Result<f64>;
}

/// What an order gets.
struct Change {
    id: usize,
    status: &'static str,
    note: String,
}

impl Change {
    /// Another one each round.
    fn new(id: usize, round: usize) -> Self {
        let status = STATUSES[(id + round) % STATUSES.len()];
        Self { id, status, note: format!("left at the door, day {round} of order {id}") }
    }

    /// Its columns, as members of an object.
    fn members(&self) -> String {
        format!("\"status\": \"{}\", \"note\": \"{}\"", self.status, self.note)
    }
}

/// Measures all, with each database in its turn.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let rows = ROWS / settings.shrink;
    let folder = image.join("records");
    fs::create_dir_all(folder.join("files"))?;
    all(&mut Sqlite::make(&folder, rows)?, &folder, settings, report)?;
    all(&mut Postgres::make(image, rows)?, &folder, settings, report)?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn all(
    database: &mut dyn Database,
    folder: &Path,
    settings: &Settings,
    report: &mut Report,
) -> Result {
    listing::measure(database, folder, settings, report)?;
    batch::measure(database, folder, settings, report)?;
    single::measure(database, folder, settings, report)
}

/// polydav, with the database below `/records/`.
fn serve(database: &dyn Database, folder: &Path) -> Result<Polydav> {
    let mount = format!("/records={}", database.source());
    Polydav::serve(&folder.join("files"), &["--durability", "full", "--mount", &mount])
}

/// Statements that make the tables, with the words in which the databases differ.
fn tables(integer: &str, numeric: &str, series: &str, rows: usize) -> String {
    let customers = CUSTOMERS.min(rows);
    format!(
        "CREATE TABLE customers (id {integer} PRIMARY KEY, name text NOT NULL); \
         CREATE TABLE orders (id {integer} PRIMARY KEY, \
         customer {integer} NOT NULL REFERENCES customers (id), \
         status text NOT NULL CHECK (status IN ('new', 'paid', 'sent')), \
         total {numeric} NOT NULL, note text); \
         CREATE INDEX orders_of_customers ON orders (customer); \
         INSERT INTO customers SELECT n, 'customer ' || n FROM {series} WHERE n <= {customers}; \
         INSERT INTO orders SELECT n, 1 + n % {customers}, 'new', n * 0.25, 'order ' || n \
         FROM {series}; ANALYZE;"
    )
}

/// Numbers from 1 up to `most`, in no order anyone could guess.
struct Random {
    state: u64,
    most: usize,
}

impl Random {
    fn new(seed: usize, most: usize) -> Self {
        Self { state: 0x9E37_79B9_7F4A_7C15 ^ (seed as u64 + 1), most }
    }

    /// The next one, by xorshift.
    fn next(&mut self) -> usize {
        for (left, by) in [(true, 13), (false, 7), (true, 17)] {
            self.state ^= if left { self.state << by } else { self.state >> by };
        }
        1 + (self.state % self.most as u64) as usize
    }
}
