//! SQLite, as it is.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use polydav_sql::{Options, SqlStore};
use polydav_store::kit::{add, lines, path, put_record, remove, tell, text, update};
use polydav_store::{Store, Value};

fn open(sql: &str) -> (tempfile::TempDir, SqlStore) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let store = SqlStore::open_sqlite(&file, &Options::default()).unwrap();
    (dir, store)
}

#[test]
fn smoke() {
    let (_dir, store) = open(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, qty INTEGER NOT NULL DEFAULT 1 CHECK (qty >= 0));",
    );
    println!("{:?}", store.capabilities(&path("")));
    println!(
        "{:#?}",
        tell(
            &store,
            [
                add("item", [("name", text("a"))]),
                add("item", [("name", text("a"))]),
                put_record("item/5", [("name", text("b")), ("qty", Value::Json("7".into()))]),
                update("item/5", [("qty", Value::Json("-7".into()))]),
                update("item/5", [("qty", Value::Json("8".into()))]),
                update("item/6", [("qty", Value::Json("8".into()))]),
                remove("item/1"),
                put_record("item/05", [("name", text("b"))]),
            ]
        )
    );
    println!("{:#?}", lines(&store));
}
