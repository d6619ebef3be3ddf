//! Every row has one path, every path names one row at most, and a listing tells each row once.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use std::ops::ControlFlow;

use polydav_store::kit::{add, fields, found, json, path, put_record, remove, tell, text, update};
use polydav_store::{
    FailureKind, Listed, Page, ResourcePath, Select, Store, Value, Visit, Walk, WalkDepth, key,
};
use world::{Database, both, each, listed, page, record};

/// Paths of the rows of a table, as a walk meets them.
fn walked(store: &dyn Store, table: &str) -> Vec<ResourcePath> {
    let mut all = Vec::new();
    let walk = Walk { depth: WalkDepth::One, select: Select::None };
    let walked = store.walk(&path(table), &walk, &mut |visit| {
        match visit {
            Visit::Entry(entry) => all.push(entry.path),
            other => panic!("a walk meets {other:?}"),
        }
        ControlFlow::Continue(())
    });
    walked.unwrap();
    all
}

/// Each row is told once, and in the same order, however large the pages are; each is found where
/// a walk meets it.
fn check_paging(store: &dyn Store, table: &str, rows: usize) {
    let all = listed(store, table);
    assert_eq!(all.len(), rows, "{table}: {all:?}");
    for limit in [1, 2, 3, 7, 1_000] {
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let asked = Page { after: after.take(), limit: Some(limit), filter: Vec::new() };
            let (rows, next) = page(store, table, &asked).unwrap();
            assert!(rows.len() as u64 <= limit);
            told.extend(rows);
            assert!(told.len() <= all.len(), "{table} by {limit} never ends: {told:?}");
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(told, all, "{table} by {limit}");
    }
    let paths = walked(store, table);
    assert_eq!(paths.len(), rows);
    for (path, row) in paths.iter().zip(&all) {
        let entry = store.stat(path, &Select::None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(record(store, path.as_bytes()), *row);
        assert_eq!(entry.path, *path);
    }
}

/// Texts that a URL, a path or a comparison may take for something else.
const ODD: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "aa",
    ",",
    ",,",
    "a,b",
    "/",
    "a/b",
    "//",
    ".",
    "..",
    "...",
    "%",
    "%25",
    "%2F",
    "%2e",
    "\u{e4}",
    "a\u{308}",
    "\u{1f600}",
    "\n",
    "\t",
    "\\",
    "'",
    "\"",
    "?",
    "#",
    "&",
    ";",
    "*",
    "~1",
    "null",
    "NULL",
    "0",
    "00",
    "-",
    "$1",
    "$$",
    "\u{7f}",
    "\u{202e}",
    "\u{feff}",
    "a ",
    " a",
    "\u{df}",
    "ss",
    "\u{131}",
    "i",
    "I",
    "\u{130}",
];

#[test]
fn a_text_is_a_key_whatever_it_holds() {
    let sql = "CREATE TABLE t (k text NOT NULL PRIMARY KEY, v text);";
    both(sql, |database| {
        let store = &database.open();
        let long = "\u{e9}".repeat(100);
        let texts = || ODD.iter().copied().chain([long.as_str()]);
        let at = |part: &str| format!("t/{}", key::write([part]));
        let put = |part: &str| put_record(at(part), [("v", text(part))]);
        assert!(tell(store, texts().map(put)).iter().all(|verdict| verdict == "created"));
        check_paging(store, "t", ODD.len() + 1);
        for part in texts() {
            let located = store.locate(&path("t"), &fields([("k", text(part))])).unwrap();
            assert_eq!(located, path(at(part)), "{part:?}");
            assert_eq!(found(store, at(part)).columns[0].value, text(part));
            assert_eq!(tell(store, [add("t", [("k", text(part))])]), ["Conflict /t [k]"]);
        }
        assert!(tell(store, texts().map(put)).iter().all(|verdict| verdict == "done"));
        assert!(
            tell(store, texts().map(|part| remove(at(part)))).iter().all(|told| told == "done")
        );
        check_paging(store, "t", 0);
    });
}

#[test]
fn a_key_may_have_several_parts() {
    let sql = "CREATE TABLE t (v text, b bigint, a text NOT NULL, c text NOT NULL, PRIMARY KEY (a, b, c));";
    let strict = sql.replace("b bigint,", "b bigint NOT NULL,");
    each(&strict, sql, |database| {
        let store = &database.open();
        let parts = ["", "a", ",", "%", ".", "z"];
        let names = parts.iter().flat_map(|a| {
            ["-1", "0", "10", "9"]
                .iter()
                .flat_map(move |b| ["", "\u{e4}"].map(|c| key::write([a, *b, c])))
        });
        let names: Vec<_> = names.collect();
        let puts = names.iter().map(|name| put_record(format!("t/{name}"), []));
        assert!(tell(store, puts).iter().all(|verdict| verdict == "created"));
        check_paging(store, "t", names.len());
        let whole = [("a", text("z")), ("b", text("9")), ("c", text("")), ("v", text("x"))];
        let told = tell(
            store,
            [
                put_record("t/a,0", []),
                put_record("t/a,0,%,%", []),
                put_record("t/a,00,%", []),
                update("t/a,0,", []),
                put_record("t/z,9,%", whole.clone()),
                put_record("t/z,10,%", whole.clone()),
                add("t", whole),
                update("t/z,9,%", [("b", json("9"))]),
                update("t/z,9,%", [("b", json("8"))]),
            ],
        );
        let expected = [
            "Invalid /t/a,0",
            "Invalid /t/a,0,%,%",
            "Invalid /t/a,00,%",
            "NotFound /t/a,0,",
            "done",
            "Invalid /t/z,10,% [b]",
            "Conflict /t",
            "done",
            "Invalid /t/z,9,% [b]",
        ];
        assert_eq!(told, expected);
    });
}

/// What is no key of the table is the name of no row, and spoils nothing beside it.
fn check_other_names(store: &dyn Store, table: &str, names: &[&str]) {
    for name in names {
        let at = format!("{table}/{name}");
        let told = tell(
            store,
            [update(&at, []), remove(&at), add(&at, []), update(&at, [("v", text("x"))])],
        );
        assert_eq!(told, vec![format!("NotFound /{at}"); 4], "{at}");
        for failure in [
            store.stat(&path(&at), &Select::All).unwrap_err(),
            store.read(&path(&at)).unwrap_err(),
            page(store, &at, &Page::default()).unwrap_err(),
        ] {
            assert_eq!(failure.kind, FailureKind::NotFound, "{at}: {failure}");
        }
    }
}

#[test]
fn keys_of_postgres_are_spelled_as_it_spells_them() {
    if !conformance::require_postgres() {
        return;
    }
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "uuid",
            &["00000000-0000-0000-0000-000000000000", uuid],
            &[
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
                "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                "x",
                "%",
            ],
        ),
        (
            "date",
            &["-infinity", "0044-03-15 BC", "2024-02-29", "9999-12-31", "10000-01-01", "infinity"],
            &["2024-2-29", "20240229", "2024-02-30", "today", "x"],
        ),
        (
            "timestamptz",
            &["2024-02-29T12:00:00+00:00", "2024-02-29T12:00:00.5+00:00"],
            &["2024-02-29T12:00:00Z", "2024-02-29 12:00:00+00", "2024-02-29T14:00:00+02:00", "now"],
        ),
        (
            "timestamp",
            &["0044-03-15T12:00:00 BC", "2024-02-29T12:00:00"],
            &["2024-02-29 12:00:00", "now"],
        ),
        (
            "numeric",
            &["-1", "2", "10", "10.50", "123456789012345678901234567890", "NaN"],
            &["2.0", "02", "1e1", "10.5", "+2", "x"],
        ),
        (
            "bigint",
            &["-9223372036854775808", "-1", "2", "10", "9223372036854775807"],
            &["02", "-0", "2.0", "9223372036854775808", "x", " 2", "+2"],
        ),
        ("smallint", &["-32768", "7"], &["32768", "07"]),
        (
            "double precision",
            &["-1.5", "0.1", "2.0", "10.0", "1e22", "Infinity"],
            &["2", "0.10", "1e400", "inf"],
        ),
        ("real", &["0.1", "2.0", "16777216.0"], &["2", "0.10000000149", "1e39"]),
        ("boolean", &["false", "true"], &["t", "1", "TRUE"]),
        ("character(3)", &["a", "abc"], &["a ", "abcd"]),
        ("character varying(3)", &["a", "abc"], &["a%20", "abcd"]),
        ("citext", &["ABC", "b", "C"], &["abc", "Abc", "B", "c"]),
        ("ci", &["ABC", "b", "C"], &["abc", "Abc", "B", "c"]),
        ("mood", &["sad", "ok", "fine"], &["Sad", "x"]),
        ("inet", &["10.0.0.0%2F8", "10.0.0.1", "10.0.0.10"], &["10.0.0.1%2F32", "x"]),
        ("interval", &["PT1H", "P1D", "P1M"], &["1 day", "P24D x", "PT24H"]),
        ("integer[]", &["{}", "{1}", "{1,2}"], &["[1]", "x"]),
        ("int4range", &["[1,2)", "[1,10)"], &["[1,1]", "x"]),
        ("positive", &["1", "10"], &["0", "01"]),
    ];
    let mut sql = String::from(
        "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok', 'fine');
         CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE DOMAIN ci AS text COLLATE nocase; CREATE DOMAIN positive AS integer CHECK (VALUE > 0);",
    );
    for (at, (of, ..)) in cases.iter().enumerate() {
        sql += &format!("CREATE TABLE t{at} (k {of} PRIMARY KEY, v text);");
    }
    let database = Database::postgres(&sql);
    let store = &database.open();
    for (at, (of, rows, others)) in cases.iter().enumerate() {
        let table = format!("t{at}");
        let name = |row: &&str| row.replace(',', "%2C");
        let names: Vec<_> = rows.iter().map(name).collect();
        let puts = names.iter().map(|name| put_record(format!("{table}/{name}"), []));
        let told = tell(store, puts);
        assert!(told.iter().all(|verdict| verdict == "created"), "{of}: {told:?}");
        check_paging(store, &table, rows.len());
        let walked: Vec<_> = walked(store, &table).iter().map(ToString::to_string).collect();
        let expected = names.iter().map(|name| path(format!("{table}/{name}")).to_string());
        assert_eq!(walked, expected.collect::<Vec<_>>(), "{of}: in the order of the keys");
        check_other_names(store, &table, others);
        for other in *others {
            let target = format!("{table}/{other}");
            let told = tell(store, [put_record(&target, [])]).remove(0);
            let refused = told.starts_with("Invalid /") || told.starts_with("Conflict /");
            assert!(refused, "{of}: a row at {target}: {told}");
        }
        check_paging(store, &table, rows.len());
    }
}

/// One bad name among a thousand is found to be one, and nothing else suffers.
#[test]
fn names_that_are_no_keys_are_not_found_among_many() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres("CREATE TABLE t (k uuid PRIMARY KEY, v text);");
    let store = &database.open();
    let steps = (0..1_000).map(|number| match number {
        0 | 500 | 999 => update(format!("t/x{number}"), [("v", text("x"))]),
        501 => put_record("t/y", []),
        502 => put_record("t/z", []).if_none_match("*"),
        503 => remove("t/00000000-0000-0000-0000-000000000001").when_at("t/x", []),
        _ => put_record(format!("t/00000000-0000-0000-0000-{number:012}"), []),
    });
    for (number, verdict) in tell(store, steps).into_iter().enumerate() {
        let expected = match number {
            0 | 500 | 999 => format!("NotFound /t/x{number}"),
            501 => "Invalid /t/y [k]".to_owned(),
            502 => "Invalid /t/z [k]".to_owned(),
            503 => "done".to_owned(),
            _ => "created".to_owned(),
        };
        assert_eq!(verdict, expected, "at {number}");
    }
}

#[test]
fn keys_of_sqlite_are_spelled_as_it_spells_them() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "INTEGER PRIMARY KEY",
            &["-9223372036854775808", "-1", "2", "10", "9223372036854775807"],
            &["02", "x", "2.0", "+2", "-0"],
        ),
        ("INT NOT NULL PRIMARY KEY", &["-1", "2", "10"], &["02", "x", "2.0"]),
        ("TEXT NOT NULL COLLATE NOCASE PRIMARY KEY", &["ABC", "b", "C"], &["abc", "Abc", "B", "c"]),
        ("TEXT NOT NULL COLLATE RTRIM PRIMARY KEY", &["a", "b"], &["a ", "b  "]),
        ("REAL NOT NULL PRIMARY KEY", &["-1.5", "0.1", "2.0", "10.0"], &["2", "0.10", "x"]),
        ("DECIMAL NOT NULL PRIMARY KEY", &["-1.5", "2", "10"], &["2.0", "02", "x"]),
        ("BOOLEAN NOT NULL PRIMARY KEY", &["false", "true"], &["0", "1", "t"]),
        ("DATE NOT NULL PRIMARY KEY", &["7", "2024-02-29"], &["07", "7.0"]),
        ("UUID NOT NULL PRIMARY KEY", &["A0", "a0"], &["b0"]),
    ];
    let mut sql = String::new();
    for (at, (of, ..)) in cases.iter().enumerate() {
        sql += &format!("CREATE TABLE t{at} (k {of}, v text);");
        if at > 0 {
            sql += &format!("CREATE TABLE w{at} (k {of}, v text) WITHOUT ROWID;");
        }
    }
    let database = Database::sqlite(&sql);
    let store = &database.open();
    for (at, (of, rows, others)) in cases.iter().enumerate() {
        for table in [format!("t{at}"), format!("w{at}")].iter().take(if at > 0 { 2 } else { 1 }) {
            let told = tell(store, rows.iter().map(|row| put_record(format!("{table}/{row}"), [])));
            assert!(told.iter().all(|verdict| verdict == "created"), "{of}: {told:?}");
            check_paging(store, table, rows.len());
            let walked: Vec<_> = walked(store, table).iter().map(ToString::to_string).collect();
            let expected = rows.iter().map(|name| path(format!("{table}/{name}")).to_string());
            assert_eq!(walked, expected.collect::<Vec<_>>(), "{of}: in the order of the keys");
            check_other_names(store, table, others);
        }
    }
}

/// SQLite takes a text where a number should be, and once took no value in a key.
#[test]
fn keys_that_sqlite_let_through_are_found() {
    let database = Database::sqlite(
        "CREATE TABLE t (k INT NOT NULL PRIMARY KEY, v text);
         INSERT INTO t VALUES (7, 'a'), ('abc', 'b'), (1.5, 'c'), ('', 'd'), ('a,b', 'e');
         CREATE TABLE b (k BOOLEAN NOT NULL PRIMARY KEY, v text);
         INSERT INTO b VALUES (0, 'a'), (1, 'b'), (2, 'c'), ('yes', 'd');
         CREATE TABLE n (k TEXT PRIMARY KEY, v text);
         INSERT INTO n VALUES (NULL, 'a'), (NULL, 'b'), ('', 'c'), ('x', 'd');
         CREATE TABLE x (k BLOB NOT NULL PRIMARY KEY, v text);
         INSERT INTO x VALUES (x'', 'a'), (x'00ff', 'b'), (x'ffff', 'c');
         CREATE TABLE any (k PRIMARY KEY, v text); CREATE TABLE none (v text);",
    );
    let store = &database.open();
    for (table, rows) in [("t", 5), ("b", 4), ("n", 2), ("x", 3)] {
        check_paging(store, table, rows);
    }
    let told = tell(
        store,
        [
            update("t/abc", [("v", text("x"))]),
            update("t/1.5", [("v", text("x"))]),
            put_record("t/abc", []),
            remove("t/abc"),
            put_record("t/abc", []),
            put_record("t/2.5", []),
            put_record("b/3", []),
            remove("b/2"),
            update("n/x", [("v", text("x"))]),
            put_record("n/y", []),
            put_record("x/AP8=", []),
            remove("x/AP8="),
            put_record("any/1", []),
            put_record("none/1", []),
        ],
    );
    let expected = [
        "done",
        "done",
        "done",
        "done",
        "Invalid /t/abc",
        "Invalid /t/2.5",
        "Invalid /b/3",
        "done",
        "ReadOnly /n/x",
        "ReadOnly /n/y",
        "ReadOnly /x/AP8=",
        "ReadOnly /x/AP8=",
        "NotFound /any",
        "NotFound /none",
    ];
    assert_eq!(told, expected);
}

/// A key that is indexed downwards is no number of the row, and may be null.
#[test]
fn a_key_of_sqlite_that_runs_downwards_is_a_column_as_any() {
    let database = Database::sqlite(
        "CREATE TABLE t (k INTEGER PRIMARY KEY DESC, v text); INSERT INTO t VALUES (1, 'a');
         CREATE TABLE n (k INTEGER NOT NULL PRIMARY KEY DESC, v text);
         CREATE TABLE own (k INTEGER, v text, PRIMARY KEY (k DESC));",
    );
    let store = &database.open();
    let told = tell(
        store,
        [
            add("t", [("v", text("x"))]),
            add("n", [("v", text("x"))]),
            put_record("n/2", []),
            add("own", [("v", text("x"))]),
        ],
    );
    assert_eq!(told, ["ReadOnly /t", "Invalid /n [k]", "created", "created"]);
    assert_eq!(listed(store, "own"), [r#"{"k":1,"v":"x"}"#]);
}

/// Where statements take for equal what the index of the key tells apart, a change of one row would
/// be one of others.
#[test]
fn a_key_that_compares_in_two_ways_names_no_rows() {
    for rowid in ["", "WITHOUT ROWID"] {
        let database = Database::sqlite(&format!(
            "CREATE TABLE loose (k text NOT NULL COLLATE NOCASE, v text,
                                 PRIMARY KEY (k COLLATE BINARY)) {rowid};
             INSERT INTO loose VALUES ('a', 'a'), ('A', 'a');
             CREATE TABLE strict (k text NOT NULL, v text, PRIMARY KEY (k COLLATE NOCASE)) {rowid};
             INSERT INTO strict VALUES ('a', 'a');"
        ));
        let store = &database.open();
        let at = ["loose/a", "strict/a", "strict/A"];
        let told = tell(store, at.map(|at| update(at, [("v", text("x"))])));
        assert_eq!(told, ["NotFound /loose/a", "done", "NotFound /strict/A"]);
    }
}

#[test]
fn tables_without_a_key_are_not_served() {
    let sql = "CREATE TABLE none (v text); CREATE TABLE one (k text NOT NULL UNIQUE);";
    both(sql, |database| {
        let store = &database.open();
        assert_eq!(listed(store, ""), Vec::<String>::new());
        assert_eq!(
            store.stat(&path("none"), &Select::None).unwrap_err().kind,
            FailureKind::NotFound
        );
        assert_eq!(tell(store, [add("none", [])]), ["NotFound /none"]);
    });
}

#[test]
fn bytes_in_a_key_are_read_alone() {
    if !conformance::require_postgres() {
        return;
    }
    let database = Database::postgres(
        "CREATE TABLE t (k bytea PRIMARY KEY, v text); INSERT INTO t VALUES ('', 'a'), ('\\x00ff', 'b');",
    );
    let store = &database.open();
    check_paging(store, "t", 2);
    let told = tell(store, [put_record("t/AP8=", []), remove("t/%"), remove("t/AA==")]);
    assert_eq!(told, ["ReadOnly /t/AP8=", "ReadOnly /t/%", "NotFound /t/AA=="]);
}

/// A view has rows, and no names for them.
#[test]
fn a_view_is_listed_page_by_page() {
    let sql = "CREATE TABLE t (k INTEGER PRIMARY KEY, v text);
               CREATE VIEW view AS SELECT k, v FROM t WHERE k > 2;";
    both(sql, |database| {
        let store = &database.open();
        let rows = (0..10).map(|number| put_record(format!("t/{number}"), [("v", text("x"))]));
        assert!(tell(store, rows).iter().all(|verdict| verdict == "created"));
        assert_eq!(listed(store, "view").len(), 7);
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let asked = Page { after, limit: Some(3), filter: fields([("v", text("x"))]) };
            let (rows, next) = page(store, "view", &asked).unwrap();
            told.extend(rows);
            after = next;
            if after.is_none() {
                break;
            }
        }
        told.sort();
        let mut all = listed(store, "view");
        all.sort();
        assert_eq!(told, all);
        assert_eq!(walked(store, "view"), []);
        for after in ["-1", "x", "", "99999999999"] {
            let asked = Page { after: Some(after.into()), ..Page::default() };
            assert_eq!(page(store, "view", &asked).unwrap_err().kind, FailureKind::Invalid);
        }
        let told = tell(store, [add("view", []), put_record("view/3", []), remove("view/3")]);
        assert_eq!(told, ["ReadOnly /view", "ReadOnly /view/3", "NotFound /view/3"]);
        let failure = store.locate(&path("view"), &fields([("k", json("3"))])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ReadOnly);
    });
}

/// Rows larger than what is read at once are told all the same.
#[test]
fn large_rows_are_listed_and_paged() {
    let sql =
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v text); CREATE VIEW view AS SELECT v FROM t;";
    both(sql, |database| {
        let store = &database.open();
        let large = "x".repeat((1 << 20) + 1);
        let rows = (0..3).map(|number| put_record(format!("t/{number}"), [("v", text(&large))]));
        assert_eq!(tell(store, rows), ["created"; 3]);
        for (table, limit) in
            [("t", None), ("t", Some(1)), ("t", Some(2)), ("view", None), ("view", Some(2))]
        {
            let (mut told, mut after) = (0, None);
            loop {
                let asked = Page { after, limit, filter: Vec::new() };
                let (rows, next) = page(store, table, &asked).unwrap();
                told += rows.len();
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(told, 3, "{table} by {limit:?}");
        }
    });
}

#[test]
fn a_page_goes_on_behind_a_key_alone() {
    both("CREATE TABLE t (k INTEGER PRIMARY KEY);", |database| {
        let store = &database.open();
        assert_eq!(tell(store, [put_record("t/5", []), put_record("t/7", [])]), ["created"; 2]);
        let behind = |after: &str, limit| {
            let asked = Page { after: Some(after.into()), limit, filter: Vec::new() };
            page(store, "t", &asked).map_err(|failure| failure.kind)
        };
        assert_eq!(behind("5", None), Ok((vec![r#"{"k":7}"#.to_owned()], None)));
        assert_eq!(behind("6", None), Ok((vec![r#"{"k":7}"#.to_owned()], None)), "it may be gone");
        assert_eq!(behind("7", None), Ok((Vec::new(), None)));
        assert_eq!(behind("5", Some(0)), Ok((Vec::new(), None)));
        for after in ["05", "x", "", "5,7", "%"] {
            assert_eq!(behind(after, None), Err(FailureKind::Invalid), "{after}");
        }
        assert_eq!(
            store.locate(&path("t"), &fields([("k", Value::Null)])).unwrap_err().kind,
            FailureKind::Invalid
        );
    });
}

/// A page ends where it says it does, though somebody makes rows before its end meanwhile: the next
/// one goes on there, and no row is left out.
#[test]
fn a_row_is_not_pushed_off_its_page() {
    both("CREATE TABLE t (k INTEGER PRIMARY KEY);", |database| {
        let store = &database.open();
        let rows = (1..=100).map(|k| put_record(format!("t/{}", 2 * k), []));
        assert!(tell(store, rows).iter().all(|told| told == "created"));
        let asked = Page { limit: Some(50), ..Page::default() };
        let mut told = Vec::new();
        let listed = store.list(&path("t"), &asked, &mut |listed| {
            match listed {
                Listed::Head { next, .. } => {
                    assert_eq!(next.as_deref(), Some("100"));
                    assert_eq!(tell(store, [put_record("t/99", [])]), ["created"]);
                }
                Listed::Record(json) => told.push(String::from_utf8(json.to_vec()).unwrap()),
            }
            ControlFlow::Continue(())
        });
        listed.unwrap();
        assert_eq!(told.last().unwrap(), r#"{"k":100}"#);
    });
}
