//! The document in XML.

use multistatus::xml::{Error, ErrorKind, Event, Name, Position, Reader, Start};

use super::draft::{Draft, DraftValue, Drafts};
use super::name::{Attribute, Setting, quote, unknown};
use super::{Fault, Format, InvalidBatch, Limits, NAMESPACE, Place, Value, Verb};
use crate::body::{Change, PropertyUpdate, read_changes};
use crate::record::Names;

/// Reads `<batch>`.
pub(super) fn read(body: &[u8], limits: &Limits) -> Result<Drafts, InvalidBatch> {
    let xml = Reader::with_limits(body, limits.xml());
    let mut reader = Document { xml, limits, lax: false, names: Names::default() };
    let root = reader.xml.root()?;
    let place = reader.place();
    reader.lax = root.name.namespace().is_empty();
    if !reader.is_ours(&root.name)? || root.name.local() != "batch" {
        let found = quote(&root.name.to_string());
        return place.refuse(format!("expected batch in the namespace {NAMESPACE}, not {found}"));
    }
    let mut drafts = Drafts::new(Format::Xml, place);
    for (name, value) in reader.own_attributes(&root)? {
        let known = Setting::ALL.map(|(_, name, _)| name);
        let Some(at) = known.iter().position(|known| *known == name) else {
            return drafts.place.refuse(unknown("attribute", name, known));
        };
        drafts.settings[at] = Some(value.to_owned());
    }
    while let Some(child) = reader.child()? {
        if reader.is_ours(&child.name)? {
            drafts.make_room(limits)?;
            drafts.items.push(reader.operation(&child)?);
        } else {
            reader.xml.skip()?;
        }
    }
    reader.xml.finish()?;
    Ok(drafts)
}

impl Limits {
    /// The limits on an XML document, or on XML within a JSON document.
    pub(super) fn xml(&self) -> multistatus::xml::Limits {
        multistatus::xml::Limits {
            bytes: self.document_bytes_max as u64,
            depth: self.depth_max,
            elements: self.elements_max as u64,
            ..Default::default()
        }
    }
}

struct Document<'a> {
    xml: Reader<&'a [u8]>,
    limits: &'a Limits,
    /// Whether the document has no namespace, and is read as if it had ours.
    lax: bool,
    /// The names of the fields.
    names: Names,
}

impl Document<'_> {
    fn place(&self) -> Place {
        place(self.xml.position())
    }

    fn child(&mut self) -> Result<Option<Start>, InvalidBatch> {
        Ok(self.xml.child()?)
    }

    /// Whether a name is one of the batch document, rather than a foreign one to be passed over.
    ///
    /// A name without a namespace, in a document with one, is most likely a slip, and must not make
    /// an operation vanish.
    fn is_ours(&self, name: &Name) -> Result<bool, InvalidBatch> {
        match name.namespace() {
            NAMESPACE => Ok(true),
            "" if self.lax => Ok(true),
            "" => {
                let name = quote(name.local());
                self.place().refuse(format!("{name} is in no namespace, expected {NAMESPACE}"))
            }
            _ => Ok(false),
        }
    }

    /// The attributes that are ours: those without a namespace.
    fn own_attributes<'s>(
        &self,
        start: &'s Start,
    ) -> Result<impl Iterator<Item = (&'s str, &'s str)>, InvalidBatch> {
        let ours = |namespace: &str| namespace == NAMESPACE;
        if let Some(odd) = start.attributes.iter().find(|a| ours(a.name().namespace())) {
            let name = quote(odd.name().local());
            return self
                .place()
                .refuse(format!("the attribute {name} has a prefix, expected none"));
        }
        let own = start.attributes.iter().filter(|a| a.name().namespace().is_empty());
        Ok(own.map(|attribute| (attribute.name().local(), attribute.value())))
    }

    /// Reads the open element, an operation, to its end.
    fn operation(&mut self, start: &Start) -> Result<Draft, InvalidBatch> {
        let place = self.place();
        let verb = Verb::parse(start.name.local()).or_else(|said| place.refuse(said))?;
        let mut draft = Draft::new(place, verb);
        for (name, value) in self.own_attributes(start)? {
            let Some((attribute, ..)) = Attribute::ALL.iter().find(|(_, known, _)| *known == name)
            else {
                let known = Attribute::ALL.map(|(_, name, _)| name);
                return draft.place.refuse(unknown("attribute", name, known));
            };
            draft.attributes[*attribute as usize] = Some(value.to_owned());
        }
        self.names.next_record();
        let mut changes = Vec::new();
        loop {
            match self.xml.read()? {
                Some(Event::Start(child)) => self.member(&mut draft, &mut changes, &child)?,
                Some(Event::Text(text)) => self.text(&mut draft, text)?,
                Some(Event::End) | None => break,
            }
        }
        if !changes.is_empty() {
            draft.patch = Some(PropertyUpdate { changes });
        }
        Ok(draft)
    }

    fn text(&self, draft: &mut Draft, text: String) -> Result<(), InvalidBatch> {
        if draft.verb != Verb::Put {
            if text.trim_ascii().is_empty() {
                return Ok(());
            }
            return self.place().refuse(format!("{} holds no text", draft.verb));
        }
        // What is base64 is measured when it is decoded.
        let most = self.limits.content_bytes_max;
        let encoded = draft.attributes[Attribute::Encoding as usize].is_some();
        if !encoded && draft.content.len() + text.len() > most {
            return draft.place.fail(Fault::TooLarge, format!("a body has at most {most} bytes"));
        }
        if draft.content.is_empty() {
            draft.content = text.into_bytes();
        } else {
            draft.content.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }

    /// Reads an element in an operation to its end.
    fn member(
        &mut self,
        draft: &mut Draft,
        changes: &mut Vec<Change>,
        child: &Start,
    ) -> Result<(), InvalidBatch> {
        if !self.is_ours(&child.name)? {
            match draft.verb {
                Verb::PropPatch => read_changes(&mut self.xml, child, changes)?,
                // To pass it over would store a file without it, and call that a success.
                Verb::Put => {
                    let message = "put holds text: write markup in CDATA or in base64";
                    return self.place().refuse(message);
                }
                _ => self.xml.skip()?,
            }
            return Ok(());
        }
        match (child.name.local(), draft.verb) {
            ("if", _) => self.condition(draft, child),
            ("field", Verb::Create | Verb::Update) => {
                let (name, value) = self.field(child)?;
                let Some(name) = self.names.take(&name) else {
                    return draft.place.refuse(format!("there are two fields {}", quote(&name)));
                };
                draft.values.push((name, value));
                Ok(())
            }
            (name, Verb::Create | Verb::Update) => {
                self.place().refuse(unknown("element", name, ["if", "field"]))
            }
            (name, _) => self.place().refuse(unknown("element", name, ["if"])),
        }
    }

    /// An `If` field, which has too many angle brackets to be pleasant in an attribute.
    fn condition(&mut self, draft: &mut Draft, start: &Start) -> Result<(), InvalidBatch> {
        self.no_attributes(start)?;
        let slot = Attribute::If as usize;
        if draft.attributes[slot].is_some() {
            return self.place().refuse("there are two conditions named if");
        }
        draft.attributes[slot] = Some(self.plain_text()?);
        // White space before the element is layout, and no part of what is put.
        if draft.content.trim_ascii().is_empty() {
            draft.content.clear();
        }
        Ok(())
    }

    fn field(&mut self, start: &Start) -> Result<(String, DraftValue), InvalidBatch> {
        let place = self.place();
        let (mut name, mut null, mut base64) = (None, false, false);
        for (attribute, value) in self.own_attributes(start)? {
            match (attribute, value) {
                ("name", value) => name = Some(value.to_owned()),
                ("null", "true") => null = true,
                ("null", "false") => null = false,
                ("null", _) => return place.refuse("null: expected true or false"),
                ("encoding", "base64") => base64 = true,
                ("encoding", other) => {
                    let message = format!("encoding: expected base64, not {}", quote(other));
                    return place.refuse(message);
                }
                _ => {
                    let known = ["name", "null", "encoding"];
                    return place.refuse(unknown("attribute", attribute, known));
                }
            }
        }
        let Some(name) = name else { return place.refuse("field lacks name") };
        let (text, reference) = self.field_content()?;
        let is_blank = text.trim_ascii().is_empty();
        let value = match (reference, null, base64) {
            (None, false, false) => DraftValue::Ready(Value::Text(text.into())),
            (None, false, true) => DraftValue::Base64(text),
            (Some(id), false, false) if is_blank => DraftValue::Ref(id),
            (None, true, false) if is_blank => DraftValue::Ready(Value::Null),
            _ => return place.refuse("a field holds a text, a ref or null=\"true\", one of them"),
        };
        Ok((name, value))
    }

    /// Reads a field to its end: its text, and the operation that a `<ref item="…"/>` names.
    fn field_content(&mut self) -> Result<(String, Option<String>), InvalidBatch> {
        let (mut text, mut reference) = (String::new(), None);
        loop {
            match self.xml.read()? {
                Some(Event::Text(more)) => text.push_str(&more),
                Some(Event::Start(child)) if !self.is_ours(&child.name)? => self.xml.skip()?,
                Some(Event::Start(child)) if child.name.local() == "ref" && reference.is_none() => {
                    let place = self.place();
                    for (name, value) in self.own_attributes(&child)? {
                        match name {
                            "item" => reference = Some(value.to_owned()),
                            _ => return place.refuse(unknown("attribute", name, ["item"])),
                        }
                    }
                    if reference.is_none() {
                        return place.refuse("ref lacks item");
                    }
                    if !self.plain_text()?.trim_ascii().is_empty() {
                        return place.refuse("ref holds no text");
                    }
                }
                Some(Event::Start(child)) => {
                    let name = child.name.local();
                    return self.place().refuse(unknown("or second element", name, ["ref"]));
                }
                Some(Event::End) | None => return Ok((text, reference)),
            }
        }
    }

    /// Reads an element that holds text only, apart from foreign elements.
    fn plain_text(&mut self) -> Result<String, InvalidBatch> {
        let mut all = String::new();
        loop {
            match self.xml.read()? {
                Some(Event::Text(text)) => all.push_str(&text),
                Some(Event::Start(child)) if !self.is_ours(&child.name)? => self.xml.skip()?,
                Some(Event::Start(child)) => {
                    return self.place().refuse(unknown("element", child.name.local(), []));
                }
                Some(Event::End) | None => return Ok(all),
            }
        }
    }

    fn no_attributes(&self, start: &Start) -> Result<(), InvalidBatch> {
        match self.own_attributes(start)?.next() {
            Some((name, _)) => self.place().refuse(unknown("attribute", name, [])),
            None => Ok(()),
        }
    }
}

fn place(position: Position) -> Place {
    Place::Line { line: position.line, column: position.column }
}

impl From<Error> for InvalidBatch {
    fn from(error: Error) -> Self {
        let fault = match error.kind() {
            ErrorKind::Limit(_) => Fault::TooLarge,
            ErrorKind::Unexpected => Fault::Unprocessable,
            _ => Fault::Malformed,
        };
        let mut message = format!("expected {}", error.expected());
        // `curl -d` strips line breaks, and what only they kept apart then sticks together.
        if matches!(error.expected(), "white space before the attribute" | "a qualified XML name") {
            message.push_str(
                "; attributes that only a line break separated are glued together by curl's -d: \
                 send the file with --data-binary",
            );
        }
        Self { fault, place: place(error.position()), message }
    }
}

#[cfg(test)]
mod tests {
    use crate::batch::{BatchRequest, Fault, Format, Kind, Limits, Value};
    use crate::reference::Path;

    fn parse(body: &str) -> Result<BatchRequest, String> {
        let limits = Limits { depth_max: 8, content_bytes_max: 20, ..Limits::default() };
        BatchRequest::parse(Format::Xml, body.as_bytes(), &Path::root(), &limits).map_err(|error| {
            let status = match error.fault {
                Fault::Malformed => 400,
                Fault::TooLarge => 413,
                Fault::Unprocessable => 422,
            };
            format!("{status} {error}")
        })
    }

    /// What is wrong with a batch of these operations.
    fn operations(children: &str) -> String {
        let body =
            format!("<batch xmlns='urn:polydav:batch:1' xmlns:D='DAV:'>\n{children}</batch>");
        parse(&body).unwrap_err()
    }

    /// The body of a put, written so.
    fn put(element: &str) -> Vec<u8> {
        let batch = parse(&format!("<batch>{element}</batch>")).unwrap();
        match batch.operations.into_iter().next().unwrap().action.unwrap().kind {
            Kind::Put { content, .. } => content,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn documents_of_bad_structure() {
        for (body, said) in [
            ("", "400 line 1, column 1: expected a root element"),
            ("<batch>", "400 line 1, column 8: expected the end tag of the open element"),
            (
                "<!DOCTYPE batch><batch/>",
                "400 line 1, column 1: expected a document without DOCTYPE",
            ),
            (
                "<Batch/>",
                "422 line 1, column 1: expected batch in the namespace urn:polydav:batch:1, not \"Batch\"",
            ),
            (
                "<batch xmlns='DAV:'/>",
                "422 line 1, column 1: expected batch in the namespace urn:polydav:batch:1, not \"{DAV:}batch\"",
            ),
            (
                "<batch moed='stop'/>",
                "422 line 1, column 1: unknown attribute \"moed\" (did you mean \"mode\"?)",
            ),
            (
                "<batch dryrun='true'/>",
                "422 line 1, column 1: unknown attribute \"dryrun\" (did you mean \"dry-run\"?)",
            ),
            (
                "<batch strict='yes'/>",
                "422 line 1, column 1: strict: expected true or false, not \"yes\"",
            ),
            ("<batch>text</batch>", "422 line 1, column 12: expected elements, not text"),
            (
                "<b:batch xmlns:b='urn:polydav:batch:1'><put href='a'/></b:batch>",
                "422 line 1, column 40: \"put\" is in no namespace, expected urn:polydav:batch:1",
            ),
        ] {
            assert_eq!(parse(body).unwrap_err(), said, "{body}");
        }
        assert!(parse(&"<batch>".repeat(9)).unwrap_err().contains("a batch can't be part"));
        let deep = format!("<batch>{}", "<x xmlns='urn:x'>".repeat(9));
        assert!(parse(&deep).unwrap_err().starts_with("413"));
    }

    #[test]
    fn operations_of_bad_structure() {
        for (children, said) in [
            ("<mvoe/>", "unknown operation \"mvoe\" (did you mean \"move\"?)"),
            ("<unlock href='a'/>", "unlock is no batch operation: send a request for it"),
            ("<delete/>", "delete lacks href"),
            ("<copy href='a'/>", "copy lacks dest"),
            ("<mkcol href='a' overwrite='T'/>", "mkcol has no overwrite"),
            (
                "<put href='a' if-macth='b'/>",
                "unknown attribute \"if-macth\" (did you mean \"if-match\"?)",
            ),
            ("<put href='a' encoding='gzip'/>", "encoding: expected base64, not \"gzip\""),
            (
                "<p:put xmlns:p='urn:polydav:batch:1' p:href='a'/>",
                "the attribute \"href\" has a prefix, expected none",
            ),
            ("<delete href='a'>text</delete>", "delete holds no text"),
            ("<proppatch href='a'/>", "proppatch lacks properties to set or remove"),
            (
                "<proppatch href='a'><D:sett/></proppatch>",
                "proppatch lacks properties to set or remove",
            ),
            (
                "<update href='a'><filed name='b'/></update>",
                "unknown element \"filed\" (did you mean \"field\"?)",
            ),
            ("<put href='a'><field name='b'/></put>", "unknown element \"field\""),
            ("<update href='a'><field/></update>", "field lacks name"),
            (
                "<update href='a'><field name='b' nul='true'/></update>",
                "unknown attribute \"nul\" (did you mean \"null\"?)",
            ),
            (
                "<update href='a'><field name='b' null='true'>c</field></update>",
                "a field holds a text, a ref or null=\"true\", one of them",
            ),
            (
                "<update href='a'><field name='b' encoding='hex'>00</field></update>",
                "encoding: expected base64, not \"hex\"",
            ),
            (
                "<update href='a'><field name='b' encoding='base64' null='true'/></update>",
                "a field holds a text, a ref or null=\"true\", one of them",
            ),
            (
                "<update href='a'><field name='b'>c<ref item='d'/></field></update>",
                "a field holds a text, a ref or null=\"true\", one of them",
            ),
            (
                "<update href='a'><field name='b'/><field name='b'/></update>",
                "there are two fields \"b\"",
            ),
            ("<update href='a'><field name='b'><ref/></field></update>", "ref lacks item"),
            (
                "<update href='a'><field name='b'><ref item='c'/></field></update>",
                "ref: no operation before this one has the id \"c\"",
            ),
            (
                "<delete href='a' needs='b'/><mkcol href='c' id='b'/>",
                "needs: no operation before this one has the id \"b\"",
            ),
            (
                "<delete href='a'><if>(&lt;urn:a>)</if><if>(&lt;urn:a>)</if></delete>",
                "there are two conditions named if",
            ),
            ("<delete href='a'><if not='b'/></delete>", "unknown attribute \"not\""),
        ] {
            let told = operations(children);
            let (place, message) = told.split_once(": ").unwrap();
            assert!(place.starts_with("422 line 2, column "), "{told}");
            assert_eq!(message, said, "{children}");
        }
    }

    #[test]
    fn foreign_names_are_passed_over() {
        let batch = parse(
            "<b:batch xmlns:b='urn:polydav:batch:1' xmlns:x='urn:x' xml:lang='en' x:a='b'>\
             <x:move>text</x:move><b:delete x:href='b' href='a'><x:c/></b:delete></b:batch>",
        );
        let operations = batch.unwrap().operations;
        assert_eq!(operations.len(), 1);
        assert_eq!(operations[0].href, "a");
    }

    #[test]
    fn bodies_of_put() {
        for (element, content) in [
            ("<put href='a'/>", &b""[..]),
            ("<put href='a'> a\n&amp;<![CDATA[<b>]]></put>", b" a\n&<b>"),
            ("<put href='a' encoding='base64'>AA\n EC</put>", b"\0\x01\x02"),
            ("<put href='a' encoding='base64'>AA==</put>", b"\0"),
            ("<put href='a' encoding='base64'>AA</put>", b"\0"),
            ("<put href='a'>\n <if>(&lt;urn:a>)</if>b</put>", b"b"),
        ] {
            assert_eq!(put(element), content, "{element}");
        }
        let batch = parse("<batch><put href='a' encoding='base64'>?</put></batch>").unwrap();
        let error = batch.operations[0].action.as_ref().unwrap_err();
        assert!(error.to_string().starts_with("encoding: expected base64"), "{error}");
    }

    #[test]
    fn fields_of_records() {
        let fields = |fields: &str| {
            let batch = parse(&format!("<batch><update href='a'>{fields}</update></batch>"));
            let action = batch.unwrap().operations.into_iter().next().unwrap().action;
            action.map(|action| match action.kind {
                Kind::Update(fields) => fields.into_iter().map(|field| field.value).collect(),
                other => panic!("{other:?}"),
            })
        };
        let text = |text: &str| Value::Text(text.into());
        for (element, value) in [
            ("<field name='b'/>", text("")),
            ("<field name='b'> c\n&amp;</field>", text(" c\n&")),
            ("<field name='b' null='false'>c</field>", text("c")),
            ("<field name='b' null='true'/>", Value::Null),
            ("<field name='b' encoding='base64'/>", Value::Bytes(vec![])),
            ("<field name='b' encoding='base64'>AA\n EC</field>", Value::Bytes(vec![0, 1, 2])),
        ] {
            assert_eq!(fields(element), Ok(vec![value]), "{element}");
        }
        let wrong = "<field name='b' encoding='base64'>?</field><field name='c'>d</field>";
        let error = fields(wrong).unwrap_err();
        assert!(error.to_string().starts_with("encoding: column b: expected base64"), "{error}");
    }

    #[test]
    fn bodies_are_bounded() {
        assert_eq!(put(&format!("<put href='a'>{}</put>", "a".repeat(20))).len(), 20);
        for long in [
            format!("<put href='a'>{}</put>", "a".repeat(21)),
            format!("<put href='a' encoding='base64'>{}</put>", "AAAA".repeat(7)),
        ] {
            assert!(operations(&long).starts_with("413 line 2, column 1: a body has at most 20"));
        }
    }

    #[test]
    fn what_curl_d_glued_together_is_recognised() {
        for file in [
            "<batch><copy\nhref='/a'\ndest='/b'/></batch>",
            "<batch><copy href='/a'\ndest='/b'/></batch>",
            "<batch\nmode='stop'><copy href='/a' dest='/b'/></batch>",
        ] {
            assert!(parse(file).is_ok());
            let error = parse(&file.replace('\n', "")).unwrap_err();
            assert!(error.starts_with("400") && error.contains("--data-binary"), "{error}");
        }
    }
}
