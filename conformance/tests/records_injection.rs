//! Texts that would mean something to a database, in each place where a client can put one, by each
//! door. Where they are no plain values they are refused; where they are, they are stored as they
//! are. Nothing else changes, and no answer tells of the database's own words.

use std::fmt::Write as _;

use conformance::batch;
use conformance::database::postgres_of;
use conformance::http::{Response, send};
use conformance::{Database, Folder, Server, databases};

/// `plain` has a number for a key, `named` a text; the names of the third need quoting.
const TABLES: &str = r#"
CREATE TABLE plain (id INTEGER PRIMARY KEY, t TEXT, n INTEGER);
CREATE TABLE named (k TEXT NOT NULL PRIMARY KEY, v TEXT);
CREATE TABLE "od""d'; --" (id INTEGER PRIMARY KEY, "c"";o'l $1 ?1" TEXT);
INSERT INTO plain VALUES (1, 'one', 1), (2, 'two', 2);
INSERT INTO named VALUES ('one', 'one');
INSERT INTO "od""d'; --" VALUES (1, 'odd');
"#;

const ATTACKS: &[&str] = &[
    "'",
    "\"",
    "''",
    "`",
    "\\",
    ";",
    "--",
    "/*",
    "*/",
    "[x]",
    "x' OR '1'='1",
    "x\" OR \"1\"=\"1",
    "1 OR 1=1",
    "1; DROP TABLE plain",
    "1'; DROP TABLE plain; --",
    "1\"; DROP TABLE plain; --",
    "x'); DELETE FROM named; --",
    "1) UNION SELECT sql FROM sqlite_master --",
    "1' UNION SELECT passwd FROM pg_shadow --",
    "'||(SELECT t FROM plain)||'",
    "$1",
    "$$x$$",
    "?1",
    ":id",
    "@id",
    "%s",
    "{0}",
    "$ref",
    "{\"$ref\": \"#/0\"}",
    "$(id)",
    "pg_terminate_backend(1)",
    "E'\\x27'",
    "\u{ff07} OR 1=1",
    "\u{2bc}; --",
    "\u{202e}eno",
    "o\u{301}ne",
    "\u{fdd0}",
    "\u{10ffff}",
    "%27",
    "%2527",
    "%00",
    "a\0b",
    "../plain",
    "..",
    "a/../b",
    "plain/1",
    "1,2",
    "1e0",
    "0x1",
    " 1",
    "+1",
    "01",
    "1\n",
    "one ",
    "ONE",
    "NULL",
    "null",
    "DEFAULT",
    "*",
    "rowid",
    "oid",
    "_rowid_",
    "ctid",
    "xmin",
    "tableoid",
    "Id",
    "id\", \"t",
    "public.plain",
    "main.plain",
    "sqlite_master",
    "sqlite_schema",
    "pg_class",
    "pg_catalog.pg_class",
    "information_schema.tables",
];

/// What an answer must not hold, unless it tells the client's own words again.
const WORDS: &[&str] = &[
    "SELECT", "INSERT", "UPDATE ", "DELETE ", "WHERE", "syntax", "sqlite", "SQLite", "SQLITE",
    "pg_", "postgres", "Postgres", "ERROR", "SQLSTATE", "relation", "db error", "rusqlite", ".rs:",
];

struct World {
    database: Database,
    server: Server,
    _folder: Folder,
}

fn worlds() -> Vec<World> {
    let serve = |database: Database| {
        let folder = Folder::new();
        folder.write("a", "a");
        let server = Server::builder().folder(folder.path()).mount("/records", database.source());
        World { database, server: server.as_nobody().start(), _folder: folder }
    };
    databases(TABLES, &postgres_of(TABLES)).into_iter().map(serve).collect()
}

/// The attacks, with one that is very long.
fn attacks() -> Vec<String> {
    let long = "x'\"; --".repeat(1_000);
    ATTACKS.iter().map(|&attack| attack.to_owned()).chain([long]).collect()
}

impl World {
    #[track_caller]
    fn send(&self, attack: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let answer = send(&self.server, method, target, headers, body.as_bytes());
        let text = String::from_utf8_lossy(&answer.body);
        for word in WORDS.iter().filter(|word| !attack.contains(**word)) {
            assert!(!text.contains(word), "{line:.200} tells {word:?}: {text}");
        }
        answer
    }

    /// Sends what must be refused.
    #[track_caller]
    fn refused(&self, attack: &str, line: &str, headers: &[(&str, &str)], body: &str) {
        let answer = self.send(attack, line, headers, body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 207 {
            let responses = text.matches("<D:status>").chain(text.matches("\"status\":")).count();
            let refused = text.matches("HTTP/1.1 4").count() + text.matches("\"status\":4").count();
            assert!(responses > 0 && responses == refused, "{line:.200} {body:.300}: {text}");
        } else {
            let is_refused = (400..500).contains(&answer.status);
            assert!(is_refused, "{} for {line:.200} {body:.300}: {text}", answer.status);
        }
    }

    /// Sends operations in both forms, of which each must be refused; so may the documents be, if
    /// they can't be read.
    #[track_caller]
    fn batch_refused(&self, attack: &str, xml: &str, json: &str) {
        let xml = format!(
            "<batch xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1' xmlns='urn:polydav:batch:1'>{xml}</batch>"
        );
        for document in [xml.as_str(), json] {
            let headers = [("Accept", "application/xml")];
            let answer = self.send(attack, "POST /batch-operation", &headers, document);
            if answer.status != 207 {
                assert!([400, 413, 422].contains(&answer.status), "{document}: {}", answer.text());
                continue;
            }
            for item in batch::parse(answer.text()).items {
                let is_refused = (400..500).contains(&item.status);
                assert!(is_refused, "{item:?} of {document:.400}: {}", answer.text());
            }
        }
    }

    /// In how many rows a text column has exactly this.
    fn holders(&self, table: &str, column: &str, text: &str) -> usize {
        let hex: String = text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let is = match self.database {
            Database::Sqlite(_) => format!("lower(hex({column}))"),
            Database::Postgres(..) => format!("encode(convert_to({column}, 'UTF8'), 'hex')"),
        };
        let count =
            self.database.sql(&format!("SELECT count(*) FROM {table} WHERE {is} = '{hex}'"));
        count.trim().parse().expect("it is a number")
    }
}

/// All but letters and digits is encoded.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => write!(encoded, "{}", char::from(byte)),
            _ => write!(encoded, "%{byte:02X}"),
        };
        encoded
    })
}

/// The name of a row with this key, before it is percent-encoded.
fn spell(key: &str) -> String {
    let mut name = String::new();
    for character in key.chars() {
        match character {
            '%' | ',' | '/' | '\\' | '\0' => {
                let _ = write!(name, "%{:02X}", u32::from(character));
            }
            _ => name.push(character),
        }
    }
    if [".", ".."].contains(&&*name) { name.replace('.', "%2E") } else { name }
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

fn xml(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('"', "&quot;").replace('\n', "&#10;")
}

/// The name of the property that is a column, as docs/records.md tells it.
fn property(column: &str) -> String {
    column.chars().fold(String::new(), |mut name, character| {
        let _ = match character {
            'a'..='z' | 'A'..='Z' => write!(name, "{character}"),
            _ => write!(name, "_x{:04X}_", u32::from(character)),
        };
        name
    })
}

/// Runs attempts with each attack against each engine; afterwards the database is as it was.
#[track_caller]
fn nothing_changes(attempt: impl Fn(&World, &str)) {
    for world in worlds() {
        let before = world.database.dump();
        for attack in attacks() {
            attempt(&world, &attack);
        }
        let after = world.database.dump();
        assert!(before == after, "from\n{before}\nto\n{after}");
        assert_eq!(world.send("", "GET /records/plain/1", &[], "").status, 200, "it still serves");
        world.server.stop();
    }
}

const UPDATE: &str = "<D:propertyupdate xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><D:set><D:prop>\
                      <c:t>x</c:t></D:prop></D:set></D:propertyupdate>";

#[test]
fn in_the_name_of_a_table() {
    nothing_changes(|world, attack| {
        let table = encode(attack);
        for target in [format!("/records/{table}/"), format!("/records/{table}/1")] {
            for (method, body) in [
                ("GET", ""),
                ("HEAD", ""),
                ("PROPFIND", ""),
                ("PUT", "{\"t\": \"x\"}"),
                ("PATCH", "{\"t\": \"x\"}"),
                ("PATCH", "[{\"id\": 1, \"t\": \"x\"}]"),
                ("POST", "{\"t\": \"x\"}"),
                ("POST", "[{\"t\": \"x\"}]"),
                ("PROPPATCH", UPDATE),
                ("MKCOL", ""),
                ("DELETE", ""),
            ] {
                world.refused(attack, &format!("{method} {target}"), &[], body);
            }
            for method in ["COPY", "MOVE"] {
                let there = [("Destination", &*target)];
                world.refused(attack, &format!("{method} /records/plain/1"), &there, "");
                let elsewhere = [("Destination", "/records/plain/9")];
                world.refused(attack, &format!("{method} {target}"), &elsewhere, "");
            }
            let condition = format!("<{target}> ([\"x\"])");
            world.refused(attack, "DELETE /records/plain/1", &[("If", &condition)], "");
            let (href, quoted) = (xml(&target), json(&target));
            world.batch_refused(
                attack,
                &format!(
                    "<put href=\"{href}\">{{}}</put><delete href=\"{href}\"/>\
                     <create href=\"{href}\"><field name='t'>x</field></create>\
                     <update href=\"{href}\"><field name='t'>x</field></update>\
                     <copy href='/records/plain/1' dest=\"{href}\"/>\
                     <mkcol href=\"{href}\"/>"
                ),
                &format!(
                    "[{{\"op\": \"put\", \"href\": {quoted}, \"content\": \"{{}}\"}},
                      {{\"op\": \"create\", \"href\": {quoted}, \"values\": {{\"t\": \"x\"}}}},
                      {{\"op\": \"update\", \"href\": {quoted}, \"values\": {{\"t\": \"x\"}}}},
                      {{\"op\": \"move\", \"href\": \"/records/plain/1\", \"dest\": {quoted}}},
                      {{\"op\": \"delete\", \"href\": {quoted}}}]"
                ),
            );
        }
    });
}

/// A key that is a number takes no text; one that is a text takes any, and there is no such row.
#[test]
fn in_a_key() {
    nothing_changes(|world, attack| {
        let number = format!("/records/plain/{}", encode(attack));
        let text = format!("/records/named/{}", encode(&spell(attack)));
        for target in [&number, &text] {
            for (method, body) in [
                ("GET", ""),
                ("HEAD", ""),
                ("PROPFIND", ""),
                ("PATCH", "{\"t\": \"x\"}"),
                ("POST", "{\"t\": \"x\"}"),
                ("PROPPATCH", UPDATE),
                ("MKCOL", ""),
                ("DELETE", ""),
            ] {
                world.refused(attack, &format!("{method} {target}"), &[], body);
            }
            let condition = format!("<{target}> ([\"x\"])");
            world.refused(attack, "DELETE /records/plain/1", &[("If", &condition)], "");
        }
        world.refused(attack, &format!("PUT {number}"), &[], "{\"t\": \"x\"}");
        let array = format!("[{{\"id\": {}, \"t\": \"x\"}}]", json(attack));
        if is_no_number(attack) {
            world.refused(attack, "PATCH /records/plain/", &[], &array);
            world.refused(attack, "POST /records/plain/", &[], &array);
        }
        let array = format!("[{{\"k\": {}, \"v\": \"x\"}}]", json(attack));
        world.refused(attack, "PATCH /records/named/", &[], &array);
        let (href, quoted) = (xml(&number), json(&number));
        world.batch_refused(
            attack,
            &format!(
                "<put href=\"{href}\">{{}}</put><delete href=\"{href}\"/>\
                 <update href=\"{href}\"><field name='t'>x</field></update>"
            ),
            &format!(
                "[{{\"op\": \"put\", \"href\": {quoted}, \"content\": \"{{}}\"}},
                  {{\"op\": \"update\", \"href\": {quoted}, \"values\": {{\"t\": \"x\"}}}},
                  {{\"op\": \"delete\", \"href\": {quoted}}}]"
            ),
        );
        world.refused(attack, &format!("GET /records/plain/?cursor={}", encode(attack)), &[], "");
        if attack != "01" {
            world.refused(
                attack,
                &format!("GET /records/plain/?limit={}", encode(attack)),
                &[],
                "",
            );
        }
    });
}

/// A text of JSON in which nobody could see a number.
fn is_no_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_err()
}

#[test]
fn in_the_name_of_a_column() {
    nothing_changes(|world, attack| {
        let (column, quoted) = (encode(attack), json(attack));
        for query in
            [format!("{column}=1"), format!("n=1&{column}=1"), format!("limit=1&{column}=")]
        {
            world.refused(attack, &format!("GET /records/plain/?{query}"), &[], "");
            world.refused(attack, &format!("HEAD /records/plain/?{query}"), &[], "");
        }
        let object = format!("{{\"t\": \"x\", {quoted}: 1}}");
        world.refused(attack, "PUT /records/plain/1", &[], &object);
        world.refused(attack, "PUT /records/plain/9", &[], &object);
        world.refused(attack, "PATCH /records/plain/1", &[], &object);
        world.refused(attack, "POST /records/plain/", &[], &object);
        world.refused(attack, "POST /records/plain/", &[], &format!("[{object}, {object}]"));
        let object = format!("{{\"id\": 1, {quoted}: 1}}");
        world.refused(attack, "PATCH /records/plain/", &[], &format!("[{object}]"));
        let property = property(attack);
        let set = format!("<D:set><D:prop><c:{property}>1</c:{property}></D:prop></D:set>");
        let update = format!(
            "<D:propertyupdate xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'>{set}</D:propertyupdate>"
        );
        world.refused(attack, "PROPPATCH /records/plain/1", &[], &update);
        let asked = format!(
            "<D:propfind xmlns:D='DAV:'><D:prop><{property} xmlns='urn:polydav:columns:1'/></D:prop>\
             </D:propfind>"
        );
        world.refused(attack, "PROPFIND /records/plain/1", &[("Depth", "0")], &asked);
        let name = xml(attack);
        world.batch_refused(
            attack,
            &format!(
                "<create href='/records/plain/'><field name=\"{name}\">1</field></create>\
                 <update href='/records/plain/1'><field name=\"{name}\">1</field></update>\
                 <proppatch href='/records/plain/1'>{set}</proppatch>"
            ),
            &format!(
                "[{{\"op\": \"create\", \"href\": \"/records/plain/\", \"values\": {{{quoted}: 1}}}},
                  {{\"op\": \"update\", \"href\": \"/records/plain/1\", \"values\": {{{quoted}: 1}}}}]"
            ),
        );
    });
}

/// A number is none of these; a text may be any, so the filter finds nothing.
#[test]
fn in_a_filter() {
    nothing_changes(|world, attack| {
        let value = encode(attack);
        if is_no_number(attack) {
            world.refused(attack, &format!("GET /records/plain/?n={value}"), &[], "");
        }
        let found = world.send(attack, &format!("GET /records/plain/?t={value}"), &[], "");
        let is_none = found.status == 200 && found.text() == "[]\n";
        assert!(is_none || found.status / 100 == 4, "{attack:.200}: {}", found.text());
        let tag = format!("\"{}\"", encode(attack));
        let wrong = [("If-Match", &*tag)];
        world.refused(attack, "PATCH /records/plain/1", &wrong, "{\"t\": \"x\"}");
        world.refused(attack, "DELETE /records/plain/1", &wrong, "");
        let token = format!("<urn:{}>", encode(attack));
        world.refused(attack, "UNLOCK /records/plain/1", &[("Lock-Token", &token)], "");
        world.refused(attack, "DELETE /records/plain/1", &[("If", &format!("({token})"))], "");
    });
}

/// What stores a text in a new row, and what does in a row that is there: by each door. `{id}` is
/// the row, `{json}` the text as JSON, `{base64}` in base64.
const DOORS: &[(bool, &str, &str)] = &[
    (true, "POST /records/plain/", r#"{"id": {id}, "t": {json}}"#),
    (true, "POST /records/plain/", r#"[{"id": {id}, "t": {json}}]"#),
    (true, "PUT /records/plain/{id}", r#"{"t": {json}}"#),
    (false, "PUT /records/plain/{id}", r#"{"t": {json}}"#),
    (false, "PATCH /records/plain/{id}", r#"{"t": {json}}"#),
    (false, "PATCH /records/plain/", r#"[{"id": {id}, "t": {json}}]"#),
    (
        false,
        "PROPPATCH /records/plain/{id}",
        "<D:propertyupdate xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><D:set><D:prop>\
         <c:t encoding='base64'>{base64}</c:t></D:prop></D:set></D:propertyupdate>",
    ),
    (
        false,
        "POST /batch-operation",
        "<batch xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><proppatch href='/records/plain/{id}'>\
         <D:set><D:prop><c:t encoding='base64'>{base64}</c:t></D:prop></D:set></proppatch></batch>",
    ),
    (
        true,
        "POST /batch-operation",
        "<batch><create href='/records/plain/'><field name='id'>{id}</field>\
         <field name='t' encoding='base64'>{base64}</field></create></batch>",
    ),
    (
        false,
        "POST /batch-operation",
        "<batch><update href='/records/plain/{id}'>\
         <field name='t' encoding='base64'>{base64}</field></update></batch>",
    ),
    (
        true,
        "POST /batch-operation",
        r#"[{"op": "create", "href": "/records/plain/", "values": {"id": {id}, "t": {json}}}]"#,
    ),
    (
        false,
        "POST /batch-operation",
        r#"[{"op": "update", "href": "/records/plain/{id}", "values": {"t": {json}}}]"#,
    ),
];

/// Each door stores a text as it is; NUL is what texts don't have, in either engine.
#[test]
fn as_a_value() {
    nothing_changes(|world, attack| {
        let has_nul = attack.contains('\0');
        for (place, (is_new, line, body)) in DOORS.iter().enumerate() {
            let id = (10 + place).to_string();
            let fill = |text: &str| text.replace("{id}", &id).replace("{base64}", &base64(attack));
            let (line, body) = (fill(line), fill(body).replace("{json}", &json(attack)));
            if !is_new {
                let before = world.send("", &format!("PUT /records/plain/{id}"), &[], "{}");
                assert_eq!(before.status, 201, "{}", before.text());
            }
            let answer = world.send(attack, &line, &[], &body);
            let is_stored = answer.status / 100 == 2 && is_applied(&answer);
            assert_eq!(is_stored, !has_nul, "{line} {body:.300}: {}", answer.text());
        }
        assert_eq!(world.holders("plain", "t", attack), if has_nul { 0 } else { DOORS.len() });
        for place in 0..DOORS.len() {
            let gone = world.send("", &format!("DELETE /records/plain/{}", 10 + place), &[], "");
            assert!(gone.status == 204 || has_nul, "{}", gone.text());
        }
    });
}

/// Whether all that a 207 tells of went well; every other answer stands for itself.
fn is_applied(answer: &Response) -> bool {
    let text = String::from_utf8_lossy(&answer.body).replace("\"status\": ", "\"status\":");
    !text.contains("HTTP/1.1 4") && !text.contains("\"status\":4")
}

#[test]
fn as_a_key() {
    nothing_changes(|world, attack| {
        let target = format!("/records/named/{}", encode(&spell(attack)));
        let body = format!("{{\"k\": {}, \"v\": \"v\"}}", json(attack));
        let made = world.send(attack, "POST /records/named/", &[], &body);
        if attack.contains('\0') {
            assert_eq!(made.status, 422, "{}", made.text());
            return;
        }
        assert_eq!(made.status, 201, "{attack:.200}: {}", made.text());
        assert_eq!(world.holders("named", "k", attack), 1, "{attack:.200}");
        // Longer than a URL may be: it can be made, and asked for by its value.
        if attack.len() > 1_000 {
            let found = format!("GET /records/named/?k={}", encode(attack));
            assert!(world.send(attack, &found, &[], "").status < 500);
            world.database.sql("DELETE FROM named WHERE length(k) > 1000");
            return;
        }
        assert_eq!(world.send(attack, &format!("GET {target}"), &[], "").status, 200, "{target}");
        let again = world.send(attack, &format!("PUT {target}"), &[], "{\"v\": \"w\"}");
        assert_eq!(again.status, 204, "{target}: {}", again.text());
        let patched = world.send(attack, "PATCH /records/named/", &[], &format!("[{body}]"));
        assert!(is_applied(&patched), "{}", patched.text());
        let gone = world.send(attack, &format!("DELETE {target}"), &[], "");
        assert_eq!(gone.status, 204, "{target}: {}", gone.text());
        let put = world.send(attack, &format!("PUT {target}"), &[], "{\"v\": \"w\"}");
        assert_eq!(put.status, 201, "{target}: {}", put.text());
        assert_eq!(world.holders("named", "k", attack), 1, "{attack:.200}");
        assert_eq!(world.send(attack, &format!("DELETE {target}"), &[], "").status, 204);
    });
}

/// Names that need quoting are names like any other.
#[test]
fn names_of_tables_and_columns_that_need_quoting() {
    for world in worlds() {
        let (table, column) = ("od\"d'; --", "c\";o'l $1 ?1");
        let path = format!("/records/{}/", encode(table));
        let made = world.send(
            column,
            &format!("POST {path}"),
            &[],
            &format!("{{\"id\": 2, {}: \"x\"}}", json(column)),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        let filter = format!("GET {path}?{}=x", encode(column));
        assert_eq!(world.send(column, &filter, &[], "").text().lines().count(), 3);
        let name = property(column);
        let update = format!(
            "<D:propertyupdate xmlns:D='DAV:' xmlns:c='urn:polydav:columns:1'><D:set><D:prop>\
             <c:{name}>y</c:{name}></D:prop></D:set></D:propertyupdate>"
        );
        let updated = world.send(column, &format!("PROPPATCH {path}2"), &[], &update);
        assert!(updated.text().contains("200 OK"), "{}", updated.text());
        let rows = world.database.sql("SELECT * FROM \"od\"\"d'; --\" ORDER BY id");
        assert_eq!(rows, "1|odd\n2|y\n");
        assert_eq!(world.send(column, &format!("DELETE {path}2"), &[], "").status, 204);
        world.server.stop();
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
            coded.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    coded
}
