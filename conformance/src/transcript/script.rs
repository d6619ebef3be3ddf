//! The text of a transcript, read.

use super::scene::{self, Entry};

/// A transcript.
pub(super) struct Script {
    /// What stands above the first section.
    pub(super) opening: String,
    /// More arguments for the server.
    pub(super) arguments: Vec<String>,
    /// Folders that are served instead of the whole: `/PATH=NAME`.
    pub(super) mounts: Vec<String>,
    /// A database of SQLite: where it is mounted, and the statements that make it.
    pub(super) sql: Option<(String, String)>,
    /// The size of the disk in bytes, where it matters.
    pub(super) disk: Option<u64>,
    /// What is in the folder at first.
    pub(super) tree: Vec<Entry>,
    /// All sections in their order.
    pub(super) sections: Vec<Section>,
}

/// A section as it stands in the file, and what it means.
pub(super) struct Section {
    pub(super) line: usize,
    pub(super) heading: String,
    pub(super) text: String,
    pub(super) part: Part,
}

pub(super) enum Part {
    /// It was part of the preparation.
    Opening,
    Request(Request),
    Reply(Reply),
    After(Vec<Entry>),
    Unchanged,
    Rows(Rows),
}

/// A question to the database, and what it must answer.
pub(super) struct Rows {
    pub(super) question: String,
    pub(super) answer: String,
}

pub(super) struct Request {
    /// Method and target.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// Placeholders in it are filled.
    Text(String),
    Bytes(Vec<u8>),
}

pub(super) struct Reply {
    pub(super) status: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Script {
    /// Reads a transcript; an error begins with the number of the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self {
            opening: String::new(),
            arguments: Vec::new(),
            mounts: Vec::new(),
            sql: None,
            disk: None,
            tree: Vec::new(),
            sections: Vec::new(),
        };
        let mut headings: Vec<(usize, &str, String)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match headings.last_mut() {
                _ if line.starts_with("===") => headings.push((number + 1, line, String::new())),
                Some((_, _, section)) => *section += &format!("{line}\n"),
                None => script.opening += &format!("{line}\n"),
            }
        }
        for (line, heading, text) in headings {
            let part = script.part(heading, &text).map_err(|error| format!("{line}: {error}"))?;
            script.sections.push(Section { line, heading: heading.to_owned(), text, part });
        }
        Ok(script)
    }

    fn part(&mut self, heading: &str, text: &str) -> Result<Part, String> {
        let words: Vec<&str> = heading.split_whitespace().skip(1).collect();
        match words.as_slice() {
            ["server", arguments @ ..] => {
                self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
                Ok(Part::Opening)
            }
            ["mounts", mounts @ ..] => {
                self.mounts = mounts.iter().map(|&mount| mount.to_owned()).collect();
                Ok(Part::Opening)
            }
            ["sql", path] => {
                self.sql = Some(((*path).to_owned(), text.to_owned()));
                Ok(Part::Opening)
            }
            ["disk", size, "MiB"] => {
                let size: u64 = size.parse().map_err(|_| "no size".to_owned())?;
                self.disk = Some(size << 20);
                Ok(Part::Opening)
            }
            ["tree"] => {
                self.tree = scene::parse(text)?;
                Ok(Part::Opening)
            }
            ["tree", "after"] => Ok(Part::After(scene::parse(text)?)),
            ["tree", "unchanged"] => Ok(Part::Unchanged),
            ["rows", question @ ..] => {
                let answer = text.trim_end_matches('\n').to_owned();
                Ok(Part::Rows(Rows { question: question.join(" "), answer }))
            }
            ["request", ..] => request(text).map(Part::Request),
            ["reply"] => Ok(Part::Reply(reply(text))),
            _ => Err(format!("unknown section {heading:?}")),
        }
    }

    /// Whether it needs what only root may do.
    pub(super) fn needs_root(&self) -> bool {
        self.disk.is_some() || self.tree.iter().any(Entry::needs_root)
    }
}

fn request(text: &str) -> Result<Request, String> {
    let (line, headers, body) = message(text);
    if line.split(' ').count() != 2 {
        return Err(format!("expected a method and a target, not {line:?}"));
    }
    let counted = body.strip_prefix("(body ").and_then(|body| body.strip_suffix(')'));
    let body = match counted {
        Some(content) => Body::Bytes(scene::content(content)?),
        None => Body::Text(body),
    };
    Ok(Request { line, headers, body })
}

fn reply(text: &str) -> Reply {
    let (status, headers, body) = message(text);
    Reply { status, headers, body }
}

/// The first line, the fields, and the body without its last line end.
fn message(text: &str) -> (String, Vec<(String, String)>, String) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    (first, fields.collect(), body.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_transcript() {
        let text = "About.\n\n=== server --a b\n=== mounts /=a\n=== tree\na/\n\n=== request\nPUT /a/b\nDepth: 0\n\n\
                    x\ny\n\n=== reply\n201 Created\n\n=== tree unchanged\n";
        let script = Script::parse(text).expect("it is one");
        assert_eq!((&*script.opening, script.arguments.len()), ("About.\n\n", 2));
        assert_eq!((script.tree.len(), script.sections.len()), (1, 6));
        assert_eq!(script.mounts, ["/=a"]);
        let Part::Request(request) = &script.sections[3].part else { panic!("no request") };
        assert_eq!((&*request.line, request.headers.len()), ("PUT /a/b", 1));
        assert!(matches!(&request.body, Body::Text(text) if text == "x\ny"));
        let again: String =
            script.sections.iter().map(|s| format!("{}\n{}", s.heading, s.text)).collect();
        assert_eq!(script.opening + &again, text);
    }

    #[test]
    fn reads_a_database_and_a_question() {
        let text = "=== sql /r\nCREATE TABLE t (a);\n\n=== rows SELECT a FROM t\n1\n2\n\n";
        let script = Script::parse(text).expect("it is one");
        let sql = "CREATE TABLE t (a);\n\n".to_owned();
        assert_eq!(script.sql, Some(("/r".to_owned(), sql)));
        let Part::Rows(rows) = &script.sections[1].part else { panic!("no rows") };
        assert_eq!((&*rows.question, &*rows.answer), ("SELECT a FROM t", "1\n2"));
    }

    #[test]
    fn an_unknown_section_is_an_error() {
        let error = Script::parse("\n=== tee\n").err();
        assert_eq!(error.as_deref(), Some("2: unknown section \"=== tee\""));
    }
}
