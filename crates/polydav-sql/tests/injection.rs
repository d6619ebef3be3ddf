//! What a client writes is never part of a statement: every text at every place, through every
//! method, leaves the database as it was, and what is told has neither SQL nor values in it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use std::ops::ControlFlow;

use polydav_sql::Options;
use polydav_store::kit::{
    Draft, add, apply, copy, fields, json, mkcol, patch, path, put_record, remove, rename, run,
    set, tell, text, update,
};
use polydav_store::{
    COLUMNS, Failure, FailureKind, Field, NoLocks, Page, PropertyName, ResourcePath, Select, Store,
    Value, Walk, WalkDepth, key,
};
use world::{both, bytes, page};

const SCHEMA: &str = "
    CREATE TABLE t (k text NOT NULL PRIMARY KEY, v text, n integer CONSTRAINT n_ok CHECK (n < 100), u text UNIQUE);
    CREATE TABLE canary (k integer PRIMARY KEY, up text REFERENCES t);
    CREATE VIEW view AS SELECT k, v FROM t;
    INSERT INTO t VALUES ('a', 'sesame', 1, 'taken');
    INSERT INTO canary VALUES (1, 'a');";

/// The classics, each for another place in a statement.
const ATTEMPTS: &[&str] = &[
    "'; DROP TABLE canary; --",
    "\"; DROP TABLE canary; --",
    "a' OR '1'='1",
    "a\" OR \"\"=\"",
    "' UNION SELECT k, up FROM canary --",
    "a'); DELETE FROM canary; --",
    "a\\'; DELETE FROM canary; --",
    "$$; DELETE FROM canary; $$",
    "$1; DELETE FROM canary",
    "?1) OR (1=1",
    "a') RETURNING (SELECT up FROM canary) --",
    "*/ DELETE FROM canary /*",
    "-- ",
    "(SELECT up FROM canary)",
    "v = v",
    "k; COMMIT; DROP TABLE canary",
    "pg_terminate_backend(1)",
    "main.canary",
    "public.canary",
    "\"public\".\"canary\"",
    "sqlite_schema",
    "pg_class",
    "information_schema.tables",
    "canary\u{2019}; DROP TABLE canary",
    "a\n; DROP TABLE canary",
    "{0} %s %n ${v} {{v}}",
];

/// Nothing of the database's, and nothing of the client's values.
fn check_told(failure: &Failure, attempt: &str) {
    let detail = failure.detail.as_deref().unwrap_or_default();
    // An unknown column is told by the name that the client gave it, and by nothing more.
    let named = failure.column.as_deref() == Some(attempt);
    let detail = if named { detail.replacen(attempt, "", 1) } else { detail.to_owned() };
    for word in [
        "SELECT", "INSERT", "UPDATE ", "WHERE", "::", "syntax", "sesame", "taken", "unnest",
        "n < 100",
    ] {
        assert!(!detail.contains(word), "{detail:?} tells {word:?}");
    }
    assert!(!detail.contains(attempt), "{detail:?} repeats a value");
}

fn is_harmless(kind: FailureKind) -> bool {
    use FailureKind::{
        Forbidden, Invalid, NotFound, Overlap, ParentMissing, Unsuited, Unsupported,
    };
    matches!(
        kind,
        Invalid | NotFound | Overlap | Unsuited | Unsupported | Forbidden | ParentMissing
    )
}

/// Paths with the attempt as the name of a table, a row, and what would lie under it.
fn paths(attempt: &str) -> Vec<ResourcePath> {
    let name = key::write([attempt]);
    let table = path(&name);
    vec![
        table.clone(),
        table.join(b"a").unwrap(),
        path("t").join(name.as_bytes()).unwrap(),
        path("canary").join(name.as_bytes()).unwrap(),
        path("view").join(name.as_bytes()).unwrap(),
        path("t/a").join(name.as_bytes()).unwrap(),
    ]
}

/// Steps that must all fail: the attempt stands wherever a client may write something.
fn steps(attempt: &'static str) -> Vec<Draft> {
    let mut all = Vec::new();
    for at in paths(attempt) {
        let at = || at.as_bytes().to_vec();
        all.extend([
            update(at(), [("v", text("x"))]),
            remove(at()),
            mkcol(at()),
            patch(at(), [set(attempt, "x")]),
            copy(at(), "t/b"),
            rename(at(), "t/b"),
            rename("t/a", at()),
            put_record(at(), [(attempt, text("x"))]),
            put_record(at(), [("n", text(attempt))]),
            put_record(at(), []).if_match(attempt),
            add(at(), [(attempt, text("x"))]),
        ]);
    }
    for column in ["n", attempt] {
        for value in [text(attempt), bytes(attempt.as_bytes()), json(&format!("{attempt:?}"))] {
            all.extend([
                put_record("t/a", [(column, value.clone())]),
                update("t/a", [(column, value.clone())]),
                put_record("t/new", [(column, value.clone())]),
                add("t", [("k", text("new")), (column, value.clone())]),
                add("canary", [("k", value.clone())]),
                update("canary/1", [("up", text(attempt))]),
            ]);
        }
    }
    all.push(update("t/a", [("k", text(attempt))]));
    all.push(update("t/a", [("n", json("100"))]));
    all.push(add("t", [("k", text("a")), ("v", text(attempt))]));
    all.push(add("t", [("k", text(attempt)), ("u", text("taken"))]));
    all
}

fn change(store: &dyn Store, attempt: &'static str) {
    let steps = steps(attempt).into_iter().enumerate().map(|(at, draft)| draft.step(at)).collect();
    for outcome in apply(store, &NoLocks, run(steps)) {
        let failure = outcome.expect_err(attempt);
        let known = is_harmless(failure.kind)
            || matches!(
                failure.kind,
                FailureKind::Conflict | FailureKind::Precondition | FailureKind::ReadOnly
            );
        assert!(known, "{attempt}: {failure}");
        check_told(&failure, attempt);
    }
}

fn look(store: &dyn Store, attempt: &str) {
    let check = |failure: Failure| {
        assert!(is_harmless(failure.kind), "{attempt}: {failure}");
        check_told(&failure, attempt);
    };
    let select = Select::Only(vec![PropertyName::new(COLUMNS, attempt)]);
    for at in paths(attempt) {
        let walk = Walk { depth: WalkDepth::Infinity { budget: 100 }, select: select.clone() };
        check(store.stat(&at, &select).unwrap_err());
        check(store.read(&at).unwrap_err());
        check(store.walk(&at, &walk, &mut |_| ControlFlow::Continue(())).unwrap_err());
        check(store.list(&at, &Page::default(), &mut |_| ControlFlow::Continue(())).unwrap_err());
        check(store.locate(&at, &fields([("k", text(attempt))])).unwrap_err());
        assert!(store.stage(&at, None).is_err());
        store.capabilities(&at);
        assert_eq!(store.space(&at).unwrap(), None);
    }
    assert_eq!(store.stat(&path("t/a"), &select).unwrap().columns, []);
    let field = |name: &str, value: Value| Field { name: name.into(), value };
    for filter in [
        field(attempt, text("x")),
        field("n", text(attempt)),
        field("n", json(&format!("{attempt:?}"))),
    ] {
        check(page(store, "t", &Page { filter: vec![filter], ..Page::default() }).unwrap_err());
    }
    for (table, name) in [("t", "v"), ("t", "k"), ("view", "v")] {
        let filter = vec![field(name, text(attempt))];
        assert_eq!(
            page(store, table, &Page { filter, ..Page::default() }).unwrap().0,
            Vec::<String>::new()
        );
    }
    for table in ["canary", "view"] {
        let after = Some(attempt.to_owned());
        check(page(store, table, &Page { after, limit: Some(1), ..Page::default() }).unwrap_err());
    }
    // A text is a cursor of texts: what follows it follows it.
    let asked = Page { after: Some(key::write([attempt])), limit: Some(1), ..Page::default() };
    let expected = usize::from(attempt < "a");
    assert_eq!(page(store, "t", &asked).unwrap().0.len(), expected, "{attempt}");
    check(store.locate(&path("canary"), &fields([("k", text(attempt))])).unwrap_err());
    let located = store.locate(&path("t"), &fields([("k", text(attempt))])).unwrap();
    assert_eq!(located, path("t").join(key::write([attempt]).as_bytes()).unwrap());
}

#[test]
fn what_a_client_writes_changes_nothing_it_may_not() {
    both(SCHEMA, |database| {
        let before = database.dump();
        let store = &database.open();
        for attempt in ATTEMPTS {
            change(store, attempt);
            look(store, attempt);
        }
        assert_eq!(database.dump(), before);
    });
}

/// As a value, a key or a tag, it is what it is.
#[test]
fn what_a_client_writes_is_kept_as_it_is() {
    both(SCHEMA, |database| {
        let before = database.dump();
        let store = &database.open();
        for attempt in ATTEMPTS {
            let at = path("t").join(key::write([attempt]).as_bytes()).unwrap();
            let at = || at.as_bytes().to_vec();
            let told = tell(
                store,
                [
                    put_record(at(), [("v", text(attempt)), ("u", text(attempt))]),
                    update(at(), [("v", json(&serde_json::Value::from(*attempt).to_string()))]),
                    put_record("canary/2", [("up", text(attempt))]),
                ],
            );
            assert_eq!(told, ["created", "done", "created"], "{attempt}");
            assert_eq!(world::columns(store, at())[1].value, text(attempt));
            for name in ["k", "v", "u"] {
                let filter = fields([(name, text(attempt))]);
                assert_eq!(
                    page(store, "t", &Page { filter, ..Page::default() }).unwrap().0.len(),
                    1
                );
            }
            assert_eq!(
                tell(store, [remove(at()), remove("canary/2"), remove(at())]),
                [
                    format!(
                        "Conflict {}",
                        path("t").join(key::write([attempt]).as_bytes()).unwrap()
                    ),
                    "done".to_owned(),
                    "done".to_owned(),
                ]
            );
        }
        assert_eq!(database.dump(), before);
    });
}

/// Options are the operator's, but a slip must not open or break anything either.
#[test]
fn names_in_options_are_names() {
    both(SCHEMA, |database| {
        let before = database.dump();
        for attempt in ATTEMPTS {
            let one = || vec![(*attempt).to_owned()];
            let column = |table: &str| vec![(table.to_owned(), (*attempt).to_owned())];
            for options in [
                Options { tables: Some(one()), ..Options::default() },
                Options { deny_tables: one(), ..Options::default() },
                Options { read_only_columns: column(attempt), ..Options::default() },
                Options { read_only_columns: column("t"), ..Options::default() },
            ] {
                assert!(database.open_with(&options).is_err(), "{options:?}");
            }
            if !database.is_sqlite() {
                let options = Options { schema: Some((*attempt).into()), ..Options::default() };
                let store = database.open_with(&options).unwrap();
                assert_eq!(world::listed(&store, ""), Vec::<String>::new());
            }
        }
        assert_eq!(database.dump(), before);
    });
}
