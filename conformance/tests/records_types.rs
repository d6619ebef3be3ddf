//! Values of every type make the way out and in by each door: what GET tells is taken by PUT and
//! PATCH, what PROPFIND tells by PROPPATCH, and the row is the same.

use conformance::http::{Response, send};
use conformance::{Database, Folder, Server, databases, require};

/// A column of each type, and rows of values that are easily lost. `d` has a default. A column
/// without a type (`free`) takes what JSON says it is; XML says texts.
const SQLITE: &str = "
CREATE TABLE t (
    id INTEGER PRIMARY KEY, i INTEGER, r REAL, n DECIMAL(15, 3), b BOOLEAN, s TEXT, x BLOB, j JSON,
    day DATE, at DATETIME, u UUID, free, d TEXT DEFAULT 'by default');
INSERT INTO t VALUES
    (1, -9223372036854775808, 0.1, 123456789012.345, 1, 'ü \"quoted\" \\ & <b> ' || char(9, 10, 1), x'00ff10',
     '{\"a\": [1, null, \"x\"]}', '2026-02-28', '2026-02-28 23:59:59.5', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'text', 'd'),
    (2, 9223372036854775807, -1.7976931348623157e308, -0.001, 0, '', x'', 'null', '0001-01-01', '', '', '42', ''),
    (3, 0, 5e-324, 0, 0, '007', zeroblob(1000), '[]', '9999-12-31', '12:00', 'no uuid', '1.5', '1'),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);";

const POSTGRES: &str = "
CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE t (
    id integer PRIMARY KEY, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric, b boolean,
    s text, v varchar(20), x bytea, j json, jb jsonb, day date, at time, ats timestamp, atz timestamptz,
    span interval, u uuid, ia integer[], ta text[], na numeric[], m mood, ma mood[], p positive, net inet,
    bits bit varying(8), range int4range, d text DEFAULT 'by default');
INSERT INTO t VALUES
    (1, -32768, -2147483648, -9223372036854775808, 0.1, 0.1, 12345678901234567890123456789.0123456789000, true,
     E'\"quoted\" \\\\ & <b> \\t\\n\\x01 ü', 'twenty characters ü', '\\x00ff10', '{\"b\": 1, \"a\": 1e400, \"b\": 2}',
     '{\"a\": [1.50, null]}', '2026-02-28', '23:59:59.999999', '2026-02-28 23:59:59.5', '2026-02-28 23:59:59.5+02',
     '1 year 2 mons -3 days 04:05:06.7', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '{{1,2},{NULL,-4}}',
     ARRAY['a,b', '{}', '\"', E'\\\\', '', NULL, 'NULL', 'ü'], '{1.10,NaN}', 'so so', '{happy,\"so so\"}', 7,
     '10.0.0.0/8', B'0101', '[1,5)', 'd'),
    (2, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity', 'NaN', false, '', '', '', '\"s\"', 'true',
     'infinity', '00:00', '-infinity', '0044-03-15 12:00:00+00 BC', '0', '00000000-0000-0000-0000-000000000000',
     '{}', '{}', '{}', 'sad', '{}', 1, '::1', B'', 'empty', ''),
    (3, 0, 0, 0, 'NaN', 5e-324, -0.00, true, '007', ' ', '\\x5c', '[ ]', '[]', '0001-01-01 BC', '24:00',
     '0001-01-01 00:00', '1970-01-01 00:00+00', '-1 mons 00:00:00.000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
     '{NULL}', '{\" \"}', '{0}', 'happy', NULL, NULL, NULL, NULL, NULL, '1');
INSERT INTO t (id) VALUES (4);";

struct World {
    server: Server,
    _database: Database,
    _folder: Folder,
}

fn worlds() -> Vec<World> {
    let serve = |database: Database| {
        let folder = Folder::new();
        let server = Server::builder().folder(folder.path()).mount("/records", database.source());
        World { server: server.as_nobody().start(), _database: database, _folder: folder }
    };
    databases(SQLITE, POSTGRES).into_iter().map(serve).collect()
}

impl World {
    #[track_caller]
    fn ask(
        &self,
        method: &str,
        row: u32,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let target = format!("/records/t/{row}");
        let answer = send(&self.server, method, &target, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {target}: {}\n{body}", answer.text());
        answer
    }

    /// What a row is, but for its key.
    #[track_caller]
    fn row(&self, row: u32) -> String {
        let json = self.ask("GET", row, 200, &[], "").text().to_owned();
        json.replacen(&format!("\"id\":{row},"), "", 1)
    }

    /// The columns of a row as properties, but for its key: elements as they were told.
    fn properties(&self, row: u32) -> String {
        let answer = self.ask("PROPFIND", row, 207, &[("Depth", "0")], "");
        let document = roxmltree::Document::parse(answer.text()).expect("a 207 is XML");
        let is_column = |node: &roxmltree::Node<'_, '_>| {
            let name = node.tag_name();
            name.namespace() == Some("urn:polydav:columns:1") && name.name() != "id"
        };
        let columns = document.descendants().filter(is_column);
        columns.map(|node| answer.text()[node.range()].to_owned()).collect()
    }

    fn patch_properties(&self, row: u32, properties: &str) {
        let body = format!(
            "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop>{properties}</D:prop></D:set></D:propertyupdate>"
        );
        let answer = self.ask("PROPPATCH", row, 207, &[], &body);
        assert!(answer.text().contains("HTTP/1.1 200 OK"), "{}\n{body}", answer.text());
    }
}

#[test]
fn what_is_told_is_taken_by_each_door() {
    if !require(&["sqlite3"]) {
        return;
    }
    for world in worlds() {
        for row in 1..=4 {
            let (told, copies) = (world.row(row), [10 * row, 10 * row + 1, 10 * row + 2]);
            world.ask("PUT", copies[0], 201, &[], &told);
            assert_eq!(world.row(copies[0]), told, "by PUT");
            world.ask("PUT", copies[1], 201, &[], "{}");
            world.ask("PATCH", copies[1], 204, &[], &told);
            assert_eq!(world.row(copies[1]), told, "by PATCH");
            world.ask("PUT", copies[2], 201, &[], "{}");
            world.patch_properties(copies[2], &world.properties(row));
            assert_eq!(world.row(copies[2]), told, "by PROPPATCH");
        }
        world.server.stop();
    }
}

/// NULL is a value, and no value is none: what isn't given gets its default in a PUT, and stays in a
/// PATCH.
#[test]
fn null_is_not_the_same_as_absent() {
    if !require(&["sqlite3"]) {
        return;
    }
    for world in worlds() {
        let told = |row| {
            let json = world.row(row);
            json.rsplit_once("\"d\":").expect("d is the last").1.trim_end_matches('}').to_owned()
        };
        let null = "<c:d xmlns:c=\"urn:polydav:columns:1\" null=\"true\"/>";
        let empty = "<c:d xmlns:c=\"urn:polydav:columns:1\"/>";
        for (method, body, expected) in [
            ("PUT", "{}", "\"by default\""),
            ("PUT", "{\"d\": null}", "null"),
            ("PATCH", "{}", "null"),
            ("PATCH", "{\"d\": \"\"}", "\"\""),
            ("PATCH", "{\"d\": null}", "null"),
            ("PROPPATCH", empty, "\"\""),
            ("PROPPATCH", null, "null"),
            ("PUT", "{\"d\": \"x\"}", "\"x\""),
            ("PUT", "{}", "\"by default\""),
        ] {
            match method {
                "PROPPATCH" => world.patch_properties(1, body),
                method => drop(world.ask(method, 1, 204, &[], body)),
            }
            assert_eq!(told(1), expected, "{method} {body}");
        }
        world.server.stop();
    }
}
