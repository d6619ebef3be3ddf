//! A row of PostgreSQL that is changed alone is changed at once; what is told is the same as where
//! rows are looked at first, among others.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use conformance::{Postgres, require_postgres};
use polydav_sql::{Options, SqlStore};
use polydav_store::kit::{Draft, lines, remove, tell, text, update};

fn store(server: &Postgres) -> SqlStore {
    let database = server.database(
        "CREATE TABLE day (id bigint PRIMARY KEY, date date, name text CHECK (name <> '')); \
         INSERT INTO day VALUES (1, '2026-01-01', 'a'), (2, '2026-01-02', 'b'); \
         CREATE TABLE night (LIKE day INCLUDING ALL); INSERT INTO night SELECT * FROM day; \
         CREATE TABLE log (what text PRIMARY KEY, times integer); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO log VALUES (TG_OP, 1) ON CONFLICT (what) DO UPDATE \
         SET times = log.times + 1; RETURN NULL; END $$; \
         CREATE TRIGGER note BEFORE UPDATE OR DELETE ON night EXECUTE FUNCTION note()",
    );
    SqlStore::open_postgres(&server.url(&database), &Options::default()).unwrap()
}

fn drafts(table: &str) -> Vec<Draft> {
    let at = |id: u32| format!("{table}/{id}");
    vec![
        update(at(1), [("name", text("new"))]),
        update(at(1), [("name", text(""))]),
        update(at(1), [("date", text("no date"))]),
        update(at(9), [("date", text("no date"))]),
        update(at(9), [("name", text("new"))]),
        update(at(1), [("none", text("x"))]),
        remove(at(9)),
        remove(at(2)),
        remove(at(2)),
    ]
}

#[test]
fn steps_alone_come_to_what_they_come_to_together() {
    if !require_postgres() {
        return;
    }
    let server = Postgres::shared();
    let (alone, together) = (store(&server), store(&server));
    // Also where a trigger leaves something behind, and beside a table where one does.
    for table in ["day", "night"] {
        let one_by_one = drafts(table).into_iter().flat_map(|draft| tell(&alone, [draft]));
        let one_by_one: Vec<_> = one_by_one.collect();
        assert_eq!(one_by_one, tell(&together, drafts(table)), "{table}");
        assert!(one_by_one[3].contains("NotFound"), "{one_by_one:#?}");
        assert_eq!(lines(&alone), lines(&together), "{table}");
    }
}
