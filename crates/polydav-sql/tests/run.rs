//! Many steps share a transaction, and nobody can tell: each succeeds or fails as if it had one of
//! its own, and is told of after it was committed. Whoever else uses the database costs no step but
//! those that need what they hold.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use conformance::{require_postgres, require_root};
use polydav_sql::{Options, SqlStore};
use polydav_store::kit::{
    Draft, add, added, apply, json, path, put, put_record, remove, run, steps, tell, text, update,
    verdict, verdicts, whole,
};
use polydav_store::{Cancel, FailureKind, NoLocks, OnFailure, Run, Select, Store, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use world::{Database, Outsider, both, each, listed, page, record};

const SCHEMA: &str = "
    CREATE TABLE up (k integer NOT NULL PRIMARY KEY);
    CREATE TABLE t (k integer NOT NULL PRIMARY KEY, v text DEFAULT 'd', n integer NOT NULL DEFAULT 0 CHECK (n < 100 AND n NOT IN (-7, -8, -9)),
                    u text UNIQUE, up integer REFERENCES up);
    INSERT INTO up VALUES (1);
    INSERT INTO t (k, u) VALUES (-1, 'taken');";

/// A step of each kind that fails, about the row `k`, and what is told of it.
fn failing(kind: usize, k: usize) -> (Draft, String) {
    let at = format!("t/{k}");
    match kind {
        0 => (put_record(&at, [("n", text("x"))]), format!("Invalid /{at} [n]")),
        1 => (put_record(&at, [("n", json("100"))]), format!("Invalid /{at} [n]")),
        2 => (put_record(&at, [("u", text("taken"))]), format!("Conflict /{at} [u]")),
        3 => (put_record(&at, [("up", json("7"))]), format!("Conflict /{at} [up]")),
        4 => (update(&at, [("v", text("x"))]), format!("NotFound /{at}")),
        5 => (put_record(&at, []).if_match("x"), format!("Precondition /{at}")),
        6 => (put(&at, "bytes"), format!("Unsuited /{at}")),
        7 => (put_record(&at, [("n", Value::Null)]), format!("Invalid /{at} [n]")),
        _ => (add("t", [("k", json("-1"))]), "Conflict /t [k]".to_owned()),
    }
}

const KINDS: usize = 9;

/// A failing step undoes itself and nothing else, wherever it stands, and however many there are.
#[test]
fn a_step_fails_alone() {
    both(SCHEMA, |database| {
        let store = &database.open();
        for kind in 0..KINDS {
            for (size, bad) in [
                (1_000, BTreeSet::from([0])),
                (200, BTreeSet::from([199])),
                (200, BTreeSet::from([100, 101])),
                (200, (0..200).step_by(7).collect()),
                (50, (0..50).collect()),
            ] {
                let steps = (0..size).map(|k| match bad.contains(&k) {
                    true => failing(kind, k).0,
                    false => put_record(format!("t/{k}"), [("v", text("x"))]),
                });
                for (k, told) in tell(store, steps).into_iter().enumerate() {
                    let failed =
                        if bad.contains(&k) { failing(kind, k).1 } else { "created".to_owned() };
                    assert_eq!(told, failed, "kind {kind} at {bad:?} of {size}, step {k}");
                }
                assert_eq!(listed(store, "t").len(), size - bad.len() + 1);
                database.sql("DELETE FROM t WHERE k >= 0");
            }
        }
    });
}

/// An update of a row `k` of each kind that fails, and what is told of it.
fn failing_update(kind: usize, k: usize) -> (Draft, String) {
    let at = format!("t/{k}");
    match kind {
        0 => (update(&at, [("n", text("x"))]), format!("Invalid /{at} [n]")),
        1 => (update(&at, [("n", json("100"))]), format!("Invalid /{at} [n]")),
        2 => (update(&at, [("n", json("3")), ("up", json("7"))]), format!("Conflict /{at} [up]")),
        3 => (update(format!("t/{}", k + 5_000), [("n", json("3"))]), {
            format!("NotFound /t/{}", k + 5_000)
        }),
        4 => (update(&at, [("n", json("3"))]).if_match("x"), format!("Precondition /{at}")),
        _ => (update(&at, [("n", json("3")), ("w", json("1"))]), format!("Invalid /{at} [w]")),
    }
}

/// However many rows one statement changes, one that can't be changed keeps no other from it.
#[test]
fn an_update_fails_alone() {
    both(SCHEMA, |database| {
        let store = &database.open();
        assert_eq!(
            tell(store, (0..1_000).map(|k| put_record(format!("t/{k}"), []))),
            ["created"; 1_000]
        );
        for kind in 0..6 {
            for (size, bad) in [
                (1_000, BTreeSet::from([0])),
                (149, BTreeSet::from([49, 50, 148])),
                (100, (0..100).step_by(7).collect()),
                (50, (0..50).collect()),
            ] {
                database.sql("UPDATE t SET n = 0, v = 'd' WHERE k >= 0");
                let steps = (0..size).map(|k| match bad.contains(&k) {
                    true => failing_update(kind, k).0,
                    false => {
                        update(format!("t/{k}"), [("n", json("1")), ("v", text(&k.to_string()))])
                    }
                });
                for (k, told) in tell(store, steps).into_iter().enumerate() {
                    let failed = if bad.contains(&k) {
                        failing_update(kind, k).1
                    } else {
                        "done".to_owned()
                    };
                    assert_eq!(told, failed, "kind {kind} at {bad:?} of {size}, step {k}");
                }
                let changed =
                    "SELECT count(*) FROM t WHERE k >= 0 AND n = 1 AND v = CAST(k AS text)";
                let left = "SELECT count(*) FROM t WHERE k >= 0 AND n = 0 AND v = 'd'";
                let expected = (size - bad.len()).to_string();
                assert_eq!(database.sql(changed), expected, "kind {kind} at {bad:?} of {size}");
                assert_eq!(database.sql(left), (1_000 - size + bad.len()).to_string());
            }
        }
    });
}

#[test]
fn a_run_stops_at_the_first_failure() {
    both(SCHEMA, |database| {
        let store = &database.open();
        for kind in 0..KINDS {
            for bad in [0, 1, 57, 99] {
                let steps = (0..100).map(|k| match k == bad {
                    true => failing(kind, k).0.step(k),
                    false => put_record(format!("t/{k}"), []).step(k),
                });
                let run = Run { on_failure: OnFailure::Stop, ..run(steps.collect()) };
                for (k, outcome) in apply(store, &NoLocks, run).iter().enumerate() {
                    let told = match k.cmp(&bad) {
                        std::cmp::Ordering::Less => "created".to_owned(),
                        std::cmp::Ordering::Equal => failing(kind, k).1,
                        std::cmp::Ordering::Greater => format!("Dependency /t/{k}"),
                    };
                    assert_eq!(verdict(outcome), told, "kind {kind} at {bad}");
                }
                assert_eq!(listed(store, "t").len(), bad + 1);
                database.sql("DELETE FROM t WHERE k >= 0");
            }
        }
    });
}

/// What is told of a run of which all steps are done, or none.
fn tell_whole(store: &SqlStore, drafts: impl IntoIterator<Item = Draft>) -> Vec<String> {
    verdicts(store, &NoLocks, whole(steps(drafts)))
}

/// Whatever fails, and wherever; the rows that could be changed are as they were.
#[test]
fn a_whole_run_is_undone_by_whatever_fails() {
    both(SCHEMA, |database| {
        let store = &database.open();
        for kind in 0..KINDS {
            for bad in [0, 57, 99] {
                let steps = (0..100).map(|k| match k == bad {
                    true => failing(kind, k).0,
                    false => put_record(format!("t/{k}"), []),
                });
                for (k, told) in tell_whole(store, steps).into_iter().enumerate() {
                    let expected = match k.cmp(&bad) {
                        std::cmp::Ordering::Less => format!("Dependency /t/{k} (RolledBack)"),
                        std::cmp::Ordering::Equal => failing(kind, k).1,
                        std::cmp::Ordering::Greater => format!("Dependency /t/{k}"),
                    };
                    assert_eq!(told, expected, "kind {kind} at {bad}");
                }
                assert_eq!(listed(store, "t").len(), 1, "kind {kind} at {bad}");
            }
        }
    });
}

/// SQLite looks at a deferred constraint when it commits, and doesn't say whose it is. PostgreSQL is
/// told to look at once.
#[test]
fn a_whole_run_whose_commit_fails_has_no_culprit() {
    let sql = "CREATE TABLE up (k integer NOT NULL PRIMARY KEY);
        CREATE TABLE late (k integer NOT NULL PRIMARY KEY,
                           up integer REFERENCES up DEFERRABLE INITIALLY DEFERRED);";
    both(sql, |database| {
        let store = &database.open();
        let late = |k: usize| put_record(format!("late/{k}"), [("up", json("7"))]);
        let told = tell_whole(store, [put_record("up/1", []), late(1), late(2)]);
        let undone = |at: &str| format!("Dependency /{at} (RolledBack)");
        let expected = match database.is_sqlite() {
            true => ["up/1", "late/1", "late/2"].map(undone),
            false => [
                undone("up/1"),
                "Conflict /late/1 [up]".to_owned(),
                "Dependency /late/2".to_owned(),
            ],
        };
        assert_eq!(told, expected);
        assert_eq!(listed(store, "up").len() + listed(store, "late").len(), 0);
        if database.is_sqlite() {
            let told = tell_whole(store, [late(1), put_record("up/7", [])]);
            assert_eq!(told, ["created"; 2], "by the commit all is well");
        }
    });
}

/// A commit may be what a need fails at: what needs it isn't in the same transaction.
#[test]
fn a_need_is_met_once_it_is_committed() {
    let sql = "CREATE TABLE up (k integer NOT NULL PRIMARY KEY);
        CREATE TABLE late (k integer NOT NULL PRIMARY KEY,
                           up integer REFERENCES up DEFERRABLE INITIALLY DEFERRED);";
    both(sql, |database| {
        let store = &database.open();
        let late =
            |k: usize, up: &str| add("late", [("k", json(&k.to_string())), ("up", json(up))]);
        let told = tell(
            store,
            [
                put_record("up/1", []),
                late(1, "7"),
                put_record("up/2", []).needing([1]),
                add("up", [("k", added(1))]),
                late(2, "1").needing([0]),
                add("up", [("k", added(4))]).needing([0]),
            ],
        );
        // At the commit SQLite doesn't say which column it is.
        let conflict = if database.is_sqlite() { "Conflict /late" } else { "Conflict /late [up]" };
        let expected =
            ["created", conflict, "Dependency /up/2", "Dependency /up", "created", "created"];
        assert_eq!(told, expected);
        assert_eq!(listed(store, "up"), [r#"{"k":1}"#, r#"{"k":2}"#]);
    });
}

/// Whatever the database makes of it, and whatever the column that takes it is.
#[test]
fn a_reference_is_the_key_that_the_database_gave() {
    let sqlite = "CREATE TABLE a (id INTEGER PRIMARY KEY, v text);
        CREATE TABLE b (k integer NOT NULL PRIMARY KEY, a REFERENCES a, note text);";
    let postgres = "CREATE TABLE a (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), v text);
        CREATE TABLE b (k integer NOT NULL PRIMARY KEY, a uuid REFERENCES a, note text);";
    each(sqlite, postgres, |database| {
        let store = &database.open();
        let b = |k: usize, of: usize| {
            put_record(format!("b/{k}"), [("a", added(of)), ("note", added(of))])
        };
        let drafts = [add("a", []), b(1, 0), add("a", [("v", text("x"))]), b(2, 2), b(3, 0)];
        let outcomes = apply(store, &NoLocks, run(steps(drafts)));
        let key = |at: usize| outcomes[at].as_ref().unwrap().added.as_ref().unwrap().key.clone();
        for (k, of) in [(1, 0), (2, 2), (3, 0)] {
            let entry = store.stat(&path(format!("b/{k}")), &Select::All).unwrap();
            let columns = entry.columns.into_iter().map(|field| Some(field.value));
            assert_eq!(columns.skip(1).collect::<Vec<_>>(), [key(of), key(of)]);
        }
        assert_ne!(key(0), key(2));
    });
}

/// Two runs over the same rows, each in an order of its own: neither sees half of the other, and
/// neither fails for it.
#[test]
fn whole_runs_over_the_same_rows_come_one_after_the_other() {
    const ROWS: usize = 40;
    const ROUNDS: usize = 20;
    both(SCHEMA, |database| {
        let store = &database.open();
        tell(store, (0..ROWS).map(|k| put_record(format!("t/{k}"), [])));
        let update_all = |rows: Vec<usize>, value: String| {
            let drafts = rows.into_iter().map(|k| update(format!("t/{k}"), [("v", text(&value))]));
            assert_eq!(tell_whole(store, drafts), ["done"; ROWS]);
        };
        std::thread::scope(|scope| {
            for thread in 0..2 {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let rows: Vec<_> = (0..ROWS).collect();
                        let rows = match thread {
                            0 => rows,
                            _ => rows.into_iter().rev().collect(),
                        };
                        update_all(rows, format!("{thread} {round}"));
                    }
                });
            }
        });
        assert_eq!(database.sql("SELECT count(DISTINCT v) FROM t WHERE k >= 0"), "1");
    });
}

/// What was started is finished, what wasn't isn't: also where a failure has the steps done again.
#[test]
fn a_run_may_be_cancelled_in_the_middle() {
    both(SCHEMA, |database| {
        let store = &database.open();
        for bad in [None, Some(10), Some(700)] {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let steps = (0..1_000).map(|k| match bad == Some(k) {
                true => failing(2, k).0.step(k),
                false => put_record(format!("t/{k}"), []).step(k),
            });
            let cancel = Cancel::when(move || count.fetch_add(1, Ordering::Relaxed) >= 500);
            let outcomes = apply(store, &NoLocks, Run { cancel, ..run(steps.collect()) });
            let told: Vec<_> = outcomes.iter().map(verdict).collect();
            let done = told.iter().filter(|told| *told == "created").count();
            let first = told.iter().position(|told| told.starts_with("NotAttempted")).unwrap();
            for (k, told) in told.iter().enumerate().skip(first) {
                assert_eq!(*told, format!("NotAttempted /t/{k}"));
            }
            assert_eq!(listed(store, "t").len(), done + 1);
            assert!(done >= first - 1 && first <= 500, "{done} of {first}");
            database.sql("DELETE FROM t WHERE k >= 0");
        }
    });
}

/// Whoever is told of an outcome finds it in the database.
#[test]
fn nothing_is_told_before_its_commit() {
    let sqlite = SCHEMA.to_owned()
        + "CREATE TABLE late (k integer PRIMARY KEY, up integer REFERENCES up DEFERRABLE INITIALLY DEFERRED);";
    both(&sqlite, |database| {
        let (store, other) = (database.open(), database.open());
        let drafts = (0..300).map(|k| match k % 100 {
            7 => failing(3, k).0,
            8 => add("late", [("up", json("1"))]),
            9 => put_record(format!("late/{k}"), [("up", json("7"))]),
            _ => put_record(format!("t/{k}"), []),
        });
        // SQLite gives keys, PostgreSQL doesn't here.
        let drafts =
            drafts.filter(|draft| database.is_sqlite() || !format!("{draft:?}").contains("Add"));
        let steps: Vec<_> = drafts.enumerate().map(|(at, draft)| draft.step(at)).collect();
        let paths: Vec<_> = steps.iter().map(|step| step.subject().clone()).collect();
        let mut told = 0;
        let applied =
            store.apply(run(steps), &NoLocks, &mut |at: usize, outcome: polydav_store::Outcome| {
                told += 1;
                let at = outcome
                    .as_ref()
                    .ok()
                    .and_then(|done| Some(done.added.clone()?.path))
                    .unwrap_or(paths[at].clone());
                let seen = other.stat(&at, &Select::None);
                let etag = outcome.as_ref().ok().and_then(|done| done.etag.clone());
                assert_eq!(seen.ok().and_then(|entry| entry.etag), etag, "{at}");
            });
        applied.unwrap();
        assert_eq!(told, paths.len());
    });
}

/// A random step about one of few rows: whatever it meets, some do the same, some need each other.
fn draft() -> impl Strategy<Value = Plain> {
    (0..9_u8, 0..6_u8, 0..5_u8, 0..4_u8)
}

type Plain = (u8, u8, u8, u8);

fn drafted((action, k, value, column): Plain) -> Draft {
    let at = format!("t/{k}");
    let fields = || match (column, value) {
        (0, _) => vec![("v", text(&format!("v{value}")))],
        (1, _) => vec![("n", text(["0", "1", "99", "100", "x"][usize::from(value)]))],
        (2, 4) => vec![("u", Value::Null)],
        (2, _) => vec![("u", text(&format!("u{value}")))],
        (_, 4) => vec![("up", Value::Null), ("v", text("x"))],
        (_, _) => vec![("up", text(&value.to_string()))],
    };
    match action {
        0..=2 => put_record(&at, fields()),
        3..=5 => update(&at, fields()),
        6 => remove(&at),
        7 => add("t", fields().into_iter().chain([("k", text(&k.to_string()))])),
        _ => match value {
            0 => put_record(format!("up/{}", k % 3), []),
            1 => remove(format!("up/{}", k % 3)),
            2 => put_record(&at, fields()).if_none_match("*"),
            3 => update(&at, fields()).if_match("*"),
            _ => remove("t/7"),
        },
    }
}

/// Steps that are done together are done as one after the other.
#[test]
fn a_run_is_its_steps_one_after_the_other() {
    each(SCHEMA, SCHEMA, |database| {
        let other = match database.is_sqlite() {
            true => Database::sqlite(SCHEMA),
            false => Database::postgres(SCHEMA),
        };
        let (store, single) = (&database.open(), &other.open());
        let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let drafts = proptest::collection::vec(draft(), 1..60);
        let tested = TestRunner::new_with_rng(config, rng).run(&drafts, |drafts| {
            for store in [store, single] {
                let rows = (0..7).map(|k| remove(format!("t/{k}")));
                let ups = (0..3).map(|k| remove(format!("up/{k}")));
                tell(store, rows.chain(ups));
            }
            let together = tell(store, drafts.iter().copied().map(drafted));
            let alone = drafts.iter().map(|draft| tell(single, [drafted(*draft)]).remove(0));
            prop_assert_eq!(together, alone.collect::<Vec<_>>());
            for table in ["t", "up"] {
                prop_assert_eq!(listed(store, table), listed(single, table));
            }
            Ok(())
        });
        tested.unwrap();
    });
}

/// Waits until a session of the server's waits for a lock.
fn until_waiting(database: &Database) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let deadline = Instant::now() + Duration::from_secs(10);
    while database.sql(waiting) == "0" {
        assert!(Instant::now() < deadline, "nobody waits");
    }
}

/// Only the rows that are held are busy, and a run doesn't wait for each of them anew.
#[test]
fn rows_that_others_hold_cost_nothing_but_themselves() {
    if !require_postgres() {
        return;
    }
    let database = Database::postgres(SCHEMA);
    let store = &database.open();
    let rows = || (0..999).map(|k| put_record(format!("t/{k}"), [("v", text("x"))]));
    assert!(tell(store, rows()).iter().all(|told| told == "created"));
    let mut outsider = Outsider::of(&database);
    outsider.sql("BEGIN; SELECT FROM t WHERE k IN (3, 500, 501, 998) FOR UPDATE; INSERT INTO t (k) VALUES (1001)");
    let begun = Instant::now();
    let steps = rows().chain([put_record("t/1001", [])]);
    for (k, told) in tell(store, steps).into_iter().enumerate() {
        let is_held = matches!(k, 3 | 500 | 501 | 998);
        let at = if k == 999 { 1_001 } else { k };
        let expected =
            if is_held || k == 999 { format!("Busy /t/{at}") } else { "done".to_owned() };
        assert_eq!(told, expected);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    outsider.sql("COMMIT");
    let told = tell(store, [update("t/3", [("v", text("y"))]), put_record("t/1001", [])]);
    assert_eq!(told, ["done", "done"]);
}

/// The database ends one of those who wait for each other in a circle; we begin anew.
#[test]
fn a_deadlock_with_others_is_no_failure() {
    if !require_postgres() {
        return;
    }
    let database = Database::postgres(SCHEMA);
    let store = database.open();
    assert_eq!(tell(&store, [put_record("t/1", []), put_record("t/2", [])]), ["created"; 2]);
    let mut outsider = Outsider::of(&database);
    outsider.sql("BEGIN; UPDATE t SET v = 'theirs' WHERE k = 2");
    let ours = std::thread::spawn(move || {
        tell(&store, [update("t/1", [("v", text("ours"))]), update("t/2", [("v", text("ours"))])])
    });
    until_waiting(&database);
    outsider.begin("UPDATE t SET v = 'theirs' WHERE k = 1; COMMIT");
    assert_eq!(ours.join().unwrap(), ["done", "done"]);
    outsider.finish();
    assert_eq!(database.sql("SELECT DISTINCT v FROM t WHERE k > 0"), "ours");
}

/// What the database could not do just now is done again.
#[test]
fn a_failed_serialization_is_tried_again() {
    if !require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE t (k integer PRIMARY KEY); CREATE SEQUENCE tries;
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.k = 7 AND nextval('tries') < 4 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;
            IF NEW.k = 8 THEN RAISE EXCEPTION 'never' USING ERRCODE = '40001'; END IF;
            RETURN NEW; END $$;
         CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fail();",
    );
    let store = &database.open();
    let told = tell(store, [6, 7, 8, 9].map(|k| put_record(format!("t/{k}"), [])));
    assert_eq!(told, ["created", "created", "Busy /t/8", "created"]);
    assert_eq!(listed(store, "t").len(), 3);
}

/// A session that ended between two runs, or in the middle of one, is replaced.
#[test]
fn sessions_that_are_ended_are_replaced() {
    if !require_postgres() {
        return;
    }
    let database = Database::postgres(SCHEMA);
    let store = Arc::new(database.open());
    assert_eq!(tell(&*store, [put_record("t/1", [])]), ["created"]);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'polydav' AND datname = current_database()";
    assert_ne!(database.sql(end), "0");
    assert_eq!(tell(&*store, [update("t/1", [("v", text("x"))])]), ["done"]);

    let mut outsider = Outsider::of(&database);
    outsider.sql("BEGIN; SELECT FROM t WHERE k = 1 FOR UPDATE");
    let ours = Arc::clone(&store);
    let ours = std::thread::spawn(move || {
        tell(&*ours, [put_record("t/2", []), update("t/1", [("v", text("y"))])])
    });
    until_waiting(&database);
    database.sql(end);
    outsider.sql("COMMIT");
    assert_eq!(ours.join().unwrap(), ["created", "done"]);
    assert!(record(&*store, "t/1").contains("\"y\""));
}

/// A file that somebody else writes to is busy, for all steps at once.
#[test]
fn a_file_that_others_hold_is_busy() {
    let database = Database::sqlite(
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a');
         CREATE TABLE late (k INTEGER PRIMARY KEY, up integer REFERENCES t DEFERRABLE INITIALLY DEFERRED);",
    );
    let store = &database.open();
    let other = rusqlite::Connection::open(database.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE t SET v = 'theirs'").unwrap();
    assert_eq!(record(store, "t/1"), r#"{"k":1,"v":"a"}"#, "who reads doesn't wait");
    let begun = Instant::now();
    // Some of these may not share a transaction.
    let steps = || {
        (0..1_000).map(|k| put_record(format!("{}/{k}", if k % 2 == 0 { "t" } else { "late" }), []))
    };
    for (k, told) in tell(store, steps()).into_iter().enumerate() {
        assert_eq!(told, format!("Busy /{}/{k}", if k % 2 == 0 { "t" } else { "late" }));
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(record(store, "t/1"), r#"{"k":1,"v":"theirs"}"#);
    assert!(tell(store, steps()).iter().all(|told| told == "created"));
}

fn rollback_journal(sql: &str) -> Database {
    let database = Database::sqlite(sql);
    let connection = rusqlite::Connection::open(database.file()).unwrap();
    connection.pragma_update(None, "journal_mode", "delete").unwrap();
    database
}

#[test]
fn a_file_without_a_log_is_served_as_well() {
    let database = rollback_journal(SCHEMA);
    let store = &database.open();
    let steps = (0..200).map(|k| match k {
        50 => failing(1, k).0,
        _ => put_record(format!("t/{k}"), []),
    });
    assert_eq!(tell(store, steps).iter().filter(|told| *told == "created").count(), 199);
    assert_eq!(listed(store, "t").len(), 200);
}

/// Without a log, who reads and who writes are in each other's way: but not for good.
#[test]
fn who_reads_a_file_without_a_log_holds_up_who_writes() {
    let database = rollback_journal(SCHEMA);
    let store = &database.open();
    let reader = rusqlite::Connection::open(database.file()).unwrap();
    let mut statement = reader.prepare("SELECT k FROM t").unwrap();
    let mut rows = statement.query([]).unwrap();
    rows.next().unwrap();
    assert_eq!(tell(store, [update("t/-1", [("v", text("x"))])]), ["Busy /t/-1"]);
    assert_eq!(listed(store, "t").len(), 1);
    drop(rows);
    assert_eq!(tell(store, [update("t/-1", [("v", text("x"))])]), ["done"]);
}

#[test]
fn who_writes_a_file_without_a_log_holds_up_who_reads() {
    let database = rollback_journal(SCHEMA);
    let store = &database.open();
    let writer = rusqlite::Connection::open(database.file()).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let failure = store.stat(&path("t/-1"), &Select::None).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Busy, "{failure}");
    writer.execute_batch("COMMIT").unwrap();
    assert!(record(store, "t/-1").contains("\"taken\""));
}

/// Waits as others do: what they finish in time is no failure.
#[test]
fn who_is_held_up_for_a_moment_waits() {
    let database = Database::sqlite(SCHEMA);
    let store = database.open();
    let other = rusqlite::Connection::open(database.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&begun);
    let cancel = Cancel::when(move || {
        seen.store(true, Ordering::Relaxed);
        false
    });
    let ours = std::thread::spawn(move || {
        let run = Run { cancel, ..run(vec![put_record("t/1", []).step(0)]) };
        verdict(&apply(&store, &NoLocks, run)[0])
    });
    assert!(!begun.load(Ordering::Relaxed), "a step is begun within its transaction");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(ours.join().unwrap(), "created");
}

/// A filesystem of this size; unmounted with the value.
struct Mount(tempfile::TempDir);

impl Mount {
    fn of(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success());
        Self(folder)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// What doesn't fit isn't kept, and nothing else is lost.
#[test]
fn a_full_disk_is_told() {
    if !require_root() {
        return;
    }
    for mode in ["wal", "delete"] {
        let mount = Mount::of("1m");
        let file = mount.0.path().join("app.db");
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", mode).unwrap();
        connection.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v text)").unwrap();
        drop(connection);
        let store = &SqlStore::open_sqlite(&file, &Options::default()).unwrap();
        let large = "x".repeat(1 << 18);
        let steps = (0..40).map(|k| {
            put_record(format!("t/{k}"), [("v", text(if k % 4 == 3 { &large } else { "small" }))])
        });
        let told = tell(store, steps);
        let full: Vec<_> = told.iter().filter(|told| told.starts_with("NoSpace")).collect();
        let done = told.iter().filter(|told| *told == "created").count();
        assert!(!full.is_empty() && done + full.len() == 40, "{mode}: {told:?}");
        assert_eq!(
            page(store, "t", &polydav_store::Page::default()).unwrap().0.len(),
            done,
            "{mode}"
        );
        for (k, told) in told.iter().enumerate() {
            assert_eq!(
                store.stat(&path(format!("t/{k}")), &Select::None).is_ok(),
                told == "created"
            );
        }
    }
}
