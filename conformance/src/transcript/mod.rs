//! Transcripts: what a client sends, what it must get, and what must be on disk afterwards, as
//! plain text that is read without knowing Rust.
//!
//! A file in `conformance/transcripts/` begins with what it shows and by which rule, followed by
//! sections, each under a line that begins with `===`:
//!
//! ```text
//! === server --public-url https://h/dav/      more arguments for the server (may be missing)
//! === mounts /=a /b=c                         folders in it that are served in its place, and where
//!                                             (may be missing)
//! === sql /r                                  a database at that path, made by these statements of
//! CREATE TABLE t (a PRIMARY KEY);             SQLite (may be missing)
//! === disk 4 MiB                              the folder is a disk of this size (may be missing)
//! === tree                                    what is in the folder before the server starts
//! a/                                          a folder
//! a/secret    [0000] "text"                   a file with its mode and its content
//! a/fixed     [immutable] ""                  a file that nobody can remove (chattr +i)
//! a/long      "x" * 70000                     a file of so many bytes
//! a/link      -> target                       a symbolic link
//! a/pipe      fifo                            a FIFO
//! === request                                 a request; Host and Content-Length are added
//! PUT /a/b
//! If: (<{token}>)
//!
//! content
//! === reply                                   what must come back
//! 201 Created
//! ETag: "{etag}"
//! Location: (none)                            a field that must not be there
//! === tree after                              what must be in the folder now
//! === tree unchanged                          or: not a byte, not an inode, not a time differs
//! === rows SELECT a FROM t                    what the database must hold now, a line a row
//! x|y
//! ```
//!
//! Names are percent-encoded where they aren't visible ASCII. A body is all lines behind the first
//! empty one, without the last line end; `(body "x" * 70000)` is so many bytes, and a request with
//! `Transfer-Encoding: chunked` gets its body in chunks. A reply without a body in the transcript
//! must have none; the line `(any body)` lets it have one. Only the fields that are listed are
//! compared. XML is compared by its meaning: prefixes, quotes and white space between elements
//! don't count, nor does the order of the responses of a 207 that isn't a batch's. JSON is compared
//! without white space.
//!
//! `{token}`, `{etag}`, `{date}`, `{id}`, `{number}` and `{any}` stand for what can't be known
//! before. `{token}`, `{etag}` and `{id}`, also with a number behind (`{token-2}`), stand for the
//! same text wherever they come up again, in later requests too; `{host}` is the server's host.
//!
//! With `BLESS=1` in the environment the replies and trees are written as they are. What was
//! written has to be held against the RFC by a person before it is kept.

mod canonical;
mod pattern;
mod scene;
mod script;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::http::{self, Response};
use crate::{Database, Server, require_root};

use self::canonical::Form;
use self::pattern::Variables;
use self::scene::{Scene, Snapshot};
use self::script::{Body, Part, Reply, Request, Rows, Script};

/// Runs a transcript; panics with what differs. Where it needs root and isn't, it is skipped.
pub fn run(file: &Path, bless: bool) {
    let text = fs::read_to_string(file).expect("a transcript can be read");
    let script = Script::parse(&text).unwrap_or_else(|error| panic!("{}:{error}", file.display()));
    if script.needs_root() && !require_root() {
        return;
    }
    let mut run = Run::begin(&script);
    let mut written = script.opening.clone();
    let mut wrong = Ok(());
    for section in &script.sections {
        let told = run.part(&section.part, bless);
        let told = told.map_err(|e| format!("{}:{}: {e}", file.display(), section.line));
        written += &format!("{}\n", section.heading);
        written += told.as_ref().ok().and_then(Option::as_deref).unwrap_or(&section.text);
        wrong = wrong.and(told.map(drop));
        if wrong.is_err() && !bless {
            break;
        }
    }
    if bless && written != text {
        fs::write(file, written).expect("a transcript can be written");
    }
    wrong.unwrap_or_else(|difference| panic!("{difference}"));
}

/// A transcript on its way.
struct Run {
    server: Server,
    scene: Scene,
    database: Option<Database>,
    before: Snapshot,
    variables: Variables,
    last: Option<Response>,
}

impl Run {
    fn begin(script: &Script) -> Self {
        let scene = Scene::build(script.disk, &script.tree);
        let mut builder = Server::builder().args(&script.arguments).as_nobody();
        if script.mounts.is_empty() {
            builder = builder.folder(scene.path());
        }
        for mount in &script.mounts {
            let (path, name) = mount.split_once('=').expect("a mount is /PATH=NAME");
            builder = builder.mount(path, scene.path().join(name));
        }
        let database = script.sql.as_ref().map(|(_, sql)| Database::sqlite(sql));
        if let (Some((path, _)), Some(database)) = (&script.sql, &database) {
            builder = builder.mount(path, database.source());
        }
        let server = builder.start();
        let before = scene.snapshot();
        let variables = Variables::new(server.host());
        Self { server, scene, database, before, variables, last: None }
    }

    /// Plays a part; what it should say, if it was to be blessed and says something else.
    fn part(&mut self, part: &Part, bless: bool) -> Result<Option<String>, String> {
        match part {
            Part::Opening => Ok(None),
            Part::Request(request) => {
                self.last = Some(self.send(request));
                Ok(None)
            }
            Part::Reply(reply) => self.reply(reply, bless),
            Part::After(entries) => {
                let (expected, found) = scene::sides(entries, &self.scene.snapshot());
                if expected == found {
                    Ok(None)
                } else if bless {
                    Ok(Some(found + "\n\n"))
                } else {
                    Err(format!("the tree differs:\n{}", difference(&expected, &found, None)))
                }
            }
            Part::Unchanged => {
                let now = self.scene.snapshot();
                if now == self.before {
                    return Ok(None);
                }
                let (was, is) = (self.before.exactly(), now.exactly());
                Err(format!("the tree was touched:\n{}", difference(&was, &is, None)))
            }
            Part::Rows(rows) => self.rows(rows, bless),
        }
    }

    fn rows(&self, rows: &Rows, bless: bool) -> Result<Option<String>, String> {
        let database = self.database.as_ref().ok_or("rows without a database")?;
        let said = database.sql(&rows.question);
        let found = said.trim_end_matches('\n');
        match found == rows.answer {
            true => Ok(None),
            false if bless => Ok(Some(format!("{found}\n\n"))),
            false => {
                let difference = difference(&rows.answer, found, None);
                Err(format!("the rows differ:\n{difference}"))
            }
        }
    }

    fn send(&self, request: &Request) -> Response {
        let line = self.variables.fill(&request.line);
        let mut head = format!("{line} HTTP/1.1\r\n");
        let has = |name| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !has("host") {
            let _ = write!(head, "Host: {}\r\n", self.server.host());
        }
        if !has("connection") {
            head += "Connection: close\r\n";
        }
        for (name, value) in &request.headers {
            let _ = write!(head, "{name}: {}\r\n", self.variables.fill(value));
        }
        let mut body = match &request.body {
            Body::Text(text) => self.variables.fill(text).into_bytes(),
            Body::Bytes(bytes) => bytes.clone(),
        };
        if has("transfer-encoding") {
            body = chunked(&body);
        } else if !has("content-length") && (!body.is_empty() || line.starts_with("P")) {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        let bytes = [head.as_bytes(), b"\r\n", &body].concat();
        http::raw(self.server.address(), &bytes, line.starts_with("HEAD "))
    }

    fn reply(&mut self, expected: &Reply, bless: bool) -> Result<Option<String>, String> {
        let response = self.last.take().ok_or("a reply without a request")?;
        canonical::check(&response)?;
        let form = Form::of(response.header("content-type"));
        let mut wanted = expected.status.clone();
        let mut found = format!("{} {}", response.status, response.reason);
        for (name, value) in &expected.headers {
            let _ = write!(wanted, "\n{name}: {value}");
            let _ = match response.header(&name.to_ascii_lowercase()) {
                Some(value) => write!(found, "\n{name}: {value}"),
                None => write!(found, "\n{name}: (none)"),
            };
        }
        if expected.body.trim() != "(any body)" {
            let body = String::from_utf8_lossy(&response.body);
            let same = |text: &str| form.canonical(text).unwrap_or_else(|_| text.to_owned());
            wanted = format!("{wanted}\n\n{}", same(&expected.body));
            found = format!("{found}\n\n{}", same(&body));
        }
        if self.variables.match_text(&wanted, &found) {
            return Ok(None);
        }
        if bless {
            return Ok(Some(self.blessed(expected, &response, form)));
        }
        Err(format!("the reply differs:\n{}", difference(&wanted, &found, Some(&self.variables))))
    }

    /// The reply as it came, with placeholders for what changes from run to run.
    fn blessed(&mut self, expected: &Reply, response: &Response, form: Form) -> String {
        const USUAL: &[&str] =
            &["content-type", "etag", "lock-token", "location", "content-range", "batch-result"];
        let mut told = format!("{} {}\n", response.status, response.reason);
        for (name, _) in &expected.headers {
            let value = response.header(&name.to_ascii_lowercase()).unwrap_or("(none)");
            let _ = writeln!(told, "{name}: {value}");
        }
        for (name, value) in &response.headers {
            let listed = expected.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
            if USUAL.contains(&&**name) && !listed {
                let _ = writeln!(told, "{}: {value}", canonical::field_name(name));
            }
        }
        if expected.body.trim() == "(any body)" {
            told += "\n(any body)\n";
        } else if !response.body.is_empty() {
            let body = String::from_utf8_lossy(&response.body);
            let _ = writeln!(told, "\n{}", form.readable(&body).trim_end_matches('\n'));
        }
        self.variables.blank(&told) + "\n"
    }
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks = body.chunks(body.len().div_ceil(2).max(1));
    let framed = chunks
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    framed.chain(*b"0\r\n\r\n").collect()
}

/// Both texts, line by line: `-` is expected and missing, `+` came instead.
fn difference(expected: &str, found: &str, variables: Option<&Variables>) -> String {
    let same = |left: &str, right: &str| match variables {
        Some(variables) => variables.clone().match_text(left, right),
        None => left == right,
    };
    let (left, right): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    // The longest common subsequence of what is left from (i, j) on.
    let mut longest = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            longest[i][j] = if same(left[i], right[j]) {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut told) = (0, 0, String::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && same(left[i], right[j]) {
            let _ = writeln!(told, "  {}", right[j]);
            (i, j) = (i + 1, j + 1);
        } else if i < left.len() && (j == right.len() || longest[i + 1][j] >= longest[i][j + 1]) {
            let _ = writeln!(told, "- {}", left[i]);
            i += 1;
        } else {
            let _ = writeln!(told, "+ {}", right[j]);
            j += 1;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_differs() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc\nd", None), "  a\n- b\n+ x\n  c\n+ d\n");
        let variables = Variables::new("h:1");
        assert_eq!(difference("{number}", "17", Some(&variables)), "  17\n");
    }

    #[test]
    fn a_body_is_cut_into_chunks() {
        assert_eq!(chunked(b"abc"), b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
        assert_eq!(chunked(b""), b"0\r\n\r\n");
    }
}
