//! Whatever a database consists of: what is served of it, and that its own rules hold, each charged
//! to the step that goes against it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use polydav_sql::{OpenError, Options};
use polydav_store::kit::{
    add, apply, found, json, path, put_record, remove, run, tag, tell, text, update,
};
use polydav_store::{NoLocks, Outcome, Select, Store, Value, key};
use world::{Database, both, columns, each, listed, record};

/// Names that a statement may take for something else.
const ODD: &[&str] = &[
    "select",
    "order",
    "a b",
    "a\"b",
    "a'b",
    "x\"; DROP TABLE t; --",
    "%",
    "a%20b",
    "a.b",
    ".hidden",
    "\u{e4}\u{1f600}",
    "a\u{308}",
    "A",
    "a",
    "~1",
    "~n",
    "t",
    "v",
    "$1",
    "?1",
    ":a",
    "--",
    "\\",
    "\n",
    "[a]",
    "`a`",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn tables_and_columns_may_have_any_name() {
    let mut sql = String::from("CREATE TABLE canary (k text NOT NULL PRIMARY KEY);");
    // To SQLite, names in upper and lower case are the same.
    let names = || ODD.iter().filter(|name| **name != "A");
    for name in names() {
        let column = quoted(name);
        let table = quoted(&format!("t{name}"));
        sql += &format!(
            "CREATE TABLE {table} ({column} text NOT NULL PRIMARY KEY, \"k {}\" text,
                         \"?\" integer UNIQUE, UNIQUE ({column}, \"k {}\"));",
            &column[1..column.len() - 1],
            &column[1..column.len() - 1]
        );
    }
    both(&sql, |database| {
        let store = &database.open();
        for name in names() {
            let (table, other) = (format!("t{name}"), format!("k {name}"));
            let row = format!("{table}/a");
            let fields = |value: &str| [(other.clone(), text(value))];
            let with =
                |value: &str| fields(value).map(|(name, value)| (name.leak() as &str, value));
            let told = tell(
                store,
                [
                    put_record(&row, with("x")),
                    put_record(&row, with("y")),
                    update(&row, with("z")),
                    update(&row, [("?", text("7"))]),
                    add(&table, [(*name, text("b")), ("?", text("8"))]),
                    add(&table, [(*name, text("b")), ("?", text("9"))]),
                    update(format!("{table}/b"), [("?", text("7"))]),
                ],
            );
            let [taken, other_taken] =
                [format!("Conflict /{table} [{name}]"), format!("Conflict /{table}/b [?]")];
            let told: Vec<_> = told.iter().map(String::as_str).collect();
            let shown = |told: &str| told.replace(&path(&table).to_string(), &format!("/{table}"));
            let told: Vec<_> = told.into_iter().map(shown).collect();
            assert_eq!(
                told,
                ["created", "done", "done", "done", "created", &taken, &other_taken],
                "{name}"
            );
            assert_eq!(columns(store, &row)[1].value, text("z"), "{name}");
            assert_eq!(listed(store, &table).len(), 2);
            let filter = vec![polydav_store::Field { name: (*name).into(), value: text("b") }];
            let asked = polydav_store::Page { filter, limit: Some(1), after: Some("a".into()) };
            assert_eq!(world::page(store, &table, &asked).unwrap().0.len(), 1);
            assert_eq!(tell(store, [remove(&row), remove(&row)])[0], "done");
        }
        assert_eq!(listed(store, "canary").len(), 0);
    });
}

/// What can't be a segment of a path isn't served.
#[test]
fn tables_that_no_path_leads_to_are_not_served() {
    let sql = r#"CREATE TABLE "a/b" (k INTEGER PRIMARY KEY); CREATE TABLE "." (k INTEGER PRIMARY KEY);
                 CREATE TABLE ".." (k INTEGER PRIMARY KEY); CREATE TABLE ok (k INTEGER PRIMARY KEY);"#;
    both(sql, |database| {
        let tables = listed(&database.open(), "");
        assert!(tables.len() == 1 && tables[0].contains("\"ok\""), "{tables:?}");
    });
}

#[test]
fn tables_of_other_schemas_are_not_served() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE SCHEMA other; CREATE TABLE t (k text PRIMARY KEY, here text);
         CREATE TABLE other.t (k text PRIMARY KEY, there text UNIQUE, n integer CHECK (n > 0));
         CREATE TABLE other.only (k text PRIMARY KEY); CREATE TYPE other.mood AS ENUM ('sad');
         CREATE TABLE other.typed (k text PRIMARY KEY, v other.mood);
         INSERT INTO other.t VALUES ('a', 'b', 1);",
    );
    let store = &database.open();
    assert_eq!(
        tell(store, [put_record("t/a", [("here", text("x"))]), put_record("only/a", [])]),
        ["created", "NotFound /only"]
    );
    assert_eq!(tell(store, [update("t/a", [("there", text("x"))])]), ["Invalid /t/a [there]"]);
    assert_eq!(listed(store, "").len(), 1);
    let other = Options { schema: Some("other".into()), ..Options::default() };
    let other = &database.open_with(&other).unwrap();
    assert_eq!(listed(other, "").len(), 3);
    assert_eq!(listed(other, "t"), [r#"{"k":"a","there":"b","n":1}"#]);
    let told = tell(
        other,
        [
            put_record("t/b", [("there", text("b"))]),
            update("t/a", [("n", json("0"))]),
            put_record("typed/a", [("v", text("sad"))]),
        ],
    );
    assert_eq!(told, ["Conflict /t/b [there]", "Invalid /t/a [n]", "created"]);
    let none =
        Options { schema: Some("none\"; DROP SCHEMA other; --".into()), ..Options::default() };
    assert_eq!(listed(&database.open_with(&none).unwrap(), "").len(), 0);
    assert_eq!(listed(store, "t"), [r#"{"k":"a","here":"x"}"#]);
}

#[test]
fn what_is_served_can_be_chosen() {
    let sql = "CREATE TABLE a (k INTEGER PRIMARY KEY, v text, w text); CREATE TABLE b (k INTEGER PRIMARY KEY);
               CREATE TABLE c (k INTEGER PRIMARY KEY); CREATE TABLE keyless (v text);";
    both(sql, |database| {
        let names = |options: &Options| {
            let store = database.open_with(options).unwrap();
            let tables = listed(&store, "");
            tables.iter().map(|table| table[10..11].to_owned()).collect::<String>()
        };
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&Options::default()), "abc");
        assert_eq!(names(&Options { tables: Some(list(&["b", "a"])), ..Options::default() }), "ab");
        assert_eq!(
            names(&Options { deny_tables: list(&["b", "keyless"]), ..Options::default() }),
            "ac"
        );
        let both = Options {
            tables: Some(list(&["b", "a"])),
            deny_tables: list(&["a"]),
            ..Options::default()
        };
        // What is named is to be served: that it is denied too is a mistake.
        assert!(matches!(database.open_with(&both), Err(OpenError::Unknown { what: "table", .. })));
        for (tables, deny_tables, read_only_columns) in [
            (Some(list(&["A"])), Vec::new(), Vec::new()),
            (Some(list(&["keyless"])), Vec::new(), Vec::new()),
            (Some(list(&["a", "a\"; --"])), Vec::new(), Vec::new()),
            (None, list(&["x"]), Vec::new()),
            (None, Vec::new(), vec![column("a", "x")]),
            (None, Vec::new(), vec![column("", "v")]),
            (None, list(&["a"]), vec![column("a", "v")]),
        ] {
            let options = Options { tables, deny_tables, read_only_columns, ..Options::default() };
            assert!(
                matches!(database.open_with(&options), Err(OpenError::Unknown { .. })),
                "{options:?}"
            );
        }
        let denied = Options { deny_tables: list(&["b"]), ..Options::default() };
        let store = &database.open_with(&denied).unwrap();
        let told =
            tell(store, [put_record("b/1", []), add("b", []), remove("b/1"), update("b/1", [])]);
        assert_eq!(told, ["NotFound /b", "NotFound /b", "NotFound /b/1", "NotFound /b/1"]);
        assert_eq!(database.sql("SELECT count(*) FROM b"), "0");
    });
}

fn column(table: &str, name: &str) -> (String, String) {
    (table.to_owned(), name.to_owned())
}

#[test]
fn columns_and_databases_may_be_closed_to_clients() {
    both("CREATE TABLE t (k INTEGER PRIMARY KEY, v text DEFAULT 'd', w text);", |database| {
        let options = Options { read_only_columns: vec![column("t", "v")], ..Options::default() };
        let store = &database.open_with(&options).unwrap();
        let told = tell(
            store,
            [
                put_record("t/1", [("w", text("x"))]),
                put_record("t/1", [("v", text("x"))]),
                update("t/1", [("v", text("d"))]),
                add("t", [("v", text("x"))]),
                update("t/1", [("w", text("y"))]),
            ],
        );
        let no = |at: &str| format!("ReadOnly {at} [v]");
        assert_eq!(
            told,
            ["created".to_owned(), no("/t/1"), no("/t/1"), no("/t"), "done".to_owned()]
        );
        database.sql("UPDATE t SET v = 'kept'");
        assert_eq!(tell(store, [put_record("t/1", [])]), ["done"]);
        assert_eq!(record(store, "t/1"), r#"{"k":1,"v":"kept","w":null}"#);
        let key = Options { read_only_columns: vec![column("t", "k")], ..Options::default() };
        let told = tell(
            &database.open_with(&key).unwrap(),
            [put_record("t/2", []), put_record("t/1", [])],
        );
        assert_eq!(told, ["ReadOnly /t/2 [k]", "done"]);

        let closed = Options { read_only: true, ..Options::default() };
        let store = &database.open_with(&closed).unwrap();
        assert!(!store.capabilities(&path("")).writable);
        let told = tell(
            store,
            [put_record("t/3", []), update("t/1", []), add("t", []), remove("t/1"), remove("t/9")],
        );
        assert_eq!(
            told,
            ["ReadOnly /t/3", "ReadOnly /t/1", "ReadOnly /t", "ReadOnly /t/1", "ReadOnly /t/9"]
        );
    });
}

/// A change by a trigger or a cascade is seen by the steps behind it.
#[test]
fn far_effects_are_seen_by_the_next_step() {
    let sqlite = "
        CREATE TABLE a (k INTEGER PRIMARY KEY, v text, changed integer NOT NULL DEFAULT 0);
        CREATE TABLE b (k INTEGER PRIMARY KEY, a integer REFERENCES a ON DELETE CASCADE, v text);
        CREATE TABLE c (k INTEGER PRIMARY KEY, v text);
        CREATE TRIGGER own AFTER UPDATE OF v ON a BEGIN UPDATE a SET changed = changed + 1 WHERE k = NEW.k; END;
        CREATE TRIGGER other AFTER INSERT ON a BEGIN INSERT INTO c VALUES (NEW.k, 'made'); END;
        CREATE TRIGGER gone AFTER DELETE ON a BEGIN DELETE FROM c WHERE k = OLD.k; END;";
    let postgres = "
        CREATE TABLE a (k INTEGER PRIMARY KEY, v text, changed integer NOT NULL DEFAULT 0);
        CREATE TABLE b (k INTEGER PRIMARY KEY, a integer REFERENCES a ON DELETE CASCADE, v text);
        CREATE TABLE c (k INTEGER PRIMARY KEY, v text);
        CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE a SET changed = changed + 1 WHERE k = NEW.k; RETURN NULL; END $$;
        CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO c VALUES (NEW.k, 'made'); RETURN NULL; END $$;
        CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            DELETE FROM c WHERE k = OLD.k; RETURN NULL; END $$;
        CREATE TRIGGER own AFTER UPDATE OF v ON a FOR EACH ROW EXECUTE FUNCTION own();
        CREATE TRIGGER other AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION other();
        CREATE TRIGGER gone AFTER DELETE ON a FOR EACH ROW EXECUTE FUNCTION gone();";
    each(sqlite, postgres, |database| {
        let store = &database.open();
        let told = tell(
            store,
            [
                put_record("a/1", []),
                put_record("c/1", [("v", text("x"))]),
                put_record("c/2", []),
                put_record("a/2", []),
                put_record("b/1", [("a", text("1"))]),
                put_record("b/2", [("a", text("2"))]),
            ],
        );
        assert_eq!(
            told,
            ["created", "done", "created", "Conflict /a/2", "created", "Conflict /b/2 [a]"]
        );
        let b = tag(store, "b/1");
        let told = tell(
            store,
            [
                remove("a/1"),
                update("b/1", [("v", text("x"))]).if_match(&b),
                put_record("b/1", [("v", text("x"))]),
                update("c/1", [("v", text("x"))]),
                put_record("c/1", []).if_none_match("*"),
                remove("c/2"),
                put_record("a/2", []),
                update("c/2", [("v", text("y"))]),
            ],
        );
        let expected = [
            "done",
            "NotFound /b/1",
            "created",
            "NotFound /c/1",
            "created",
            "done",
            "created",
            "done",
        ];
        assert_eq!(told, expected);

        // The tag that is told is that of the row as the trigger left it.
        let steps = vec![update("a/2", [("v", text("x"))]).step(0)];
        let outcomes = apply(store, &NoLocks, run(steps));
        let told = outcomes[0].as_ref().unwrap().etag.clone();
        assert_eq!(record(store, "a/2"), r#"{"k":2,"v":"x","changed":1}"#);
        assert_eq!(told, found(store, "a/2").etag);
    });
}

/// SQLite knows upper and lower case of ASCII alone, and a trigger may have the name of its table.
#[test]
fn a_trigger_of_sqlite_is_that_of_its_table_whatever_both_are_called() {
    let database = Database::sqlite(
        "CREATE TABLE \"ÄA\" (k INTEGER PRIMARY KEY, v text); INSERT INTO \"ÄA\" VALUES (1, 'a');
         CREATE TRIGGER \"ÄA\" BEFORE UPDATE ON \"Äa\" BEGIN SELECT RAISE(IGNORE); END;",
    );
    let store = &database.open();
    let told = tell(store, [update("ÄA/1", [("v", text("x"))])]);
    assert_eq!(told, ["Invalid /ÄA/1"], "a trigger kept it from being changed");
    assert_eq!(listed(store, "").len(), 1, "there is one table");
}

/// A table that nobody can change, because its trigger needs what isn't there, is no other's.
#[test]
fn a_trigger_that_can_not_be_performed_keeps_no_other_table_from_being_changed() {
    let tables = "
        CREATE TABLE ok (k INTEGER PRIMARY KEY, v text); CREATE TABLE log (k INTEGER PRIMARY KEY);
        CREATE TABLE bad (k INTEGER PRIMARY KEY, v text); INSERT INTO bad VALUES (1, 'a');";
    let gone = "
        CREATE TRIGGER log AFTER UPDATE ON bad BEGIN INSERT INTO log VALUES (NULL); END;
        DROP TABLE log;";
    let foreign = "
        CREATE TRIGGER log AFTER UPDATE ON bad WHEN function_of_another_program(NEW.v) BEGIN
            INSERT INTO log VALUES (NULL); END;";
    let postgres = "
        CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO log VALUES (1); RETURN NULL; END $$;
        CREATE TRIGGER log AFTER UPDATE ON bad FOR EACH ROW EXECUTE FUNCTION log();
        DROP TABLE log;";
    for (sqlite, verdict) in [(gone, "Busy /bad/1"), (foreign, "Internal /bad/1")] {
        each(&(tables.to_owned() + sqlite), &(tables.to_owned() + postgres), |database| {
            let steps = (0..100).map(|k| match k {
                55 => update("bad/1", [("v", text("x"))]),
                _ => put_record(format!("ok/{k}"), []),
            });
            for (k, told) in tell(&database.open(), steps).into_iter().enumerate() {
                match k {
                    55 if database.is_sqlite() => assert_eq!(told, verdict),
                    55 => assert_eq!(told, "Busy /bad/1"),
                    _ => assert_eq!(told, "created", "{k}"),
                }
            }
        });
    }
}

/// A trigger may keep a change from being made, or say that it must not be.
#[test]
fn triggers_may_refuse() {
    let columns = "(k INTEGER PRIMARY KEY, v text)";
    let sqlite = format!(
        "CREATE TABLE quiet {columns}; CREATE TABLE loud {columns};
         INSERT INTO quiet VALUES (1, 'a'), (2, 'no'); INSERT INTO loud VALUES (1, 'a'), (2, 'no');
         CREATE TRIGGER qi BEFORE INSERT ON quiet WHEN NEW.v = 'no' BEGIN SELECT raise(IGNORE); END;
         CREATE TRIGGER qu BEFORE UPDATE ON quiet WHEN NEW.v = 'no' BEGIN SELECT raise(IGNORE); END;
         CREATE TRIGGER qd BEFORE DELETE ON quiet WHEN OLD.v = 'no' BEGIN SELECT raise(IGNORE); END;
         CREATE TRIGGER li BEFORE INSERT ON loud WHEN NEW.v = 'no' BEGIN SELECT raise(ABORT, 'secret'); END;
         CREATE TRIGGER lu BEFORE UPDATE ON loud WHEN NEW.v = 'no' BEGIN SELECT raise(FAIL, 'secret'); END;
         CREATE TRIGGER ld BEFORE DELETE ON loud WHEN OLD.v = 'no' BEGIN SELECT raise(ROLLBACK, 'secret'); END;"
    );
    let postgres = format!(
        "CREATE TABLE quiet {columns}; CREATE TABLE loud {columns};
         INSERT INTO quiet VALUES (1, 'a'), (2, 'no'); INSERT INTO loud VALUES (1, 'a'), (2, 'no');
         CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (coalesce(NEW, OLD)).v = 'no' THEN RETURN NULL; END IF; RETURN coalesce(NEW, OLD); END $$;
         CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (coalesce(NEW, OLD)).v = 'no' THEN RAISE EXCEPTION 'secret' USING ERRCODE =
                CASE TG_OP WHEN 'INSERT' THEN 'P0001' WHEN 'UPDATE' THEN '45000' ELSE '23514' END;
            END IF; RETURN coalesce(NEW, OLD); END $$;
         CREATE TRIGGER q BEFORE INSERT OR UPDATE OR DELETE ON quiet FOR EACH ROW EXECUTE FUNCTION quiet();
         CREATE TRIGGER l BEFORE INSERT OR UPDATE OR DELETE ON loud FOR EACH ROW EXECUTE FUNCTION loud();"
    );
    each(&sqlite, &postgres, |database| {
        let store = &database.open();
        for table in ["quiet", "loud"] {
            let [one, two, three] = [1, 2, 3].map(|number| format!("{table}/{number}"));
            let no = || [("v", text("no"))];
            let steps = || {
                [
                    update(&one, [("v", text("b"))]),
                    update(&one, no()),
                    put_record(&three, no()),
                    add(table, [("k", text("4")), ("v", text("no"))]),
                    remove(&two),
                    put_record(&one, no()),
                    put_record(&three, []),
                    remove(&three),
                ]
            };
            let told = tell(store, steps());
            let invalid = |at: &str| format!("Invalid /{at}");
            let expected = [
                "done".to_owned(),
                invalid(&one),
                invalid(&three),
                invalid(table),
                invalid(&two),
                invalid(&one),
                "created".to_owned(),
                "done".to_owned(),
            ];
            assert_eq!(told, expected);
            let steps = steps().into_iter().enumerate().map(|(at, draft)| draft.step(at)).collect();
            for outcome in apply(store, &NoLocks, run(steps)) {
                assert!(!detail(&outcome).contains("secret"));
            }
            assert_eq!(listed(store, table), [r#"{"k":1,"v":"b"}"#, r#"{"k":2,"v":"no"}"#]);
        }
    });
}

fn detail(outcome: &Outcome) -> String {
    match outcome {
        Ok(_) => String::new(),
        Err(failure) => failure.detail.as_deref().unwrap_or_default().to_owned(),
    }
}

/// A trigger that changes the key would have the row lie elsewhere than where it was put.
#[test]
fn triggers_may_fill_in_values() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE t (k text PRIMARY KEY, v text NOT NULL);
         CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.v = coalesce(NEW.v, 'filled'); NEW.k = lower(NEW.k); RETURN NEW; END $$;
         CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION fill();",
    );
    let store = &database.open();
    let told = tell(
        store,
        [
            put_record("t/a", []),
            put_record("t/B", []),
            add("t", [("k", text("C"))]),
            put_record("t/d", []),
        ],
    );
    assert_eq!(told, ["created", "Invalid /t/B [k]", "created", "created"]);
    let rows = ["a", "c", "d"].map(|name| format!(r#"{{"k":"{name}","v":"filled"}}"#));
    assert_eq!(listed(store, "t"), rows);
}

#[test]
fn references_are_kept() {
    let sql = "
        CREATE TABLE a (k INTEGER PRIMARY KEY);
        CREATE TABLE keep (k INTEGER PRIMARY KEY, a integer REFERENCES a);
        CREATE TABLE clear (k INTEGER PRIMARY KEY, a integer REFERENCES a ON DELETE SET NULL);
        CREATE TABLE tree (k INTEGER PRIMARY KEY, up integer REFERENCES tree);
        CREATE TABLE cut (k INTEGER PRIMARY KEY, up integer REFERENCES cut ON DELETE CASCADE);
        CREATE TABLE two (k INTEGER PRIMARY KEY, x integer REFERENCES a, y integer REFERENCES a);
        CREATE TABLE pair (x INTEGER NOT NULL, y INTEGER NOT NULL, PRIMARY KEY (x, y));
        CREATE TABLE at (k INTEGER PRIMARY KEY, x integer, y integer, FOREIGN KEY (x, y) REFERENCES pair);";
    both(sql, |database| {
        let store = &database.open();
        let to = |column: &'static str, number: &str| [(column, text(number))];
        let told = tell(
            store,
            [
                put_record("keep/1", to("a", "1")),
                put_record("a/1", []),
                put_record("a/2", []),
                put_record("keep/1", to("a", "1")),
                put_record("clear/1", to("a", "2")),
                remove("a/1"),
                remove("a/2"),
                update("keep/1", to("a", "2")),
                update("keep/1", [("a", Value::Null)]),
                remove("a/1"),
                put_record("two/1", to("y", "1")),
            ],
        );
        let expected = [
            "Conflict /keep/1 [a]",
            "created",
            "created",
            "created",
            "created",
            "Conflict /a/1",
            "done",
            "Conflict /keep/1 [a]",
            "done",
            "done",
            "Conflict /two/1 [y]",
        ];
        assert_eq!(told, expected);
        assert_eq!(record(store, "clear/1"), r#"{"k":1,"a":null}"#);
        let told = tell(
            store,
            [
                put_record("tree/2", to("up", "1")),
                put_record("tree/1", to("up", "1")),
                put_record("tree/2", to("up", "1")),
                remove("tree/1"),
                remove("tree/2"),
                remove("tree/1"),
                put_record("cut/1", []),
                put_record("cut/2", to("up", "1")),
                put_record("cut/3", to("up", "2")),
                remove("cut/1"),
                remove("cut/3"),
                put_record("at/1", [("x", text("1")), ("y", text("1"))]),
                put_record("pair/1,1", []),
                put_record("at/1", [("x", text("1")), ("y", text("1"))]),
            ],
        );
        let expected = [
            "Conflict /tree/2 [up]",
            "created",
            "created",
            "Conflict /tree/1",
            "done",
            "done",
            "created",
            "created",
            "created",
            "done",
            "NotFound /cut/3",
            "Conflict /at/1",
            "created",
            "created",
        ];
        assert_eq!(told, expected);
    });
}

/// What could wait for the end of a transaction is charged to the step that breaks it.
#[test]
fn deferred_constraints_do_not_wait() {
    let sql = "
        CREATE TABLE a (k INTEGER PRIMARY KEY);
        CREATE TABLE b (k INTEGER PRIMARY KEY, a integer REFERENCES a DEFERRABLE INITIALLY DEFERRED, v text);
        CREATE TABLE free (k INTEGER PRIMARY KEY, v text);";
    both(sql, |database| {
        let store = &database.open();
        let to = |number: &str| [("a", text(number))];
        let told = tell(
            store,
            [
                put_record("free/1", []),
                put_record("b/1", to("1")),
                put_record("a/1", []),
                put_record("b/2", to("1")),
                put_record("free/2", []),
                remove("a/1"),
                put_record("b/3", to("7")),
                update("b/2", to("7")),
                put_record("free/3", []),
            ],
        );
        let told: Vec<_> = told.iter().map(|verdict| verdict.trim_end_matches(" [a]")).collect();
        let expected = [
            "created",
            "Conflict /b/1",
            "created",
            "created",
            "created",
            "Conflict /a/1",
            "Conflict /b/3",
            "Conflict /b/2",
            "created",
        ];
        assert_eq!(told, expected);
        assert_eq!(listed(store, "b"), [r#"{"k":2,"a":1,"v":null}"#]);
        assert_eq!(listed(store, "free").len(), 3);
    });
}

#[test]
fn unique_values_can_not_be_swapped_by_two_steps() {
    let postgres =
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v text UNIQUE DEFERRABLE INITIALLY DEFERRED);
                    CREATE TABLE u (k INTEGER PRIMARY KEY, v text UNIQUE);";
    let sqlite = "CREATE TABLE t (k INTEGER PRIMARY KEY, v text UNIQUE);
                  CREATE TABLE u (k INTEGER PRIMARY KEY, v text, UNIQUE (v));";
    each(sqlite, postgres, |database| {
        let store = &database.open();
        for table in ["t", "u"] {
            let [one, two] = [1, 2].map(|number| format!("{table}/{number}"));
            let v = |value: &str| [("v", text(value))];
            let told = tell(
                store,
                [
                    put_record(&one, v("a")),
                    put_record(&two, v("b")),
                    update(&one, v("b")),
                    update(&two, v("a")),
                    update(&one, v("c")),
                    update(&two, v("a")),
                    update(&one, v("b")),
                ],
            );
            let conflict = |at: &str| format!("Conflict /{at} [v]");
            let expected = [
                "created".to_owned(),
                "created".to_owned(),
                conflict(&one),
                conflict(&two),
                "done".to_owned(),
                "done".to_owned(),
                "done".to_owned(),
            ];
            assert_eq!(told, expected, "{table}");
            assert_eq!(listed(store, table), [r#"{"k":1,"v":"b"}"#, r#"{"k":2,"v":"a"}"#]);
        }
    });
}

/// A row that takes what another one leaves only behind it: whichever of them a statement for both
/// would come to first. SQLite makes one of changes whose check has a list.
#[test]
fn indexes_of_some_rows_of_expressions_and_of_generated_columns_compare_in_order() {
    let schema = |virtually: &str| {
        format!(
            "CREATE TABLE part (k INTEGER PRIMARY KEY, v text, n integer CHECK (n NOT IN (7, 8, 9)));
             CREATE UNIQUE INDEX partly ON part (v) WHERE n = 1;
             CREATE TABLE spelled (k INTEGER PRIMARY KEY, v text CHECK (v NOT IN ('p', 'q', 'r')), n integer);
             CREATE UNIQUE INDEX lowered ON spelled (lower(v));
             CREATE TABLE made (k INTEGER PRIMARY KEY, v text CHECK (v NOT IN ('p', 'q', 'r')), n integer,
                                g text GENERATED ALWAYS AS (lower(v)) {virtually} UNIQUE);"
        )
    };
    each(&schema("VIRTUAL"), &schema("STORED"), |database| {
        let store = &database.open();
        for (table, taken, taking, leaving) in [
            ("part", [text("x"), text("x")], ("n", json("1")), ("n", json("0"))),
            ("spelled", [text("x"), text("y")], ("v", text("X")), ("v", text("z"))),
            ("made", [text("x"), text("y")], ("v", text("X")), ("v", text("z"))),
        ] {
            let at = |k: usize| format!("{table}/{k}");
            let [first, second] = taken;
            let rows = (3..=100)
                .map(|k| put_record(at(k), [("v", text(&k.to_string())), ("n", json("1"))]));
            let rows = rows.chain([
                put_record(at(1), [("v", first), ("n", json("1"))]),
                put_record(at(2), [("v", second), ("n", json("0"))]),
            ]);
            assert_eq!(tell(store, rows), ["created"; 100], "{table}");
            let (name, value) = &taking;
            let others = (3..=100).map(|k| match *name {
                "n" => update(at(k), [("n", json("1"))]),
                _ => update(at(k), [("v", text(&format!("new {k}")))]),
            });
            let updates = [update(at(2), [(*name, value.clone())]), update(at(1), [leaving])];
            let told = tell(store, updates.into_iter().chain(others));
            assert!(told[0].starts_with(&format!("Conflict /{}", at(2))), "{table}: {}", told[0]);
            assert_eq!(told[1..], ["done"; 99], "{table}");
        }
    });
}

/// Where references weren't always enforced, one that is mended doesn't make up for one that is
/// broken by the same statement.
#[test]
fn a_reference_that_is_mended_lets_no_other_be_broken() {
    let database = Database::sqlite(
        "PRAGMA foreign_keys = false;
         CREATE TABLE up (k INTEGER PRIMARY KEY); INSERT INTO up VALUES (1);
         CREATE TABLE t (k INTEGER PRIMARY KEY, up integer DEFAULT 1 REFERENCES up CHECK (up NOT IN (7, 8, 9)));
         WITH RECURSIVE n(k) AS (VALUES (0) UNION ALL SELECT k + 1 FROM n WHERE k < 49)
         INSERT INTO t SELECT k, iif(k = 40, 99, 1) FROM n;",
    );
    let store = &database.open();
    let told = tell(
        store,
        (0..50).map(|k| update(format!("t/{k}"), [("up", json(if k == 3 { "98" } else { "1" }))])),
    );
    for (k, told) in told.into_iter().enumerate() {
        assert_eq!(told, if k == 3 { "Conflict /t/3 [up]" } else { "done" }, "{k}");
    }
    assert_eq!(database.sql("SELECT count(*) FROM t WHERE up = 1"), "50");
}

#[test]
fn rows_may_exclude_each_other() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE t (k integer PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
         CREATE TABLE e (k integer PRIMARY KEY, v text); CREATE UNIQUE INDEX ON e (lower(v));
         CREATE UNIQUE INDEX ON e (k) WHERE v = 'only';",
    );
    let store = &database.open();
    let during = |range: &str| [("during", text(range))];
    let v = |value: &str| [("v", text(value))];
    let told = tell(
        store,
        [
            put_record("t/1", during("[1,5)")),
            put_record("t/2", during("[5,9)")),
            put_record("t/3", during("[4,6)")),
            update("t/2", during("[4,9)")),
            update("t/1", during("[1,4)")),
            update("t/2", during("[4,9)")),
            put_record("e/1", v("a")),
            put_record("e/2", v("A")),
            put_record("e/2", v("b")),
            update("e/1", v("B")),
            update("e/2", v("A")),
            update("e/1", v("c")),
            update("e/2", v("A")),
        ],
    );
    let told: Vec<_> = told.iter().map(|verdict| verdict.split(" [").next().unwrap()).collect();
    let expected = [
        "created",
        "created",
        "Conflict /t/3",
        "Conflict /t/2",
        "done",
        "done",
        "created",
        "Conflict /e/2",
        "created",
        "Conflict /e/1",
        "Conflict /e/2",
        "done",
        "done",
    ];
    assert_eq!(told, expected);
}

#[test]
fn partitions_and_heirs_are_parts_of_a_whole() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE p (k integer, region text, v text, PRIMARY KEY (k, region)) PARTITION BY LIST (region);
         CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p_b PARTITION OF p FOR VALUES IN ('b');
         CREATE TABLE base (k integer PRIMARY KEY, v text); CREATE TABLE heir (w text) INHERITS (base);
         CREATE TABLE keyed (PRIMARY KEY (k)) INHERITS (base);
         INSERT INTO base VALUES (1, 'base'); INSERT INTO heir VALUES (1, 'heir'), (2, 'heir');
         CREATE TABLE ruled (k integer PRIMARY KEY, v text);
         CREATE RULE r AS ON UPDATE TO ruled DO INSTEAD NOTHING; INSERT INTO ruled VALUES (1, 'a');",
    );
    let store = &database.open();
    assert_eq!(listed(store, "").len(), 4, "{:?}", listed(store, ""));
    let v = || [("v", text("x"))];
    let told = tell(
        store,
        [
            put_record("p/1,a", v()),
            put_record("p/1,b", v()),
            put_record("p/1,c", v()),
            update("p/1,b", v()),
            remove("p/1,a"),
            update("base/1", v()),
            update("base/2", v()),
            put_record("base/2", []),
            remove("base/1"),
            put_record("keyed/1", v()),
            update("ruled/1", v()),
            remove("ruled/1"),
            put_record("ruled/2", []),
        ],
    );
    let expected = [
        "created",
        "created",
        "Invalid /p/1,c",
        "done",
        "done",
        "done",
        "NotFound /base/2",
        "created",
        "done",
        "created",
        "ReadOnly /ruled/1",
        "ReadOnly /ruled/1",
        "ReadOnly /ruled/2",
    ];
    assert_eq!(told, expected);
    assert_eq!(listed(store, "base"), [r#"{"k":2,"v":null}"#]);
    assert_eq!(database.sql("SELECT * FROM heir ORDER BY 1"), "1|heir|\n2|heir|");
    assert_eq!(listed(store, "ruled"), [r#"{"k":1,"v":"a"}"#]);
}

/// What the user of the database may not, the server may not; others of the run don't suffer.
#[test]
fn the_rights_of_the_role_hold() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE open (k integer PRIMARY KEY, v text); CREATE TABLE look (k integer PRIMARY KEY, v text);
         CREATE TABLE closed (k integer PRIMARY KEY, v text); CREATE TABLE own (k integer PRIMARY KEY, owner text);
         INSERT INTO look VALUES (1, 'a'); INSERT INTO closed VALUES (1, 'a');
         INSERT INTO own VALUES (1, 'guest'), (2, 'other');
         DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'guest') THEN CREATE ROLE guest LOGIN; END IF; END $$;
         GRANT ALL ON open, own TO guest; GRANT SELECT ON look TO guest;
         ALTER TABLE own ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON own USING (owner = current_user);",
    );
    let Database::Postgres { server, name } = &database else { return };
    let url = server.url(name).replace("polydav@", "guest@");
    let store = &polydav_sql::SqlStore::open_postgres(&url, &Options::default()).unwrap();
    let v = || [("v", text("x"))];
    let told = tell(
        store,
        [
            put_record("open/1", v()),
            put_record("look/2", v()),
            update("look/1", v()),
            remove("look/1"),
            put_record("open/2", v()),
            put_record("closed/2", v()),
            remove("closed/1"),
            add("closed", [("k", text("9"))]),
            put_record("open/3", v()).when_at("closed/1", []),
            update("own/1", [("owner", text("guest"))]),
            update("own/2", [("owner", text("guest"))]),
            update("own/1", [("owner", text("other"))]),
            put_record("own/3", [("owner", text("guest"))]),
            put_record("own/4", [("owner", text("other"))]),
            remove("own/2"),
            update("open/1", v()),
        ],
    );
    let expected = [
        "created",
        "Forbidden /look/2",
        "Forbidden /look/1",
        "Forbidden /look/1",
        "created",
        "Forbidden /closed/2",
        "Forbidden /closed/1",
        "Forbidden /closed",
        "Forbidden /open/3",
        "done",
        "NotFound /own/2",
        "Forbidden /own/1",
        "created",
        "Forbidden /own/4",
        "NotFound /own/2",
        "done",
    ];
    assert_eq!(told, expected);
    assert_eq!(listed(store, "look"), [r#"{"k":1,"v":"a"}"#]);
    assert_eq!(listed(store, "own").len(), 2);
    let kind = |at: &str| store.stat(&path(at), &Select::None).unwrap_err().kind;
    assert_eq!(
        (kind("closed/1"), kind("own/2")),
        (polydav_store::FailureKind::Forbidden, polydav_store::FailureKind::NotFound)
    );
}

/// Tables may be made, changed and dropped while they are served.
#[test]
fn tables_may_change_meanwhile() {
    both("CREATE TABLE t (k INTEGER PRIMARY KEY, v text, w text);", |database| {
        let store = &database.open();
        let v = || [("v", text("x"))];
        assert_eq!(tell(store, [put_record("t/1", v())]), ["created"]);
        database.sql("ALTER TABLE t RENAME COLUMN w TO y");
        assert_eq!(
            tell(store, [update("t/1", v()), update("t/1", [("y", text("z"))])]),
            ["done"; 2]
        );
        assert_eq!(record(store, "t/1"), r#"{"k":1,"v":"x","y":"z"}"#);

        database.sql("ALTER TABLE t RENAME COLUMN y TO z");
        assert_eq!(record(store, "t/1"), r#"{"k":1,"v":"x","z":"z"}"#, "found by who reads first");
        database.sql("ALTER TABLE t RENAME COLUMN z TO y");
        assert_eq!(listed(store, "t"), [r#"{"k":1,"v":"x","y":"z"}"#], "or by a listing");

        database.sql("ALTER TABLE t DROP COLUMN y");
        let told = tell(store, [put_record("t/2", v()), update("t/1", [("y", text("z"))])]);
        assert_eq!(told, ["created", "Invalid /t/1 [y]"]);

        database.sql("ALTER TABLE t ADD COLUMN n integer DEFAULT 7");
        let column = polydav_store::Field { name: "n".into(), value: text("7") };
        let asked = polydav_store::Page { filter: vec![column], ..Default::default() };
        until(|| world::page(store, "t", &asked).is_ok_and(|(rows, _)| rows.len() == 2));
        assert_eq!(record(store, "t/1"), r#"{"k":1,"v":"x","n":7}"#);
        assert_eq!(tell(store, [update("t/1", [("n", json("8"))])]), ["done"]);

        database.sql("CREATE TABLE new (k INTEGER PRIMARY KEY)");
        until(|| store.stat(&path("new"), &Select::None).is_ok());
        assert_eq!(tell(store, [put_record("new/1", [])]), ["created"]);

        database.sql("DROP TABLE t");
        let told = tell(
            store,
            [update("t/1", v()), put_record("new/2", []), put_record("t/1", v()), add("t", v())],
        );
        assert_eq!(told, ["NotFound /t/1", "created", "NotFound /t", "NotFound /t"]);
        assert_eq!(
            store.stat(&path("t"), &Select::None).unwrap_err().kind,
            polydav_store::FailureKind::NotFound
        );
        database.sql("CREATE TABLE t (k text NOT NULL PRIMARY KEY, b boolean)");
        until(|| store.stat(&path("t"), &Select::None).is_ok());
        assert_eq!(
            tell(store, [put_record(format!("t/{}", key::write(["a,b"])), [("b", json("true"))])]),
            ["created"]
        );
        assert_eq!(listed(store, "t"), [r#"{"k":"a,b","b":true}"#]);
    });
}

/// A database that tells nobody of changes is asked now and then.
fn until(done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "it is never found");
        std::thread::yield_now();
    }
}

#[test]
fn checks_name_their_column() {
    let sql = "CREATE TABLE t (k INTEGER PRIMARY KEY, a integer CHECK (a > 0), b text CONSTRAINT b_ok CHECK (length(b) < 3),
               c integer NOT NULL DEFAULT 1, CONSTRAINT differ CHECK (a <> c), CHECK (b <> 'x' OR a > 5));";
    both(sql, |database| {
        let store = &database.open();
        let told = tell(
            store,
            [
                put_record("t/1", [("a", json("0"))]),
                put_record("t/1", [("b", text("long"))]),
                put_record("t/1", [("a", json("1"))]),
                put_record("t/1", [("a", json("2")), ("b", text("x"))]),
                put_record("t/1", [("c", Value::Null)]),
                put_record("t/1", [("a", json("2")), ("b", text("y"))]),
                update("t/1", [("c", json("2"))]),
                update("t/1", [("a", json("-1"))]),
            ],
        );
        let expected = [
            "Invalid /t/1 [a]",
            "Invalid /t/1 [b]",
            "Invalid /t/1",
            "Invalid /t/1",
            "Invalid /t/1 [c]",
            "created",
            "Invalid /t/1",
            "Invalid /t/1 [a]",
        ];
        assert_eq!(told, expected);
    });
}

/// What SQLite is told to do about values that are taken, it does; whatever it undoes by that is
/// done again.
#[test]
fn clauses_about_conflicts_are_heeded() {
    let table = |clause: &str| {
        format!(
            "CREATE TABLE {clause} (k INTEGER PRIMARY KEY, v text UNIQUE ON CONFLICT {clause});
             INSERT INTO {clause} VALUES (1, 'a');"
        )
    };
    let clauses = ["rollback", "abort", "fail", "ignore", "replace"];
    let database = Database::sqlite(&clauses.map(table).concat());
    let store = &database.open();
    for (clause, verdict) in [
        ("rollback", "Conflict /rollback/3 [v]"),
        ("abort", "Conflict /abort/3 [v]"),
        ("fail", "Conflict /fail/3 [v]"),
        ("ignore", "Invalid /ignore/3"),
        ("replace", "created"),
    ] {
        let at = |k: usize| format!("{clause}/{k}");
        let told = tell(
            store,
            [
                put_record(at(2), [("v", text("b"))]),
                put_record(at(3), [("v", text("a"))]),
                put_record(at(4), [("v", text("c"))]),
                put_record(at(1), [("v", text("d"))]),
            ],
        );
        let last = if clause == "replace" { "created" } else { "done" };
        assert_eq!(told, ["created", verdict, "created", last], "{clause}");
    }
}
