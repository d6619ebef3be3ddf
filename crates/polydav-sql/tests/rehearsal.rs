//! What is told in a rehearsal is what becomes of the same run; and the database stays as it is.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use std::sync::Arc;

use conformance::require_postgres;
use polydav_store::kit::{
    Draft, add, json, put_record, remove, run, steps, tell, text, update, verdicts,
};
use polydav_store::{NoLocks, OnFailure, Run, Store, Value};
use world::{Database, both, each, listed, record};

const MODES: [OnFailure; 3] = [OnFailure::Continue, OnFailure::Stop, OnFailure::UndoAll];

/// What is told of the steps, some of which go as a run of their own.
fn told(store: &dyn Store, on_failure: OnFailure, drafts: Vec<Draft>) -> Vec<String> {
    verdicts(store, &NoLocks, Run { on_failure, ..run(steps(drafts)) })
}

/// Rehearses steps, and does them, in each mode.
fn agrees(database: &Database, drafts: impl Fn() -> Vec<Draft>) {
    for on_failure in MODES {
        let store: Arc<dyn Store> = Arc::new(database.open());
        let before = database.dump();
        let rehearsal = store.clone().rehearsal().unwrap();
        let rehearsed = told(&rehearsal, on_failure, drafts());
        drop(rehearsal);
        assert_eq!(database.dump(), before);
        assert_eq!(rehearsed, told(&store, on_failure, drafts()), "{on_failure:?}");
    }
}

fn t(k: usize, fields: &[(&'static str, Value)]) -> Draft {
    put_record(format!("t/{k}"), fields.iter().cloned())
}

#[test]
fn steps_see_what_earlier_ones_would_have_done() {
    let sql = "CREATE TABLE up (k integer NOT NULL PRIMARY KEY);
        CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text UNIQUE, n integer CHECK (n < 100),
                        up integer REFERENCES up);
        INSERT INTO up VALUES (1);
        INSERT INTO t (k, u) VALUES (7, 'taken');";
    both(sql, |database| {
        agrees(database, || {
            vec![
                t(1, &[("u", text("a"))]),
                t(2, &[("u", text("a"))]),
                t(2, &[("n", text("no number"))]),
                t(3, &[("n", json("100"))]),
                t(3, &[("up", json("2"))]),
                put_record("up/2", []),
                t(3, &[("up", json("2"))]),
                remove("up/2"),
                update("t/7", [("u", text("b"))]),
                add("t", [("k", json("1"))]),
                remove("t/1"),
                add("t", [("k", json("1")), ("u", text("a"))]),
                update("t/x", [("u", text("c"))]),
                update("t/99999999999999999999", [("u", text("c"))]),
                update("t/1", [("u", text("d"))]),
            ]
        });
    });
}

/// SQLite looks at a deferred constraint when it commits, which a rehearsal never does.
#[test]
fn what_a_commit_would_refuse_is_refused() {
    let sql = "CREATE TABLE up (k integer NOT NULL PRIMARY KEY);
        CREATE TABLE late (k integer NOT NULL PRIMARY KEY,
                           up integer REFERENCES up DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO up VALUES (1);
        INSERT INTO late VALUES (1, 1);";
    // Rows that refer to nothing since before anybody looked are nobody's fault.
    let stale = format!("PRAGMA foreign_keys = off; {sql} INSERT INTO late VALUES (9, 9);");
    let late = |k: usize, up: &str| put_record(format!("late/{k}"), [("up", json(up))]);
    for stale in [&stale, sql] {
        each(stale, sql, |database| {
            agrees(database, || {
                vec![
                    late(2, "1"),
                    late(3, "7"),
                    put_record("up/7", []),
                    late(3, "7"),
                    remove("up/7"),
                    update("late/3", [("up", json("1"))]),
                    remove("up/7"),
                ]
            });
            agrees(database, || vec![late(4, "8"), put_record("up/8", [])]);
        });
    }
}

/// What a trigger changes, and what it refuses, down to undoing the whole transaction.
#[test]
fn triggers_do_what_they_will_do() {
    let sqlite = "CREATE TABLE log (k INTEGER PRIMARY KEY AUTOINCREMENT, said text);
        CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text);
        CREATE TRIGGER notes AFTER INSERT ON t BEGIN INSERT INTO log (said) VALUES (NEW.u); END;
        CREATE TRIGGER aborts BEFORE INSERT ON t WHEN NEW.u = 'abort'
            BEGIN SELECT RAISE(ABORT, 'no'); END;
        CREATE TRIGGER undoes BEFORE INSERT ON t WHEN NEW.u = 'rollback'
            BEGIN SELECT RAISE(ROLLBACK, 'no'); END;";
    let postgres = "CREATE TABLE log (k serial PRIMARY KEY, said text);
        CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text);
        CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.u IN ('abort', 'rollback') THEN RAISE EXCEPTION 'no'; END IF;
            INSERT INTO log (said) VALUES (NEW.u); RETURN NEW; END $$;
        CREATE TRIGGER notes BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION notes();";
    let u = |k: usize, u: &str| t(k, &[("u", text(u))]);
    each(sqlite, postgres, |database| {
        agrees(database, || vec![u(1, "rollback")]);
        let drafts = || vec![u(1, "a"), u(2, "abort"), u(3, "b"), u(2, "c")];
        if database.is_sqlite() {
            agrees(database, drafts);
            return;
        }
        // A sequence goes on: what is dumped differs in its number.
        let store: Arc<dyn Store> = Arc::new(database.open());
        let rehearsal = store.clone().rehearsal().unwrap();
        let rehearsed = tell(&rehearsal, drafts());
        drop(rehearsal);
        assert_eq!(listed(&store, "t").len() + listed(&store, "log").len(), 0);
        assert_eq!(rehearsed, tell(&store, drafts()));
        assert!(!listed(&store, "log")[0].contains("\"k\":1,"), "{:?}", listed(&store, "log"));
    });
}

/// What was rehearsed before is gone with it: nothing true can be told of anything built upon that.
#[test]
fn a_rollback_of_everything_ends_the_rehearsal() {
    let database = Database::sqlite(
        "CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text);
         CREATE TRIGGER undoes BEFORE INSERT ON t WHEN NEW.u = 'rollback'
            BEGIN SELECT RAISE(ROLLBACK, 'no'); END;",
    );
    let store: Arc<dyn Store> = Arc::new(database.open());
    let rehearsal = store.clone().rehearsal().unwrap();
    assert_eq!(tell(&rehearsal, [t(1, &[("u", text("a"))])]), ["created"]);
    let told = tell(&rehearsal, [t(2, &[("u", text("rollback"))]), t(3, &[]), t(4, &[])]);
    assert_eq!(told, [2, 3, 4].map(|k| format!("NotAttempted /t/{k}")));
    drop(rehearsal);
    assert_eq!(tell(&store, [t(1, &[])]), ["created"]);
}

#[test]
fn a_session_that_is_ended_ends_the_rehearsal() {
    if !require_postgres() {
        return;
    }
    let database = Database::postgres("CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text);");
    let store: Arc<dyn Store> = Arc::new(database.open());
    let rehearsal = store.clone().rehearsal().unwrap();
    assert_eq!(tell(&rehearsal, [t(1, &[])]), ["created"]);
    database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'",
    );
    let told = tell(&rehearsal, [t(1, &[]), t(2, &[])]);
    assert_eq!(told, ["NotAttempted /t/1", "NotAttempted /t/2"]);
    drop(rehearsal);
    assert_eq!(tell(&store, [t(1, &[])]), ["created"]);
}

/// Nobody sees anything of it, and nobody is kept from changing things once it is over.
#[test]
fn others_see_nothing_of_it() {
    let sql = "CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text);
        INSERT INTO t VALUES (1, 'a');";
    both(sql, |database| {
        let store: Arc<dyn Store> = Arc::new(database.open());
        for _ in 0..40 {
            let rehearsal = store.clone().rehearsal().unwrap();
            let told = tell(&rehearsal, [update("t/1", [("u", text("b"))]), t(2, &[])]);
            assert_eq!(told, ["done", "created"]);
            assert!(record(&rehearsal, "t/1").contains("\"b\""));
            assert_eq!(listed(&rehearsal, "t").len(), 2);
            assert!(record(&store, "t/1").contains("\"a\""));
            assert_eq!(listed(&store, "t").len(), 1);
        }
        assert_eq!(tell(&store, [update("t/1", [("u", text("c"))])]), ["done"]);
        assert_eq!(database.sql("SELECT u FROM t"), "c");
    });
}

/// A table that was changed since it was looked at costs no step behind, nor one before.
#[test]
fn tables_that_changed_are_looked_at_again() {
    both("CREATE TABLE t (k integer NOT NULL PRIMARY KEY, u text);", |database| {
        let store: Arc<dyn Store> = Arc::new(database.open());
        database.sql("ALTER TABLE t RENAME COLUMN u TO v");
        let rehearsal = store.rehearsal().unwrap();
        let told = tell(&rehearsal, [t(1, &[("v", text("a"))]), t(2, &[("v", text("b"))])]);
        assert_eq!(told, ["created", "created"]);
    });
}

/// Served for reading alone, it refuses in the same words.
#[test]
fn where_nothing_may_change_nothing_would() {
    both("CREATE TABLE t (k integer NOT NULL PRIMARY KEY);", |database| {
        let options = polydav_sql::Options { read_only: true, ..Default::default() };
        let store: Arc<dyn Store> = Arc::new(database.open_with(&options).unwrap());
        assert_eq!(tell(&store.rehearsal().unwrap(), [t(1, &[])]), ["ReadOnly /t/1"]);
    });
}
