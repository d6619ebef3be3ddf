//! A row of PostgreSQL that is changed alone is changed at once; what is told is the same as where
//! rows are looked at first, among others.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use conformance::{Postgres, require_postgres};
use polydav_sql::{Options, SqlStore};
use polydav_store::kit::{Draft, lines, remove, tell, text, update};

fn store(server: &Postgres) -> SqlStore {
    let database = server.database(
        "CREATE TABLE day (id bigint PRIMARY KEY, date date, name text CHECK (name <> '')); \
         INSERT INTO day VALUES (1, '2026-01-01', 'a'), (2, '2026-01-02', 'b')",
    );
    SqlStore::open_postgres(&server.url(&database), &Options::default()).unwrap()
}

fn drafts() -> Vec<Draft> {
    vec![
        update("day/1", [("name", text("new"))]),
        update("day/1", [("name", text(""))]),
        update("day/1", [("date", text("no date"))]),
        update("day/9", [("date", text("no date"))]),
        update("day/9", [("name", text("new"))]),
        update("day/1", [("none", text("x"))]),
        remove("day/9"),
        remove("day/2"),
        remove("day/2"),
    ]
}

#[test]
fn steps_alone_come_to_what_they_come_to_together() {
    if !require_postgres() {
        return;
    }
    let server = Postgres::shared();
    let (alone, together) = (store(&server), store(&server));
    let one_by_one: Vec<_> = drafts().into_iter().flat_map(|draft| tell(&alone, [draft])).collect();
    assert_eq!(one_by_one, tell(&together, drafts()));
    assert!(one_by_one[3].contains("NotFound"), "{one_by_one:#?}");
    assert_eq!(lines(&alone), lines(&together));
}
