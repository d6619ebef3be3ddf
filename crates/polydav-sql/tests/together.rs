//! A batch comes to what its steps come to one after the other, whatever the table is made of: the
//! same is told of each, tags included, and the same is left in the file.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use polydav_sql::SqlStore;
use polydav_store::kit::{Draft, add, apply, put_record, remove, run, text, update, verdict};
use polydav_store::{Durability, NoLocks, Outcome, Run, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use world::Database;

/// The columns of the key, and what a table ends with. Its rows are called `1`, `2`, ….
const KEYS: &[(&str, &str)] = &[
    ("k INTEGER PRIMARY KEY", ")"),
    ("k text NOT NULL PRIMARY KEY", ")"),
    ("k text NOT NULL COLLATE NOCASE PRIMARY KEY", ") WITHOUT ROWID"),
    ("k INT NOT NULL PRIMARY KEY", ")"),
    ("k INTEGER NOT NULL PRIMARY KEY DESC", ")"),
    ("k text NOT NULL PRIMARY KEY", ") STRICT, WITHOUT ROWID"),
];

/// What the column `a` may be. All may hold a number.
const COLUMNS: &[&str] = &[
    "integer",
    "text COLLATE NOCASE UNIQUE",
    "integer REFERENCES up",
    "integer DEFAULT 1 REFERENCES up ON DELETE SET NULL",
    "integer REFERENCES up DEFERRABLE INITIALLY DEFERRED",
    "integer REFERENCES t(k)",
    "integer UNIQUE ON CONFLICT REPLACE",
];

/// What the column `b` may be.
const OTHERS: &[&str] = &[
    "text",
    "text DEFAULT \"k\"",
    "text DEFAULT (1 -- one\n)",
    "integer NOT NULL DEFAULT 2 CHECK (b < 75)",
];

/// What may belong to the table.
const MORE: &[&str] = &[
    "",
    "CREATE UNIQUE INDEX i ON t (a, b);",
    "CREATE UNIQUE INDEX i ON t (a) WHERE b = 1;",
    "CREATE UNIQUE INDEX i ON t (a + b);",
    "CREATE INDEX i ON t (a + b);",
    "ALTER TABLE t ADD COLUMN g text AS (a || b);",
    "CREATE TRIGGER i AFTER UPDATE OF a ON t BEGIN UPDATE t SET b = b + 1 WHERE k < NEW.k; END;",
    "CREATE TRIGGER i BEFORE UPDATE ON t WHEN NEW.b = 3 BEGIN SELECT RAISE(IGNORE); END;",
    "CREATE TRIGGER i BEFORE UPDATE ON t WHEN NEW.b = 3 BEGIN SELECT RAISE(ABORT, 'no'); END;",
];

/// With one behind them that isn't there, as many as SQLite changes by one statement.
const ROWS: usize = 49;

/// A table whose rows were made before anybody enforced references, and with a check for which
/// SQLite changes many rows together.
fn schema() -> impl Strategy<Value = String> {
    let more = prop_oneof![Just(""), select(MORE)];
    let first = select(&["1", "k", "iif(k % 9 = 8, 3, 1)"][..]);
    let given = (select(KEYS), select(COLUMNS), select(OTHERS), more, first);
    given.prop_map(|((key, end), a, b, more, first)| {
        format!(
            "PRAGMA foreign_keys = false;
             CREATE TABLE up (k INTEGER PRIMARY KEY); INSERT INTO up VALUES (1), (2);
             CREATE TABLE t ({key}, a {a}, b {b}, CHECK (coalesce(a, b) NOT IN ('p', 'q', 'r')){end};
             {more}
             WITH RECURSIVE n(k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < {ROWS})
             INSERT OR IGNORE INTO t (k, a, b) SELECT k, {first}, k FROM n;"
        )
    })
}

/// The same to all rows one after the other, and to some of them something else.
#[derive(Debug, Clone)]
struct Stretch {
    puts: bool,
    columns: Vec<&'static str>,
    backwards: bool,
    usual: usize,
    others: Vec<(usize, Other)>,
}

/// What is done to a row instead.
#[derive(Debug, Clone, Copy)]
enum Other {
    Value(usize),
    Twice,
    Remove,
    Put,
    Add,
    Refuse,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let other = prop_oneof![
        4 => (0..VALUES).prop_map(Other::Value),
        1 => select(&[Other::Twice, Other::Remove, Other::Put, Other::Add, Other::Refuse][..]),
    ];
    let columns = subsequence(vec!["a", "b"], 1..=2);
    let others = vec((1..=ROWS, other), 0..4);
    (prop::bool::weighted(0.2), columns, any::<bool>(), 0..VALUES, others).prop_map(
        |(puts, columns, backwards, usual, others)| Stretch {
            puts,
            columns,
            backwards,
            usual,
            others,
        },
    )
}

const VALUES: usize = 7;

/// A value for the row `k`.
fn value(which: usize, k: usize) -> Value {
    match which {
        0..=3 => text(&which.to_string()),
        4 => Value::Null,
        // That of the row behind it, and one that none has.
        5 => text(&(k + 1).to_string()),
        _ => text(&(k + 1_000).to_string()),
    }
}

impl Stretch {
    fn drafts(&self) -> Vec<Draft> {
        let draft = |k: usize| {
            let other = self.others.iter().find(|(of, _)| *of == k);
            self.draft(k, other.map(|&(_, other)| other))
        };
        let drafts = (1..=ROWS + 1).map(draft);
        if self.backwards { drafts.rev().collect() } else { drafts.collect() }
    }

    fn draft(&self, k: usize, other: Option<Other>) -> Draft {
        let at = format!("t/{k}");
        let which = if let Some(Other::Value(which)) = other { which } else { self.usual };
        let fields = self.columns.iter().map(|&column| (column, value(which, k)));
        match other {
            None | Some(Other::Value(_)) if self.puts => put_record(&at, fields),
            None | Some(Other::Value(_)) => update(&at, fields),
            Some(Other::Twice) => update("t/20", fields),
            Some(Other::Remove) => remove(&at),
            Some(Other::Put) => put_record(&at, []),
            Some(Other::Add) => add("t", fields.chain([("k", text(&k.to_string()))])),
            Some(Other::Refuse) => update(&at, fields).if_match("x"),
        }
    }
}

/// Applies steps as one run; what is told of each.
fn told(store: &SqlStore, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
    let steps = drafts.into_iter().enumerate().map(|(at, draft)| draft.step(at)).collect();
    let run = Run { durability: Durability::Relaxed, ..run(steps) };
    let outcomes = apply(store, &NoLocks, run);
    let tag = |outcome: &Outcome| outcome.as_ref().ok()?.etag.clone();
    outcomes.iter().map(|outcome| format!("{} {:?}", verdict(outcome), tag(outcome))).collect()
}

#[test]
fn a_batch_is_its_steps_one_after_the_other_whatever_the_table_is() {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let given = (schema(), vec(stretch(), 1..3));
    let tested = TestRunner::new_with_rng(config, rng).run(&given, |(sql, stretches)| {
        let (one, other) = (Database::sqlite(&sql), Database::sqlite(&sql));
        let (together, alone) = (one.open(), other.open());
        let drafts = || stretches.iter().flat_map(Stretch::drafts);
        let one_by_one: Vec<_> = drafts().flat_map(|draft| told(&alone, [draft])).collect();
        prop_assert_eq!(told(&together, drafts()), one_by_one);
        prop_assert_eq!(one.dump(), other.dump());
        Ok(())
    });
    tested.unwrap();
}
