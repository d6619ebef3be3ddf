//! Rows of tables on the wire: every door to them, in XML and in JSON, and the clients that see
//! them as files. On SQLite and on PostgreSQL, with the same answers.

use std::fmt::Write as _;

use conformance::batch;
use conformance::database::postgres_of;
use conformance::folder::Tree;
use conformance::http::{Response, send};
use conformance::program::run_with_text;
use conformance::{Database, Finished, Folder, Server, databases, require, shell};

const TABLES: &str = "
PRAGMA journal_mode = wal;
CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT UNIQUE,
    age INTEGER CHECK (age >= 0),
    photo BLOB,
    team INTEGER REFERENCES team);
CREATE TABLE pair (a TEXT NOT NULL, b TEXT NOT NULL, n INTEGER NOT NULL DEFAULT 7, PRIMARY KEY (a, b));
CREATE VIEW names AS SELECT name FROM person;
INSERT INTO team (id, name) VALUES (1, 'red');
INSERT INTO person (id, name, email, age, team) VALUES (1, 'Ada', 'ada@example.org', 36, 1);
INSERT INTO person (id, name) VALUES (2, 'Grace'), (3, 'Held');
";

/// A folder and a database, served.
struct World {
    folder: Folder,
    database: Database,
    server: Server,
}

/// One of each engine, both with the same tables.
fn worlds(tables: &str) -> Vec<World> {
    let serve = |database: Database| {
        let folder = Folder::new();
        folder.write("a.txt", "a");
        let server = Server::builder().folder(folder.path()).mount("/records", database.source());
        World { folder, database, server: server.as_nobody().start() }
    };
    databases(tables, &postgres_of(tables)).into_iter().map(serve).collect()
}

impl World {
    #[track_caller]
    fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        send(&self.server, method, target, headers, body.as_bytes())
    }

    /// Locks a resource; returns the token.
    #[track_caller]
    fn lock(&self, target: &str) -> String {
        let body = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
        let locked = self.send(&format!("LOCK {target}"), &[], body);
        assert_eq!(locked.status, 200, "{}", locked.text());
        let token = locked.header("lock-token").expect("a lock has a token");
        token.trim_matches(['<', '>']).to_owned()
    }

    /// Runs a script, which finds the server's URL in `$U`; `status` prints a status alone.
    #[track_caller]
    fn shell(&self, local: &Folder, script: &str) -> Finished {
        let home = local.path().display().to_string();
        let status = r#"status() { curl -sS -o /dev/null -w '%{http_code}\n' "$@"; }"#;
        let environment = [("U", self.server.url()), ("HOME", &home), ("RCLONE_CONFIG", "")];
        shell(local.path(), &environment, &format!("{status}\n{script}")).success()
    }
}

/// An operation in XML and in JSON, and its status; `{token}` is that of a lock on
/// `/records/person/3`.
const OPERATIONS: &[(&str, &str, u16)] = &[
    (r#"<mkcol href="/d/"/>"#, r#"{"op": "mkcol", "href": "/d/"}"#, 201),
    (
        r#"<put href="/d/b" encoding="base64">AAEC</put>"#,
        r#"{"op": "put", "href": "/d/b", "contentBase64": "AAEC"}"#,
        201,
    ),
    (
        r#"<create href="/records/person/"><field name="id">10</field><field name="name">Emmy &lt;"'; --</field><field name="email">emmy@example.org</field><field name="age" null="true"/></create>"#,
        r#"{"op": "create", "href": "/records/person/", "values": {"id": 10, "name": "Emmy <\"'; --", "email": "emmy@example.org", "age": null}}"#,
        201,
    ),
    // Its email is taken.
    (
        r#"<create href="/records/person/"><field name="name">Emmy</field><field name="email">emmy@example.org</field></create>"#,
        r#"{"op": "create", "href": "/records/person/", "values": {"name": "Emmy", "email": "emmy@example.org"}}"#,
        409,
    ),
    // Its key is taken.
    (
        r#"<create href="/records/person/"><field name="id">10</field><field name="name">Emmy</field></create>"#,
        r#"{"op": "create", "href": "/records/person/", "values": {"id": 10, "name": "Emmy"}}"#,
        409,
    ),
    // There is no such team.
    (
        r#"<create href="/records/person/"><field name="name">x</field><field name="team">9</field></create>"#,
        r#"{"op": "create", "href": "/records/person/", "values": {"name": "x", "team": 9}}"#,
        409,
    ),
    // No name.
    (
        r#"<create href="/records/person/"><field name="age">1</field></create>"#,
        r#"{"op": "create", "href": "/records/person/", "values": {"age": 1}}"#,
        422,
    ),
    (
        r#"<create href="/records/person/"><field name="name">x</field><field name="nme">x</field></create>"#,
        r#"{"op": "create", "href": "/records/person/", "values": {"name": "x", "nme": "x"}}"#,
        422,
    ),
    (
        r#"<create href="/records/none/"><field name="a">x</field></create>"#,
        r#"{"op": "create", "href": "/records/none/", "values": {"a": "x"}}"#,
        404,
    ),
    // In a row, in a view, in the whole database, in a folder.
    (
        r#"<create href="/records/person/1"><field name="name">x</field></create>"#,
        r#"{"op": "create", "href": "/records/person/1", "values": {"name": "x"}}"#,
        405,
    ),
    (
        r#"<create href="/records/names/"><field name="name">x</field></create>"#,
        r#"{"op": "create", "href": "/records/names/", "values": {"name": "x"}}"#,
        403,
    ),
    (
        r#"<create href="/records/"><field name="name">x</field></create>"#,
        r#"{"op": "create", "href": "/records/", "values": {"name": "x"}}"#,
        405,
    ),
    (
        r#"<create href="/d/"><field name="name">x</field></create>"#,
        r#"{"op": "create", "href": "/d/", "values": {"name": "x"}}"#,
        405,
    ),
    (
        r#"<update href="/records/person/10"><field name="age">53</field><field name="photo" encoding="base64">AAEC</field></update>"#,
        r#"{"op": "update", "href": "/records/person/10", "values": {"age": 53, "photo": "AAEC"}}"#,
        200,
    ),
    // A check, a type, and no row.
    (
        r#"<update href="/records/person/10"><field name="age">-1</field></update>"#,
        r#"{"op": "update", "href": "/records/person/10", "values": {"age": -1}}"#,
        422,
    ),
    (
        r#"<update href="/records/person/10"><field name="age">old</field></update>"#,
        r#"{"op": "update", "href": "/records/person/10", "values": {"age": "old"}}"#,
        422,
    ),
    (
        r#"<update href="/records/person/999"><field name="age">1</field></update>"#,
        r#"{"op": "update", "href": "/records/person/999", "values": {"age": 1}}"#,
        404,
    ),
    (
        r#"<update href="/records/person/10" if-match='"other"'><field name="age">1</field></update>"#,
        r#"{"op": "update", "href": "/records/person/10", "ifMatch": "\"other\"", "values": {"age": 1}}"#,
        412,
    ),
    // A row that is locked, without the token and with it.
    (
        r#"<update href="/records/person/3"><field name="age">1</field></update>"#,
        r#"{"op": "update", "href": "/records/person/3", "values": {"age": 1}}"#,
        423,
    ),
    (
        r#"<update href="/records/person/3" tokens="{token}"><field name="age">2</field></update>"#,
        r#"{"op": "update", "href": "/records/person/3", "tokens": ["{token}"], "values": {"age": 2}}"#,
        200,
    ),
    (
        r#"<put href="/records/person/11">{"name": "Put"}</put>"#,
        r#"{"op": "put", "href": "/records/person/11", "content": "{\"name\": \"Put\"}"}"#,
        201,
    ),
    (
        r#"<put href="/records/person/11" if-none-match="*">{"name": "Put"}</put>"#,
        r#"{"op": "put", "href": "/records/person/11", "ifNoneMatch": "*", "content": "{\"name\": \"Put\"}"}"#,
        412,
    ),
    (
        r#"<put href="/records/person/11">{"name": "Put again", "age": 4}</put>"#,
        r#"{"op": "put", "href": "/records/person/11", "content": "{\"name\": \"Put again\", \"age\": 4}"}"#,
        204,
    ),
    (
        r#"<put href="/records/person/11">{"name": </put>"#,
        r#"{"op": "put", "href": "/records/person/11", "content": "{\"name\": "}"#,
        400,
    ),
    // No key of this table.
    (
        r#"<put href="/records/person/eleven">{"name": "x"}</put>"#,
        r#"{"op": "put", "href": "/records/person/eleven", "content": "{\"name\": \"x\"}"}"#,
        422,
    ),
    (
        r#"<put href="/records/pair/x%2525%252C,%C3%BC%20%252F">{"n": 1}</put>"#,
        r#"{"op": "put", "href": "/records/pair/x%2525%252C,%C3%BC%20%252F", "content": "{\"n\": 1}"}"#,
        201,
    ),
    (
        r#"<create href="/records/pair/"><field name="a"></field><field name="b">..</field></create>"#,
        r#"{"op": "create", "href": "/records/pair/", "values": {"a": "", "b": ".."}}"#,
        201,
    ),
    (
        r#"<delete href="/records/pair/%25,.."/>"#,
        r#"{"op": "delete", "href": "/records/pair/%25,.."}"#,
        204,
    ),
    (
        r#"<proppatch href="/records/person/2"><D:set><D:prop><c:age>47</c:age></D:prop></D:set></proppatch>"#,
        r#"{"op": "proppatch", "href": "/records/person/2", "patch": "<D:set xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><D:prop><c:age>47</c:age></D:prop></D:set>"}"#,
        200,
    ),
    // A property that is no column, and a column that isn't there.
    (
        r#"<proppatch href="/records/person/2"><D:set><D:prop><c:age>48</c:age><D:displayname>x</D:displayname></D:prop></D:set></proppatch>"#,
        r#"{"op": "proppatch", "href": "/records/person/2", "patch": "<D:set xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><D:prop><c:age>48</c:age><D:displayname>x</D:displayname></D:prop></D:set>"}"#,
        403,
    ),
    (
        r#"<proppatch href="/records/person/2"><D:set><D:prop><c:none>1</c:none></D:prop></D:set></proppatch>"#,
        r#"{"op": "proppatch", "href": "/records/person/2", "patch": "<D:set xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><D:prop><c:none>1</c:none></D:prop></D:set>"}"#,
        422,
    ),
    // Rows aren't copied or moved, nor are tables made or removed.
    (
        r#"<copy href="/records/person/2" dest="/records/person/20"/>"#,
        r#"{"op": "copy", "href": "/records/person/2", "dest": "/records/person/20"}"#,
        403,
    ),
    (
        r#"<move href="/records/person/2" dest="/d/row"/>"#,
        r#"{"op": "move", "href": "/records/person/2", "dest": "/d/row"}"#,
        502,
    ),
    (
        r#"<copy href="/a.txt" dest="/records/person/20"/>"#,
        r#"{"op": "copy", "href": "/a.txt", "dest": "/records/person/20"}"#,
        502,
    ),
    (r#"<mkcol href="/records/new/"/>"#, r#"{"op": "mkcol", "href": "/records/new/"}"#, 403),
    (
        r#"<delete href="/records/person/"/>"#,
        r#"{"op": "delete", "href": "/records/person/"}"#,
        403,
    ),
    (r#"<delete href="/records/"/>"#, r#"{"op": "delete", "href": "/records/"}"#, 403),
    // Others refer to it.
    (r#"<delete href="/records/team/1"/>"#, r#"{"op": "delete", "href": "/records/team/1"}"#, 409),
    (
        r#"<delete href="/records/person/2"/>"#,
        r#"{"op": "delete", "href": "/records/person/2"}"#,
        204,
    ),
    (
        r#"<delete href="/records/person/2"/>"#,
        r#"{"op": "delete", "href": "/records/person/2"}"#,
        404,
    ),
    // A file whose condition looks at a row that an earlier operation changed.
    (
        r#"<put href="/d/if" if='&lt;/records/person/11&gt; (Not ["none"])'>x</put>"#,
        r#"{"op": "put", "href": "/d/if", "if": "</records/person/11> (Not [\"none\"])", "content": "x"}"#,
        201,
    ),
    (
        r#"<put href="/d/no" if='&lt;/records/person/11&gt; (["none"])'>x</put>"#,
        r#"{"op": "put", "href": "/d/no", "if": "</records/person/11> ([\"none\"])", "content": "x"}"#,
        412,
    ),
    (r#"<delete href="/records/%00"/>"#, r#"{"op": "delete", "href": "/records/%00"}"#, 400),
    (
        r#"<update href="http://elsewhere.example/records/person/1"><field name="age">1</field></update>"#,
        r#"{"op": "update", "href": "http://elsewhere.example/records/person/1", "values": {"age": 1}}"#,
        502,
    ),
];

/// The two forms of all operations.
fn documents(mode: &str, token: &str) -> [(&'static str, String); 2] {
    let xml: String = OPERATIONS.iter().map(|(xml, ..)| *xml).collect();
    let xml = format!(
        "<batch xmlns=\"urn:polydav:batch:1\" xmlns:D=\"DAV:\" xmlns:c=\"urn:polydav:columns:1\" \
         mode=\"{mode}\">{xml}</batch>"
    );
    let json: Vec<_> = OPERATIONS.iter().map(|(_, json, _)| *json).collect();
    let json = format!("{{\"mode\": \"{mode}\", \"operations\": [{}]}}", json.join(","));
    [("application/xml", xml), ("application/json", json)]
        .map(|(form, document)| (form, document.replace("{token}", token)))
}

/// What one form of the document comes to in a new world of each engine: the answer's statuses, and
/// the tree and the dump after it.
fn outcomes(form: usize, mode: &str) -> Vec<(Vec<u16>, Tree, String)> {
    let outcome = |world: World| {
        let token = world.lock("/records/person/3");
        let (content_type, document) = &documents(mode, &token)[form];
        let headers = [("Content-Type", *content_type), ("Accept", "application/xml")];
        let answer = world.send("POST /batch-operation", &headers, document);
        assert_eq!(answer.status, 207, "{}", answer.text());
        let statuses = batch::parse(answer.text()).statuses();
        world.server.stop();
        (statuses, world.folder.tree(), world.database.dump())
    };
    worlds(TABLES).into_iter().map(outcome).collect()
}

#[test]
fn xml_and_json_come_to_the_same() {
    let expected: Vec<u16> = OPERATIONS.iter().map(|(.., status)| *status).collect();
    let [xml, json] = [0, 1].map(|form| outcomes(form, "best-effort"));
    assert_eq!(xml.len(), json.len());
    for ((said, tree, dump), same) in xml.iter().zip(&json) {
        let told = said.iter().zip(OPERATIONS).zip(&expected);
        let others: Vec<_> = told
            .filter(|((said, _), expected)| said != expected)
            .map(|((said, (xml, ..)), expected)| format!("{said}, not {expected}: {xml}"))
            .collect();
        assert!(others.is_empty(), "{}", others.join("\n"));
        assert_eq!((said, tree, dump), (&same.0, &same.1, &same.2));
        assert!(dump.contains("Emmy <\"''; --") || dump.contains("Emmy <\"'; --"), "{dump}");
    }
}

#[test]
fn a_batch_stops_at_the_first_failure_in_both_forms() {
    let failed = OPERATIONS.iter().position(|(.., status)| *status >= 400).expect("some fail");
    let [xml, json] = [0, 1].map(|form| outcomes(form, "stop"));
    assert_eq!(xml, json);
    for (said, ..) in &xml {
        assert!(said[..failed].iter().all(|status| status / 100 == 2), "{said:?}");
        assert_eq!(said[failed], 409);
        assert!(said[failed + 1..].iter().all(|status| *status == 424), "{said:?}");
    }
}

#[test]
fn a_day_with_curl() {
    if !require(&["curl"]) {
        return;
    }
    for world in worlds(TABLES) {
        let local = Folder::new();
        let said = world.shell(&local, CURL_DAY);
        assert_eq!(said.stdout, CURL_SAID, "{said}");
        let rows = world.database.sql("SELECT id, name, email, age, team FROM person ORDER BY id");
        assert_eq!(rows, "1|Ada L.|ada@example.org|37|1\n2|Grace|||\n4|Dorothy||50|\n");
        world.server.stop();
    }
}

const CURL_DAY: &str = r#"
R="${U}records/person"
curl -sS "$R/1"; echo
curl -sSI "$R/1" | tr -d '\r' | grep -iE '^(HTTP|content-type|content-length)' | sort -r
etag=$(curl -sSI "$R/1" | tr -d '\r' | sed -n 's/^etag: //Ip')
status -H "If-None-Match: $etag" "$R/1"
status -H "If-Match: \"other\"" "$R/1"
status -X PATCH -H "If-Match: \"other\"" -d '{"age": 1}' "$R/1"
status -X PATCH -H "If-Match: $etag" -d '{"age": 37}' "$R/1"
status -X PATCH -H "If-Match: $etag" -d '{"age": 38}' "$R/1"
status -H "If-None-Match: $etag" "$R/1"
echo 'made, and where:'
status -X PUT -d '{"name": "Dorothy", "age": 50}' "$R/4"
status -X PUT -H 'If-None-Match: *' -d '{"name": "x"}' "$R/4"
status -X PUT -d '{"name": "Dorothy", "age": 50, "id": 4}' "$R/4"
status -X PUT -d '{"name": "Dorothy", "age": 50, "id": 5}' "$R/4"
curl -sSi -d '{"id": 9, "name": "Posted"}' "$R/" | tr -d '\r' | grep -iE '^(HTTP|location)'
status -d '{"id": 9, "name": "Posted"}' "$R/"
status -d '{"name": "Posted"}' "$R/9"
status -d '{"name": "Posted"}' "${U}records/"
echo 'properties:'
curl -sS -X PROPPATCH -d '<D:propertyupdate xmlns:D="DAV:" xmlns:c="urn:polydav:columns:1"><D:set><D:prop><c:name>Ada L.</c:name></D:prop></D:set></D:propertyupdate>' "$R/1" | grep -o 'HTTP/1.1 ...'
curl -sS -X PROPPATCH -d '<D:propertyupdate xmlns:D="DAV:" xmlns:c="urn:polydav:columns:1"><D:set><D:prop><c:age>1</c:age><c:name null="true"/></D:prop></D:set></D:propertyupdate>' "$R/1" | grep -o 'HTTP/1.1 ...'
curl -sS -X PROPFIND -H 'Depth: 1' "$R/" | grep -o '<D:href>[^<]*'
curl -sS -X PROPFIND -H 'Depth: 0' -d '<D:propfind xmlns:D="DAV:"><D:prop><c:name xmlns:c="urn:polydav:columns:1"/></D:prop></D:propfind>' "$R/1" | grep -o '>Ada L\.<'
echo 'locks:'
token=$(curl -sSi -X LOCK -d '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>' "$R/9" | tr -d '\r' | sed -n 's/^lock-token: //Ip')
status -X PUT -d '{"name": "Stolen"}' "$R/9"
status -X PATCH -d '{"name": "Stolen"}' "$R/9"
status -X DELETE "$R/9"
status -X PUT -H "If: ($token)" -d '{"name": "Mine"}' "$R/9"
status -X DELETE "$R/"
status -X UNLOCK -H "Lock-Token: $token" "$R/9"
status -X DELETE "$R/9"
status -X DELETE "$R/9"
status "$R/9"
status -X DELETE "$R/3"
echo 'refused:'
status -X PATCH -d '{"age": -1}' "$R/1"
status -X PATCH -d '{"nme": "x"}' "$R/1"
status -X PATCH -d '{"name": null}' "$R/1"
status -X PATCH -d '{"age": 1' "$R/1"
status -X PATCH -H 'Content-Type: text/html' -d '{"age": 1}' "$R/1"
status -X PATCH -d '{"age": 1}' "$R/99"
status -X POST -d '{}' "${U}a.txt"
status -X MKCOL "${U}records/new"
status -X COPY -H "Destination: ${U}records/person/8" "$R/1"
status -X MOVE -H "Destination: ${U}row" "$R/1"
status -X COPY -H "Destination: ${U}records/person/8" "${U}a.txt"
echo 'lists:'
curl -sS -d '[{"id": 20, "name": "a"}, {"id": 1, "name": "b"}, {"id": 21, "name": "c"}]' "$R/" | tr -d ' \n' | grep -oE '"status":[0-9]+,"outcome"' | tr -dc '0-9\n' | tr '\n' ' '
echo
curl -sS -X PATCH -d '[{"id": 20, "age": 1}, {"id": 99, "age": 2}, {"age": 3}]' "$R/" | tr -d ' \n' | grep -oE '"status":[0-9]+,"outcome"' | tr -dc '0-9\n' | tr '\n' ' '
echo
status -X DELETE "$R/20" "$R/21"
"#;

const CURL_SAID: &str = r#"{"id":1,"name":"Ada","email":"ada@example.org","age":36,"photo":null,"team":1}
HTTP/1.1 200 OK
Content-Type: application/json
Content-Length: 78
304
412
412
204
412
200
made, and where:
201
412
204
422
HTTP/1.1 201 Created
Location: /records/person/9
409
405
405
properties:
HTTP/1.1 200
HTTP/1.1 422
HTTP/1.1 424
<D:href>/records/person/
<D:href>/records/person/1
<D:href>/records/person/2
<D:href>/records/person/3
<D:href>/records/person/4
<D:href>/records/person/9
>Ada L.<
locks:
423
423
423
204
403
204
204
404
404
204
refused:
422
422
422
400
415
404
405
403
403
502
502
lists:
201 409 201 
200 404 422 
204
204
"#;

const MANY: &str = "
PRAGMA journal_mode = wal;
CREATE TABLE many (id INTEGER PRIMARY KEY, label TEXT NOT NULL, even BOOLEAN NOT NULL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
INSERT INTO many SELECT i, 'row ' || i, i % 2 = 0 FROM n;
";

/// Follows the links from a page on; what each page holds.
fn pages(world: &World, first: &str) -> Vec<String> {
    let (mut target, mut pages) = (first.to_owned(), Vec::new());
    loop {
        let page = world.send(&format!("GET {target}"), &[("Accept", "application/x-ndjson")], "");
        assert_eq!(page.status, 200, "{}", page.text());
        pages.push(page.text().to_owned());
        let Some(link) = page.header("link") else { return pages };
        let link = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        target = link.expect("it is a link to the next page").to_owned();
        assert!(pages.len() < 10_000, "it never ends: {target}");
    }
}

#[test]
fn pages_lead_to_the_end() {
    for world in worlds(MANY) {
        for limit in [7, 100, 1_000, 2_500, 2_501] {
            let pages = pages(&world, &format!("/records/many/?limit={limit}"));
            assert_eq!(pages.len(), 2_500_usize.div_ceil(limit), "{limit}");
            let rows: Vec<_> = pages.iter().flat_map(|page| page.lines()).collect();
            let is_there = |(at, row): (usize, &&str)| {
                row.starts_with(&format!("{{\"id\":{},\"label\":\"row {}\"", at + 1, at + 1))
            };
            assert!(rows.len() == 2_500 && rows.iter().enumerate().all(is_there), "{limit}");
        }
        let odd = pages(&world, "/records/many/?limit=500&even=false");
        let rows: Vec<_> = odd.iter().flat_map(|page| page.lines()).collect();
        assert_eq!((odd.len(), rows.len()), (3, 1_250));
        assert!(rows.iter().all(|row| row.ends_with("\"even\":false}")), "{:?}", rows[0]);
        world.server.stop();
    }
}

#[test]
fn a_listing_is_what_accept_asks_for() {
    for world in worlds(TABLES) {
        let list = |accept: &str| {
            let answer = world.send("GET /records/person/", &[("Accept", accept)], "");
            let kind = answer.header("content-type").unwrap_or_default().to_owned();
            (kind.split(';').next().unwrap_or_default().to_owned(), answer.text().to_owned())
        };
        world.database.sql("UPDATE person SET name = 'a \"b\", c', email = '' WHERE id = 2");
        let (ada, grace, held) = (
            r#"{"id":1,"name":"Ada","email":"ada@example.org","age":36,"photo":null,"team":1}"#,
            r#"{"id":2,"name":"a \"b\", c","email":"","age":null,"photo":null,"team":null}"#,
            r#"{"id":3,"name":"Held","email":null,"age":null,"photo":null,"team":null}"#,
        );
        for (accept, kind, text) in [
            ("*/*", "application/json", format!("[\n{ada},\n{grace},\n{held}\n]\n")),
            ("application/x-ndjson", "application/x-ndjson", format!("{ada}\n{grace}\n{held}\n")),
            (
                "text/csv",
                "text/csv",
                "id,name,email,age,photo,team\r\n1,Ada,ada@example.org,36,,1\r\n\
                 2,\"a \"\"b\"\", c\",\"\",,,\r\n3,Held,,,,\r\n"
                    .to_owned(),
            ),
        ] {
            assert_eq!(list(accept), (kind.to_owned(), text));
        }
        let (kind, page) = list("text/html");
        assert_eq!(kind, "text/html");
        assert!(page.contains("href=\"/records/person/2\""), "{page}");
        world.server.stop();
    }
}

/// Keys in which everything stands that means something in a path, in SQL, or to a reader.
const ODD: [(&str, &str); 12] = [
    ("", ""),
    (".", ".."),
    ("a/b", "c,d"),
    ("%2F", "%"),
    ("x' OR '1'='1", "\"; DROP TABLE pair; --"),
    ("\u{202e}abc", "e\u{301}"),
    ("\u{e9}", "e\u{301}"),
    ("😀", "\u{10ffff}"),
    ("line\nbreak", "tab\tand\rreturn"),
    ("?q=1&r", "#f"),
    (" ", "\\"),
    ("$ref", "{{1}}"),
];

#[test]
fn composite_keys_of_odd_characters() {
    for world in worlds(TABLES) {
        let mut hrefs = Vec::new();
        for (n, (a, b)) in ODD.iter().enumerate() {
            let body = format!("{{\"a\": {}, \"b\": {}, \"n\": {n}}}", json(a), json(b));
            let made = world.send("POST /records/pair/", &[], &body);
            assert_eq!(made.status, 201, "{body}: {}", made.text());
            hrefs.push(made.header("location").expect("it says where").to_owned());
        }
        let listed = world.send("PROPFIND /records/pair/", &[("Depth", "1")], "");
        for (n, href) in hrefs.iter().enumerate() {
            let (a, b) = ODD[n];
            let href = href.strip_prefix(world.server.url().trim_end_matches('/')).unwrap_or(href);
            assert!(listed.text().contains(&format!("<D:href>{href}</D:href>")), "{href}");
            let row = world.send(&format!("GET {href}"), &[], "");
            let expected = format!("\"n\":{n}}}");
            assert!(row.status == 200 && row.text().ends_with(&expected), "{href} {}", row.text());
            assert_eq!(world.send(&format!("PATCH {href}"), &[], "{\"n\": 99}").status, 204);
            let count = format!(
                "SELECT count(*) FROM pair WHERE n = 99 AND a = {} AND b = {}",
                sql(a),
                sql(b)
            );
            assert_eq!(world.database.sql(&count), "1\n", "{href}");
            assert_eq!(world.send(&format!("DELETE {href}"), &[], "").status, 204, "{href}");
        }
        assert_eq!(world.database.sql("SELECT count(*) FROM pair"), "0\n");
        world.server.stop();
    }
}

fn json(text: &str) -> String {
    text.chars().fold("\"".to_owned(), |mut json, character| {
        let _ = match character {
            '"' | '\\' => write!(json, "\\{character}"),
            '\0'..' ' => write!(json, "\\u{:04x}", u32::from(character)),
            _ => write!(json, "{character}"),
        };
        json
    }) + "\""
}

fn sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[test]
fn cadaver_sees_rows_as_files() {
    if !require(&["cadaver"]) {
        return;
    }
    // Its listing takes what has no time of change for an error, so only tables are listed.
    const DAY: &str = "cd records\nls\ncd person\ncat 1\nget 1 row.json\nput new.json 30\n\
        lock 30\ndiscover 30\nunlock 30\ndelete 2\nquit\n";
    for world in worlds(TABLES) {
        let home = Folder::new();
        home.write("new.json", "{\"name\": \"by cadaver\"}");
        let mut cadaver = std::process::Command::new("cadaver");
        cadaver.env("HOME", home.path()).arg(world.server.url()).current_dir(home.path());
        let said = run_with_text(&mut cadaver, DAY).success();
        for bad in ["failed", "error", "Error", "Could not"] {
            assert!(!said.stdout.contains(bad), "{bad:?} in {said}");
        }
        let row =
            r#"{"id":1,"name":"Ada","email":"ada@example.org","age":36,"photo":null,"team":1}"#;
        said.says("Coll:   person").says(row);
        assert_eq!(home.read("row.json"), row.as_bytes());
        let rows = world.database.sql("SELECT id, name FROM person ORDER BY id");
        assert_eq!(rows, "1|Ada\n3|Held\n30|by cadaver\n");
        world.server.stop();
    }
}

#[test]
fn rclone_copies_rows_to_a_folder() {
    if !require(&["rclone"]) {
        return;
    }
    for world in worlds(TABLES) {
        let local = Folder::new();
        world.database.sql("INSERT INTO pair VALUES ('a b', 'ü/%', 1)");
        let script = "export RCLONE_WEBDAV_URL=$U RCLONE_WEBDAV_VENDOR=other RCLONE_RETRIES=1
            rclone lsjson -R :webdav:records; rclone copy :webdav:records rows
            rclone check --download rows :webdav:records
            rclone cat :webdav:records/person/1; rclone deletefile :webdav:records/person/2";
        let said = world.shell(&local, script);
        said.says("\"Path\":\"person/1\"");
        let row =
            r#"{"id":1,"name":"Ada","email":"ada@example.org","age":36,"photo":null,"team":1}"#;
        assert_eq!(local.read("rows/person/1"), row.as_bytes());
        assert_eq!(world.database.sql("SELECT count(*) FROM person WHERE id = 2"), "0\n");
        let names: Vec<_> = conformance::folder::tree(&local.join("rows")).into_keys().collect();
        assert_eq!(names.len(), 8, "{names:?}");
        world.server.stop();
    }
}
