//! The document in NDJSON: an operation a line, read as they arrive.
//!
//! What is run as it arrives can't be undone, repeated or judged as a whole, nor can one operation
//! refer to another that may be long gone: what takes the whole document is refused.

use serde_json::Deserializer;

use super::cut::Scan;
use super::draft::{Draft, DraftValue, Drafts, Reader, XmlSpent};
use super::json::{Line, read_line};
use super::name::{Attribute, Setting};
use super::{BatchRequest, Fault, Format, InvalidBatch, Limits, Mode, Operation, Place};
use crate::reference::Path;
use crate::text;

/// Reads NDJSON piece by piece, as a [`Cutter`](super::Cutter) makes them, in constant memory: an
/// object with `batch`, the settings, if it comes first, and an operation each.
///
/// The [`Limits`] of a document are those of each operation here; there may be any number of them.
///
/// ```
/// use polydav_proto::batch::{Cutter, Limits, Lines};
/// use polydav_proto::reference::Path;
///
/// let limits = Limits::default();
/// let (mut cutter, mut lines) = (Cutter::new(&limits), Lines::new(&Path::root(), &limits));
/// cutter.take_in(&mut &br#"{"batch": {"mode": "stop"}} {"op": "mkcol", "href": "a/"} {"op":"#[..])?;
/// assert_eq!(lines.read(&cutter.cut())?.len(), 1);
/// assert_eq!(lines.mode().as_str(), "stop");
/// cutter.take_in(&mut &br#" "delete", "href": "b"}"#[..])?;
/// assert_eq!(lines.read(&cutter.cut())?[0].index, 1);
/// # Ok::<(), polydav_proto::batch::InvalidBatch>(())
/// ```
pub struct Lines {
    collection: Path,
    limits: Limits,
    reader: Reader,
    mode: Mode,
    /// How many values were read.
    values: usize,
    /// How many of them were operations.
    operations: usize,
    /// How many lines ended before what comes next, and how many bytes of its line stand before it.
    line: u64,
    column: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("operations", &self.operations).finish_non_exhaustive()
    }
}

impl Lines {
    /// A document of which relative hrefs start from `collection`, unless it names another base.
    #[must_use]
    pub fn new(collection: &Path, limits: &Limits) -> Self {
        Self {
            collection: collection.clone(),
            limits: *limits,
            reader: Reader::new(Format::NdJson, collection.clone().into(), limits),
            mode: Mode::default(),
            values: 0,
            operations: 0,
            line: 0,
            column: 0,
        }
    }

    /// What follows a failure. Whoever has an operation knows it for good.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Reads the values that come next.
    ///
    /// # Errors
    ///
    /// If the structure of one of them is wrong, or it is larger than the limits allow. It can't be
    /// gone on from there.
    pub fn read(&mut self, values: &[u8]) -> Result<Vec<Operation>, InvalidBatch> {
        self.read_values(values).map_err(|invalid| self.placed(invalid))
    }

    fn read_values(&mut self, values: &[u8]) -> Result<Vec<Operation>, InvalidBatch> {
        let mut rest = text::of(values)?;
        if self.values == 0 && rest.trim_ascii_start().starts_with('[') {
            let message = "expected an object, not an array: send that as application/json";
            return Place::Document.refuse(message);
        }
        let mut operations = Vec::new();
        let mut spent = XmlSpent::default();
        loop {
            rest = self.pass(rest, Scan::space(rest));
            if rest.is_empty() {
                return Ok(operations);
            }
            // A reader of all of them counts the lines anew to say that this isn't the end.
            let length = Scan::value(rest);
            let mut json = Deserializer::from_str(&rest[..length]);
            // Each has the bounds of a document. But what stands once in a line may be in scope for
            // all of it: together they are no larger for being cut into many.
            spent.elements = 0;
            match read_line(&mut json, self.operations, &mut spent, &self.limits)? {
                Line::Settings(settings) => self.set(settings)?,
                Line::Operation(draft) => operations.push(self.operation(*draft)?),
            }
            self.values += 1;
            rest = self.pass(rest, length);
        }
    }

    /// What comes behind so many bytes.
    fn pass<'t>(&mut self, text: &'t str, length: usize) -> &'t str {
        let (passed, rest) = text.split_at(length);
        let (lines, last) = ends(passed.as_bytes());
        self.line += lines;
        self.column = if lines == 0 { self.column + last } else { last };
        rest
    }

    fn set(&mut self, mut drafts: Drafts) -> Result<(), InvalidBatch> {
        if self.values > 0 {
            return drafts.place.refuse("batch is an object, and the first line only");
        }
        let said = |setting: Setting| drafts.settings[setting as usize].as_deref();
        let whole = match () {
            () if said(Setting::Mode) == Some("atomic") => Some("mode \"atomic\""),
            () if said(Setting::Strict) == Some("true") => Some("strict"),
            () if said(Setting::Key).is_some() => Some("a key"),
            () if said(Setting::DryRun) == Some("true") => Some("a dry run"),
            () => None,
        };
        only_in_whole(&drafts.place, whole)?;
        let settings = drafts.settings(&self.collection)?;
        self.mode = settings.mode;
        self.reader.base = settings.base;
        Ok(())
    }

    fn operation(&mut self, draft: Draft) -> Result<Operation, InvalidBatch> {
        let needs = draft.attributes[Attribute::Needs as usize].as_deref();
        let refers = draft.values.iter().any(|(_, value)| matches!(value, DraftValue::Ref(_)));
        let whole = match () {
            () if needs.is_some_and(|needs| !needs.is_empty()) => Some("needs"),
            () if refers => Some("$ref"),
            () => None,
        };
        only_in_whole(&draft.place, whole)?;
        self.reader.make_room_again();
        let operation = self.reader.operation(self.operations, draft)?;
        self.operations += 1;
        Ok(operation)
    }

    /// What is wrong, with its place in the whole document.
    fn placed(&self, mut invalid: InvalidBatch) -> InvalidBatch {
        if let Place::Line { line, column } = &mut invalid.place {
            if *line == 1 {
                *column += self.column;
            }
            *line += self.line;
        }
        invalid
    }
}

fn only_in_whole(place: &Place, asked: Option<&str>) -> Result<(), InvalidBatch> {
    match asked {
        Some(what) => place.refuse(format!("NDJSON can't have {what}: send a JSON document")),
        None => Ok(()),
    }
}

/// How many lines end in a text, and how many bytes stand behind the last of them.
fn ends(text: &[u8]) -> (u64, u64) {
    let ends = text.iter().filter(|&&byte| byte == b'\n').count();
    let last = text.iter().rev().take_while(|&&byte| byte != b'\n').count();
    (ends as u64, last as u64)
}

/// Reads a document that is there as a whole.
pub(super) fn read(
    body: &[u8],
    collection: &Path,
    limits: &Limits,
) -> Result<BatchRequest, InvalidBatch> {
    let mut lines = Lines::new(collection, limits);
    let operations = lines.read(body)?;
    let most = limits.items_max;
    if operations.len() > most {
        let message = format!("a batch has at most {most} operations");
        return Place::Document.fail(Fault::TooLarge, message);
    }
    let Lines { mode, reader, .. } = lines;
    let (strict, key, dry_run, base) = (false, None, false, reader.base);
    Ok(BatchRequest { mode, strict, key, dry_run, operations, base })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Cutter;

    /// All operations of a text that arrives in parts, or what is wrong.
    fn read_in(parts: &[&str], limits: &Limits) -> Result<(Mode, Vec<Operation>), String> {
        let said = |error: InvalidBatch| {
            let status = match error.fault {
                Fault::Malformed => 400,
                Fault::TooLarge => 413,
                Fault::Unprocessable => 422,
            };
            format!("{status} {error}")
        };
        let (mut cutter, mut lines) = (Cutter::new(limits), Lines::new(&Path::root(), limits));
        let mut operations = Vec::new();
        for part in parts {
            let mut arrived = part.as_bytes();
            while !arrived.is_empty() {
                cutter.take_in(&mut arrived).map_err(said)?;
                operations.extend(lines.read(&cutter.cut()).map_err(said)?);
            }
        }
        operations.extend(lines.read(&cutter.cut_rest()).map_err(said)?);
        Ok((lines.mode(), operations))
    }

    fn read(text: &str) -> Result<(Mode, Vec<Operation>), String> {
        let all = read_in(&[text], &Limits::default());
        for cut in (0..=text.len()).filter(|&cut| text.is_char_boundary(cut)) {
            let (start, end) = text.split_at(cut);
            assert_eq!(read_in(&[start, end], &Limits::default()), all, "cut at {cut}: {text}");
        }
        all
    }

    #[test]
    fn wherever_it_is_cut_it_says_the_same() {
        let text = "\u{feff}{\"batch\": {\"mode\": \"stop\", \"base\": \"/t/\"}}\
            {\"op\": \"put\", \"id\": \"ä\\\"\", \"href\": \"a\"}";
        let said = "422 operation 0: id: expected 1 to 64 of A-Za-z0-9._~-, not \"ä\\\"\"";
        assert_eq!(read(text).unwrap_err(), said);
        let text = text.replace("ä\\\"", "i")
            + "\r\n\n{\"op\": \"put\", \"href\": \"b{\", \
            \"content\": \"}\\\\\"}{\"op\": \"create\", \"href\": \"c/\", \"values\": {\"d\": [{}]}} ";
        let (mode, operations) = read(&text).unwrap();
        assert_eq!(mode, Mode::Stop);
        let whole =
            BatchRequest::parse(Format::NdJson, text.as_bytes(), &Path::root(), &Limits::default());
        assert_eq!(operations, whole.unwrap().operations);
        let hrefs: Vec<_> = operations.iter().map(|o| (o.index, &*o.href)).collect();
        assert_eq!(hrefs, [(0, "a"), (1, "b{"), (2, "c/")]);
        assert_eq!(read("").unwrap().1.len(), 0);
    }

    #[test]
    fn documents_of_bad_structure() {
        const GOOD: &str = "{\"op\": \"mkcol\", \"href\": \"a\"}\n";
        for (text, said) in [
            ("{\"op\": \"mkcol\"}", "422 operation 0: mkcol lacks href"),
            (
                &format!("{GOOD}{{\"op\": \"mvoe\"}}"),
                "422 operation 1: unknown operation \"mvoe\" (did you mean \"move\"?)",
            ),
            ("{\"op\": ", "400 line 1, column 7: EOF while parsing a value"),
            (&format!("{GOOD} {{\"op\": }}"), "400 line 2, column 9: expected value"),
            (&format!("{GOOD} x{GOOD}"), "400 line 2, column 2: expected value"),
            ("{\"op\": ]", "400 line 1, column 8: expected value"),
            ("{\"batch\": []}", "422 batch: batch is an object, and the first line only"),
            (
                "{\"batch\": {}} {\"batch\": {}}",
                "422 batch: batch is an object, and the first line only",
            ),
            (
                &format!("{GOOD}{{\"batch\": {{}}}}"),
                "422 batch: batch is an object, and the first line only",
            ),
            ("{\"batch\": {\"mode\": \"now\"}}", "422 batch: unknown mode \"now\""),
            (
                &format!("[{GOOD}]"),
                "422 expected an object, not an array: send that as application/json",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), said, "{text}");
        }
    }

    #[test]
    fn what_takes_the_whole_document_is_refused() {
        for (settings, said) in [
            ("\"mode\": \"atomic\"", "mode \"atomic\""),
            ("\"strict\": true", "strict"),
            ("\"key\": \"k\"", "a key"),
            ("\"dryRun\": true", "a dry run"),
        ] {
            let said = format!("422 batch: NDJSON can't have {said}: send a JSON document");
            assert_eq!(read(&format!("{{\"batch\": {{{settings}}}}}")).unwrap_err(), said);
        }
        assert!(read("{\"batch\": {\"strict\": false, \"dryRun\": false}}").is_ok());
        let first = "{\"op\": \"create\", \"id\": \"a\", \"href\": \"t/\"}";
        for (members, said) in
            [("\"needs\": [\"a\"]", "needs"), ("\"values\": {\"b\": {\"$ref\": \"a\"}}", "$ref")]
        {
            let second = format!("{{\"op\": \"create\", \"href\": \"t/\", {members}}}");
            let said = format!("422 operation 1: NDJSON can't have {said}: send a JSON document");
            assert_eq!(read(&format!("{first}{second}")).unwrap_err(), said);
        }
        assert!(read("{\"op\": \"mkcol\", \"href\": \"a\", \"needs\": []}").is_ok());
    }

    /// To know all ids of a document without end would take memory without end.
    #[test]
    fn ids_are_unique_among_as_many_operations_as_a_document_may_have() {
        let limits = Limits { items_max: 3, ..Limits::default() };
        let ids = |ids: &[&str]| {
            let line = |id| format!("{{\"op\": \"mkcol\", \"href\": \"a\", \"id\": \"{id}\"}}");
            let text: String = ids.iter().map(line).collect();
            read_in(&[&text], &limits).map(|(_, operations)| operations.len())
        };
        assert_eq!(ids(&["a", "b", "c", "a", "b", "c", "d", "e", "f", "g", "d"]), Ok(11));
        let said = "422 operation 9: the id \"b\" is that of operation 7 too".to_owned();
        assert_eq!(ids(&["a", "c", "d", "e", "f", "g", "h", "b", "i", "b"]), Err(said));
    }

    #[test]
    fn limits_of_a_document_are_those_of_an_operation() {
        let limits = Limits {
            document_bytes_max: 70,
            fields_max: 2,
            states_max: 2,
            elements_max: 3,
            path_bytes_max: 4,
            ..Limits::default()
        };
        let create = "{\"op\": \"create\", \"href\": \"a/\", \"values\": {\"a\": 1, \"b\": 1}}";
        let delete = "{\"op\": \"delete\", \"href\": \"a\", \"tokens\": [\"a:b\", \"a:c\"]}";
        let patch = "{\"op\": \"proppatch\", \"href\": \"a\", \"patch\": \"<D:remove/>\"}";
        let text = [create, delete, "{\"op\": \"mkcol\", \"href\": \"abc\"}"].concat().repeat(5);
        assert_eq!(read_in(&[&text], &limits).map(|(_, operations)| operations.len()), Ok(15));
        for (text, said) in [
            (create.replace("}}", ", \"c\": 1}}"), "413 line 1, column 61: there are too many"),
            (delete.replace("\"]", "\", \"a:d\"]"), "413 a batch names at most 2 entity tags"),
            (
                patch.replace("<", "<a/><a/><a/><"),
                "413 operation 0: a batch has at most 3 elements",
            ),
            (delete.replace("\"a\"", "\"abcde\""), "413 the paths of"),
            (
                format!("{{\"op\": \"put\", \"href\": \"a\", \"x\": \"{}", "x".repeat(70)),
                "413 an op",
            ),
        ] {
            let error = read_in(&[&text], &limits).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
