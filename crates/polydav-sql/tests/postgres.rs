//! PostgreSQL, as it is.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use conformance::{Postgres, require_postgres};
use polydav_sql::{Options, SqlStore};
use polydav_store::Value;
use polydav_store::kit::{add, lines, put_record, remove, tell, text, update};

#[test]
fn smoke() {
    if !require_postgres() {
        return;
    }
    let server = Postgres::shared();
    let database = server.database(
        "CREATE TABLE item (id serial PRIMARY KEY, name TEXT NOT NULL UNIQUE, qty INTEGER NOT NULL DEFAULT 1 CHECK (qty >= 0));",
    );
    let store = SqlStore::open_postgres(&server.url(&database), &Options::default()).unwrap();
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
