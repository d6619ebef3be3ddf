//! Bytes to events.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::events::Event as Token;

use super::attribute::{Attribute, Literals};
use super::char::{find_forbidden, is_blank, is_ncname, split_qname};
use super::element::{Element, Prefixes};
use super::error::{Error, ErrorKind, Limit, Position};
use super::name::Name;
use super::reference::{normalize, push_text, resolve};
use super::scope::{Scope, check_declaration};
use super::source::{Encoding, Refusal, Source};
use super::str::Str;

/// How much a document may ask for. Each bound is enforced while reading, before memory is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document (as UTF-8). What its [`Element`]s inherit from around them, and then bear
    /// each by itself, may be as many again. Default: 16 MiB.
    pub bytes: u64,
    /// Elements open at once, at most [`Limits::MAX_DEPTH`]. Default: 64.
    pub depth: usize,
    /// Elements in all; this bounds what [`Element`]s can take. Default: 500,000.
    pub elements: u64,
    /// Attributes of one element, namespace declarations included. Default: 64.
    pub attributes: usize,
    /// Namespace bindings in scope at once. Default: 64.
    pub namespaces: usize,
    /// Bytes of a name or a namespace. Default: 1 KiB.
    pub name: usize,
}

impl Limits {
    /// [`Limits::depth`] is never taken as more than this: an [`Element`] is dropped, cloned,
    /// compared and written recursively.
    pub const MAX_DEPTH: usize = 512;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 * 1024 * 1024,
            depth: 64,
            elements: 500_000,
            attributes: 64,
            namespaces: 64,
            name: 1024,
        }
    }
}

/// What a [`Reader`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A start tag, or an empty-element tag, which an [`Event::End`] follows.
    Start(Start),
    /// Character data, as much as there is between two tags: CDATA included, comments cut out.
    /// Never empty.
    Text(String),
    /// The end of the element that is open.
    End,
}

/// A start tag.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its expanded name.
    pub name: Name,
    /// Its attributes; namespace declarations are none.
    pub attributes: Vec<Attribute>,
    prefix: Str,
    declarations: Vec<(Str, Str)>,
}

impl Start {
    /// The prefix it is written with; empty for none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &Name) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == *name).map(Attribute::value)
    }

    /// The namespaces it declares, by prefix; the empty prefix is the default namespace.
    pub fn declarations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declarations.iter().map(|(prefix, namespace)| (&**prefix, &**namespace))
    }
}

/// By name and attributes, as [`Element`] is.
impl PartialEq for Start {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.attributes == other.attributes
    }
}

impl Eq for Start {}

/// Reads a document, event by event, from anything that is [`BufRead`]; `&[u8]` is.
///
/// What follows after the first error is unspecified, but is never a success: each further call
/// fails too.
///
/// Memory is bounded by the longest token, which is bounded by [`Limits::bytes`].
pub struct Reader<R> {
    tokens: quick_xml::Reader<Source<R>>,
    limits: Limits,
    scope: Scope,
    /// Elements whose start was delivered and whose end was not.
    depth: usize,
    elements: u64,
    /// How many bytes elements have inherited.
    inherited: u64,
    progress: Progress,
    failed: bool,
    /// Where the current token begins.
    at: Position,
    buffer: Vec<u8>,
    /// Character data collected so far.
    text: String,
    /// The token that ended the character data.
    pending: Option<Tag>,
    /// Name and attributes of a pending start tag, as they stand in the document.
    tag_name: String,
    tag_attributes: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing was read yet; only here an XML declaration may stand.
    Begin,
    Prolog,
    Root,
    Epilog,
}

/// A tag that was cut out of the input, but not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Start,
    Empty,
    End,
    Eof,
}

/// What [`Reader::advance`] came to. Text is left in `Reader::text`.
enum Step {
    Start(Start),
    Text,
    End,
    Eof,
}

impl<R: BufRead> Reader<R> {
    /// Reads a document within the default [`Limits`].
    pub fn new(source: R) -> Self {
        Self::with_limits(source, Limits::default())
    }

    /// Reads a document within these limits.
    pub fn with_limits(source: R, limits: Limits) -> Self {
        let mut tokens = quick_xml::Reader::from_reader(Source::new(source, limits.bytes));
        tokens.config_mut().check_comments = true;
        let limits = Limits { depth: limits.depth.min(Limits::MAX_DEPTH), ..limits };
        Self {
            at: tokens.get_ref().position(),
            tokens,
            limits,
            scope: Scope::default(),
            depth: 0,
            elements: 0,
            inherited: 0,
            progress: Progress::Begin,
            failed: false,
            buffer: Vec::new(),
            text: String::new(),
            pending: None,
            tag_name: String::new(),
            tag_attributes: String::new(),
        }
    }

    /// The next event; `None` after the root element and all that may follow it.
    ///
    /// # Errors
    /// If the document is not well-formed, or a limit is passed, or the source fails.
    pub fn read(&mut self) -> Result<Option<Event>, Error> {
        Ok(match self.advance()? {
            Step::Start(start) => Some(Event::Start(start)),
            Step::Text => Some(Event::Text(std::mem::take(&mut self.text))),
            Step::End => Some(Event::End),
            Step::Eof => None,
        })
    }

    /// The root element, as first call.
    ///
    /// # Errors
    /// If the document can't be read up to there.
    pub fn root(&mut self) -> Result<Start, Error> {
        match self.advance()? {
            Step::Start(start) if self.depth == 1 => Ok(start),
            _ => Err(self.error("the root element")),
        }
    }

    /// The next child of the open element, or `None` once that has ended.
    ///
    /// White space is passed over. The child is open then: [`Reader::child`], [`Reader::text`],
    /// [`Reader::element`] or [`Reader::skip`] read on to its end.
    ///
    /// # Errors
    /// If there is other text, or what [`Reader::read`] fails for.
    pub fn child(&mut self) -> Result<Option<Start>, Error> {
        loop {
            match self.advance()? {
                Step::Start(start) => return Ok(Some(start)),
                Step::End => return Ok(None),
                Step::Text if is_blank(&self.text) => {}
                Step::Text => return Err(self.error("elements, not text")),
                Step::Eof => return Err(self.error("an open element")),
            }
        }
    }

    /// The text of the open element, read to its end. Elements in it are passed over, as RFC 4918
    /// §17 wants it.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn text(&mut self) -> Result<String, Error> {
        let mut all = String::new();
        loop {
            match self.advance()? {
                Step::Text if all.is_empty() => all = std::mem::take(&mut self.text),
                Step::Text => all.push_str(&self.text),
                Step::Start(_) => self.skip()?,
                Step::End => return Ok(all),
                Step::Eof => return Err(self.error("an open element")),
            }
        }
    }

    /// Passes over what is left of the open element, to its end.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn skip(&mut self) -> Result<(), Error> {
        let outside = self.depth.saturating_sub(1);
        loop {
            match self.advance()? {
                Step::End if self.depth == outside => return Ok(()),
                Step::Eof => return Err(self.error("an open element")),
                Step::Start(_) | Step::Text | Step::End => {}
            }
        }
    }

    /// Keeps the open element whole, to its end. `start` is how it began.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn element(&mut self, start: Start) -> Result<Element, Error> {
        let mut used = Prefixes::default();
        let mut top = self.begin(start, &mut used);
        let mut open: Vec<Element> = Vec::new(); // ancestors of `top`, outermost first
        loop {
            match self.advance()? {
                Step::Start(start) => {
                    let child = self.begin(start, &mut used);
                    open.push(std::mem::replace(&mut top, child));
                }
                Step::Text => {
                    used.add_mentioned(&self.text, &self.scope);
                    top.push_text(&self.text);
                }
                Step::End => match open.pop() {
                    Some(parent) => {
                        let child = std::mem::replace(&mut top, parent);
                        top.push(child);
                    }
                    None => break,
                },
                Step::Eof => return Err(self.error("an open element")),
            }
        }
        self.inherited += top.inherit(&self.scope, used) as u64;
        if self.inherited > self.limits.bytes {
            let most = self.limits.bytes;
            return Err(self.over(Limit::Bytes, most, "bytes that elements inherit"));
        }
        Ok(top)
    }

    fn begin(&self, start: Start, used: &mut Prefixes) -> Element {
        used.add(&start.prefix);
        for attribute in &start.attributes {
            used.add(&attribute.prefix);
            used.add_mentioned(&attribute.value, &self.scope);
        }
        Element::from_parts(start.name, start.prefix, start.declarations, start.attributes)
    }

    /// Reads what follows the root element, and makes sure that it is nothing.
    ///
    /// # Errors
    /// If something does, or the root element has not ended.
    pub fn finish(&mut self) -> Result<(), Error> {
        match self.advance()? {
            Step::Eof => Ok(()),
            _ => Err(self.error("nothing after the root element")),
        }
    }

    /// Where the last token begins.
    pub fn position(&self) -> Position {
        self.at
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The `xml:lang` in scope.
    pub fn lang(&self) -> Option<&str> {
        self.scope.lang().map(|lang| &**lang)
    }

    /// What a prefix is bound to; the empty prefix is the default namespace, which may be none.
    pub fn namespace(&self, prefix: &str) -> Option<&str> {
        self.scope.resolve(prefix).map(|namespace| &**namespace)
    }

    /// Lets [`Limits::bytes`] and [`Limits::elements`] count from here again, for a long document
    /// that is handled part by part.
    pub fn renew(&mut self) {
        self.elements = 0;
        self.inherited = 0;
        self.tokens.get_mut().budget = self.limits.bytes;
    }

    /// An error of the kind [`ErrorKind::Unexpected`], at the last token.
    pub fn error(&self, expected: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Unexpected, self.at, expected)
    }

    fn refuse(&self, kind: ErrorKind, expected: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, self.at, expected)
    }

    fn over(&self, limit: Limit, count: u64, what: &str) -> Error {
        self.refuse(ErrorKind::Limit(limit), format!("at most {count} {what}"))
    }

    /// Lets every further call fail.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    fn advance(&mut self) -> Result<Step, Error> {
        if self.failed {
            return Err(self.refuse(ErrorKind::Syntax, "no further reading after an error"));
        }
        let step = self.try_advance();
        self.failed = step.is_err();
        step
    }

    fn try_advance(&mut self) -> Result<Step, Error> {
        let tag = match self.pending.take() {
            Some(tag) => tag,
            None => {
                self.text.clear();
                let tag = self.collect()?;
                if !self.text.is_empty() && self.progress == Progress::Root {
                    self.pending = Some(tag);
                    return Ok(Step::Text);
                }
                tag
            }
        };
        match tag {
            Tag::Start => self.open(false).map(Step::Start),
            Tag::Empty => self.open(true).map(Step::Start),
            Tag::End => {
                self.scope.pop();
                self.depth -= 1;
                if self.depth == 0 {
                    self.progress = Progress::Epilog;
                }
                Ok(Step::End)
            }
            Tag::Eof if self.progress == Progress::Epilog => Ok(Step::Eof),
            Tag::Eof if self.depth > 0 => {
                Err(self.refuse(ErrorKind::Truncated, "the end tag of the open element"))
            }
            Tag::Eof => Err(self.refuse(ErrorKind::Truncated, "a root element")),
        }
    }

    /// Cuts tokens off the input up to the next tag, and gathers the text before it.
    fn collect(&mut self) -> Result<Tag, Error> {
        loop {
            self.buffer.clear();
            self.at = self.tokens.get_ref().position();
            let token = match self.tokens.read_event_into(&mut self.buffer) {
                Ok(token) => token,
                Err(error) => return Err(self.token_error(error)),
            };
            let first = self.progress == Progress::Begin;
            if first {
                self.progress = Progress::Prolog;
            }
            let taken = take(
                token,
                TokenContext {
                    first,
                    in_root: self.progress == Progress::Root,
                    encoding: self.tokens.get_ref().encoding(),
                },
                &mut self.text,
                (&mut self.tag_name, &mut self.tag_attributes),
            );
            match taken {
                Ok(Some(tag)) => return Ok(tag),
                Ok(None) => {}
                Err((kind, expected)) => return Err(self.refuse(kind, expected)),
            }
        }
    }

    fn token_error(&self, error: quick_xml::Error) -> Error {
        match self.tokens.get_ref().refusal {
            Some(Refusal::OverBudget) => {
                return self.over(Limit::Bytes, self.limits.bytes, "bytes");
            }
            Some(Refusal::UnknownEncoding) => {
                return self.refuse(ErrorKind::Encoding, "UTF-8 or UTF-16");
            }
            Some(Refusal::InvalidUtf16) => {
                return self.refuse(ErrorKind::Encoding, "valid UTF-16");
            }
            None => {}
        }
        match error {
            quick_xml::Error::Io(error) => {
                Error::io(self.at, std::io::Error::new(error.kind(), error))
            }
            quick_xml::Error::Encoding(_) => self.refuse(ErrorKind::Encoding, "valid UTF-8"),
            quick_xml::Error::Syntax(error) => {
                self.refuse(ErrorKind::Truncated, format!("the end of the markup ({error})"))
            }
            other => self.refuse(ErrorKind::Syntax, format!("well-formed XML ({other})")),
        }
    }

    /// Opens the element whose tag is in `tag_name` and `tag_attributes`.
    fn open(&mut self, empty: bool) -> Result<Start, Error> {
        match self.progress {
            Progress::Epilog => {
                return Err(self.refuse(ErrorKind::Syntax, "nothing after the root element"));
            }
            _ => self.progress = Progress::Root,
        }
        if self.depth >= self.limits.depth {
            return Err(self.over(Limit::Depth, self.limits.depth as u64, "open elements"));
        }
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(self.over(Limit::Elements, self.limits.elements, "elements"));
        }
        self.scope.push();
        self.depth += 1;
        let start = self.resolve_tag()?;
        if let Some(lang) = start.attributes.iter().find(|a| a.name.is_lang()) {
            self.scope.set_lang(Str::from(lang.value.as_str()));
        }
        if empty {
            self.pending = Some(Tag::End);
            self.text.clear();
        }
        Ok(start)
    }

    /// Turns qualified names into expanded ones, declarations first.
    fn resolve_tag(&mut self) -> Result<Start, Error> {
        let mut declared = Vec::new();
        let mut plain = Vec::new();
        for (at, literal) in Literals(&self.tag_attributes).enumerate() {
            let (qname, literal) = literal.map_err(|expected| self.syntax(expected))?;
            if at >= self.limits.attributes {
                let limit = self.limits.attributes as u64;
                return Err(self.over(Limit::Attributes, limit, "attributes of an element"));
            }
            let (prefix, local) = self.split(qname)?;
            let value = normalize(literal).map_err(|reference| self.reference(reference))?;
            match prefix {
                "" if local == "xmlns" => declared.push((Str::EMPTY, self.bindable("", &value)?)),
                "xmlns" => declared.push((Str::from(local), self.bindable(local, &value)?)),
                _ => plain.push((prefix, local, value.into_owned())),
            }
        }
        for (at, (prefix, namespace)) in declared.iter().enumerate() {
            if declared[..at].iter().any(|(before, _)| before == prefix) {
                return Err(self.syntax("each attribute once"));
            }
            self.scope.declare(prefix.clone(), namespace.clone());
        }
        if self.scope.len() > self.limits.namespaces {
            let limit = self.limits.namespaces as u64;
            return Err(self.over(Limit::Namespaces, limit, "namespace bindings in scope"));
        }
        let mut attributes: Vec<Attribute> = Vec::with_capacity(plain.len());
        for (prefix, local, value) in plain {
            let (name, prefix) = self.expand(prefix, local, Str::EMPTY)?;
            if attributes.iter().any(|before| before.name == name) {
                return Err(self.syntax("each attribute once"));
            }
            attributes.push(Attribute { name, prefix, value });
        }
        let (prefix, local) = self.split(&self.tag_name)?;
        let default = self.scope.resolve("").cloned().unwrap_or(Str::EMPTY);
        let (name, prefix) = self.expand(prefix, local, default)?;
        Ok(Start { name, attributes, prefix, declarations: declared })
    }

    fn split<'a>(&self, qname: &'a str) -> Result<(&'a str, &'a str), Error> {
        if qname.len() > self.limits.name {
            return Err(self.over(Limit::Name, self.limits.name as u64, "bytes of a name"));
        }
        split_qname(qname).ok_or_else(|| self.syntax("a qualified XML name"))
    }

    fn bindable(&self, prefix: &str, namespace: &str) -> Result<Str, Error> {
        check_declaration(prefix, namespace)
            .map_err(|expected| self.refuse(ErrorKind::Namespace, expected))?;
        if namespace.len() > self.limits.name {
            return Err(self.over(Limit::Name, self.limits.name as u64, "bytes of a namespace"));
        }
        Ok(Str::from(namespace))
    }

    fn expand(&self, prefix: &str, local: &str, unprefixed: Str) -> Result<(Name, Str), Error> {
        if prefix.is_empty() {
            return Ok((Name::from_parts(unprefixed, Str::local(local)), Str::EMPTY));
        }
        let Some((prefix, namespace)) = self.scope.lookup(prefix) else {
            let shown: String = prefix.chars().take(40).collect();
            let expected = format!("the prefix `{shown}` to be declared");
            return Err(self.refuse(ErrorKind::Namespace, expected));
        };
        Ok((Name::from_parts(namespace, Str::local(local)), prefix))
    }

    fn syntax(&self, expected: &'static str) -> Error {
        self.refuse(ErrorKind::Syntax, expected)
    }

    fn reference(&self, reference: &str) -> Error {
        let (kind, expected) = bad_reference(reference);
        self.refuse(kind, expected)
    }
}

#[derive(Clone, Copy)]
struct TokenContext {
    first: bool,
    in_root: bool,
    encoding: Encoding,
}

type Refused = (ErrorKind, Cow<'static, str>);

/// Looks at one token: text is appended, a tag is stored and told, all else is checked and dropped.
fn take(
    token: Token<'_>,
    context: TokenContext,
    text: &mut String,
    (tag_name, tag_attributes): (&mut String, &mut String),
) -> Result<Option<Tag>, Refused> {
    let mut store = |start: &quick_xml::events::BytesStart<'_>| {
        tag_name.clear();
        tag_name.push_str(start.name().0);
        tag_attributes.clear();
        tag_attributes.push_str(start.attributes_raw());
        allowed(start)
    };
    match token {
        Token::Start(start) => store(&start).map(|()| Some(Tag::Start)),
        Token::Empty(start) => store(&start).map(|()| Some(Tag::Empty)),
        Token::End(_) => Ok(Some(Tag::End)),
        Token::Eof => Ok(Some(Tag::Eof)),
        Token::Text(literal) if context.in_root => {
            allowed(&literal)?;
            if literal.contains("]]>") {
                return Err((ErrorKind::Syntax, "`]]&gt;` in text instead of `]]>`".into()));
            }
            push_text(text, &literal);
            Ok(None)
        }
        Token::CData(literal) if context.in_root => {
            allowed(&literal)?;
            push_text(text, &literal);
            Ok(None)
        }
        Token::GeneralRef(reference) if context.in_root => {
            text.push(resolve(&reference).ok_or_else(|| bad_reference(&reference))?);
            Ok(None)
        }
        Token::Text(literal) if is_blank(&literal) => Ok(None),
        Token::Text(_) | Token::CData(_) | Token::GeneralRef(_) => {
            Err((ErrorKind::Syntax, "no text outside of the root element".into()))
        }
        Token::Comment(comment) if comment.ends_with('-') => {
            Err((ErrorKind::Syntax, "a comment without `--`".into()))
        }
        Token::Comment(comment) => allowed(&comment).map(|()| None),
        Token::PI(instruction) => {
            allowed(&instruction)?;
            let target = instruction.target();
            if target.eq_ignore_ascii_case("xml") || !is_ncname(target) {
                return Err((ErrorKind::Syntax, "the target of a processing instruction".into()));
            }
            Ok(None)
        }
        Token::Decl(declaration) => {
            if !context.first {
                return Err((ErrorKind::Syntax, "the XML declaration at the very start".into()));
            }
            check_xml_declaration(&declaration, context.encoding).map(|()| None)
        }
        Token::DocType(_) => Err((ErrorKind::Doctype, "a document without DOCTYPE".into())),
    }
}

/// XML 1.0 §2.2: some characters can stand nowhere.
fn allowed(text: &str) -> Result<(), Refused> {
    match find_forbidden(text) {
        None => Ok(()),
        Some((_, c)) => {
            let expected = format!("only characters that XML allows, not U+{:04X}", u32::from(c));
            Err((ErrorKind::Syntax, expected.into()))
        }
    }
}

fn bad_reference(reference: &str) -> Refused {
    if reference.starts_with('#') {
        (ErrorKind::Syntax, "a reference to a character that XML allows".into())
    } else if is_ncname(reference) {
        (ErrorKind::Doctype, "one of the five predefined entities".into())
    } else {
        (ErrorKind::Syntax, "`&amp;` instead of `&`".into())
    }
}

/// XML 1.0 §2.8 and §4.3.3.
fn check_xml_declaration(declaration: &str, encoding: Encoding) -> Result<(), Refused> {
    let syntax = |expected: &'static str| (ErrorKind::Syntax, Cow::Borrowed(expected));
    let parts: Vec<_> = Literals(declaration.strip_prefix("xml").unwrap_or(declaration))
        .take(4)
        .collect::<Result<_, _>>()
        .map_err(syntax)?;
    let mut parts = parts.into_iter().peekable();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts.next() {
        Some(("version", version)) if version.strip_prefix("1.").is_some_and(digits) => {}
        _ => return Err(syntax("`version=\"1.0\"` in the XML declaration")),
    }
    if let Some((_, declared)) = parts.next_if(|(name, _)| *name == "encoding") {
        let fits = match encoding {
            Encoding::Utf8 => &["utf-8"][..],
            Encoding::Utf16Le => &["utf-16", "utf-16le"],
            Encoding::Utf16Be => &["utf-16", "utf-16be"],
        };
        if !fits.iter().any(|name| declared.eq_ignore_ascii_case(name)) {
            let expected = "the encoding declared to be the one used, UTF-8 or UTF-16";
            return Err((ErrorKind::Encoding, expected.into()));
        }
    }
    parts.next_if(|&(name, value)| name == "standalone" && matches!(value, "yes" | "no"));
    match parts.next() {
        None => Ok(()),
        Some(_) => Err(syntax("the end of the XML declaration")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8], limits: Limits) -> Result<Vec<Event>, Error> {
        let mut reader = Reader::with_limits(bytes, limits);
        let mut events = Vec::new();
        while let Some(event) = reader.read()? {
            events.push(event);
        }
        Ok(events)
    }

    fn kind(document: impl AsRef<[u8]>) -> ErrorKind {
        let document = document.as_ref();
        match read_all(document, Limits::default()) {
            Ok(events) => panic!("{:?} gave {events:?}", String::from_utf8_lossy(document)),
            Err(error) => error.kind(),
        }
    }

    fn text(document: impl AsRef<[u8]>) -> String {
        let mut reader = Reader::new(document.as_ref());
        reader.root().unwrap();
        let text = reader.text().unwrap();
        reader.finish().unwrap();
        text
    }

    #[test]
    fn ill_formed_documents() {
        let cases = [
            "<a></b>",
            "<a></a></a>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a/><![CDATA[]]>",
            "&lt;<a/>",
            "<a/>&#32;",
            "<a>]]></a>",
            "<a>&</a>",
            "<a>& b;</a>",
            "<a>&#0;</a>",
            "<a>&#xFFFE;</a>",
            "<a>\u{1}</a>",
            "<a>\u{FFFF}</a>",
            "<a b='\u{8}'/>",
            "<a b='1' b='2'/>",
            "<a b='<'/>",
            "<a b=1/>",
            "<a b/>",
            "<a b='1'c='2'/>",
            "<a b='&c'/>",
            "< a/>",
            "<1/>",
            "<a:b:c xmlns:a='u'/>",
            "<:a/>",
            "</a>",
            "<a / >",
            "<a><!-- -- --></a>",
            "<a><!-- a ---></a>",
            "<a><?xml version='1.0'?></a>",
            "<a><?XML a?></a>",
            " <?xml version='1.0'?><a/>",
            "<?xml?><a/>",
            "<?xml version='2.0'?><a/>",
            "<?xml version='1.0' encoding='utf-8' x='y'?><a/>",
            "<?xml encoding='utf-8' version='1.0'?><a/>",
            "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
            "<a xmlns:x='u' xmlns:x='v'/>",
        ];
        for case in cases {
            assert_eq!(kind(case), ErrorKind::Syntax, "{case:?}");
        }
    }

    #[test]
    fn namespace_rules() {
        let cases = [
            "<x:a/>",
            "<a x:b=''/>",
            "<a xmlns:x=''/>",
            "<a xmlns:xml='u'/>",
            "<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>",
            "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
            "<a xmlns:xmlns='u'/>",
            "<a xmlns:x='http://www.w3.org/2000/xmlns/'/>",
            "<xmlns:a/>",
            "<a><b xmlns:x='u'/><x:c/></a>",
        ];
        for case in cases {
            assert_eq!(kind(case), ErrorKind::Namespace, "{case:?}");
        }
        let good = "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>";
        assert!(read_all(good.as_bytes(), Limits::default()).is_ok());
    }

    #[test]
    fn no_dtd_in_any_form() {
        for case in [
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&nbsp;</a>",
            "<a b='&x;'/>",
        ] {
            assert_eq!(kind(case), ErrorKind::Doctype, "{case:?}");
        }
    }

    #[test]
    fn every_prefix_is_truncated() {
        let document = "<?xml version='1.0'?><!-- c --><a x='1'><b>t&amp;t</b><![CDATA[x]]></a>";
        for end in 0..document.len() {
            assert!(read_all(&document.as_bytes()[..end], Limits::default()).is_err(), "{end}");
        }
        assert_eq!(kind("<a><b></b>"), ErrorKind::Truncated);
        assert_eq!(kind(""), ErrorKind::Truncated);
        assert!(read_all(document.as_bytes(), Limits::default()).is_ok());
        let trailing = format!("{document}\n<!-- c --><?pi?>\n");
        assert!(read_all(trailing.as_bytes(), Limits::default()).is_ok());
    }

    #[test]
    fn an_error_is_final() {
        let mut reader = Reader::new(&b"<a></b></a>"[..]);
        reader.root().unwrap();
        assert!(reader.read().is_err());
        assert!(reader.read().is_err());
    }

    #[test]
    fn character_data_is_one_event() {
        assert_eq!(text("<a>x<!-- c -->&lt;<![CDATA[<y>]]>&#x41;\r\nz<?pi?>!</a>"), "x<<y>A\nz!");
        assert_eq!(text("<a>1<b>2</b>3</a>"), "13");
        assert_eq!(text("<a/>"), "");
    }

    #[test]
    fn encodings() {
        let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(unit).collect()
        };
        let long = "\u{1F600}é".repeat(10_000);
        for declared in ["", "<?xml version='1.0' encoding='UTF-16'?>"] {
            for bom in ["", "\u{FEFF}"] {
                let document = format!("{bom}{declared}<a>{long}</a>");
                assert_eq!(text(utf16(&document, u16::to_le_bytes)), long);
                assert_eq!(text(utf16(&document, u16::to_be_bytes)), long);
            }
        }
        assert_eq!(text("\u{FEFF}<?xml version='1.0' encoding='UTF-8'?><a>é</a>"), "é");
        for wrong in [
            b"<?xml version='1.0' encoding='iso-8859-1'?><a/>".to_vec(),
            b"<?xml version='1.0' encoding='utf-16'?><a/>".to_vec(),
            utf16("<?xml version='1.0' encoding='utf-8'?><a/>", u16::to_le_bytes),
            b"<a>\xFF</a>".to_vec(),
            b"<a>\xC0\x80</a>".to_vec(),
            b"\xFF\xFE\0\0<\0\0\0".to_vec(),
            b"<\0a\0/\0>".to_vec(),
            b"\xFF\xFE<\0a\0>\0\0\xD8<\0".to_vec(),
        ] {
            assert_eq!(kind(&wrong), ErrorKind::Encoding, "{wrong:?}");
        }
        assert_eq!(kind("\u{FEFF}\u{FEFF}<a/>"), ErrorKind::Syntax);
    }

    #[test]
    fn a_byte_at_a_time() {
        let document = "\u{FEFF}<?xml version='1.0'?><a b='é'>\u{1F600}<c/></a>";
        let whole = read_all(document.as_bytes(), Limits::default()).unwrap();
        let slow = std::io::BufReader::with_capacity(1, document.as_bytes());
        let mut reader = Reader::new(slow);
        let mut events = Vec::new();
        while let Some(event) = reader.read().unwrap() {
            events.push(event);
        }
        assert_eq!(events, whole);
    }

    #[test]
    fn limits_are_exact() {
        let limits =
            Limits { bytes: 60, depth: 3, elements: 4, attributes: 2, namespaces: 2, name: 5 };
        let check = |document: &str, limit: Option<Limit>| {
            let kind = read_all(document.as_bytes(), limits).err().map(|error| error.kind());
            assert_eq!(kind, limit.map(ErrorKind::Limit), "{document:?}");
        };
        check("<a><b><c/></b></a>", None);
        check("<a><b><c><d/></c></b></a>", Some(Limit::Depth));
        check("<a><b/><b/><b/></a>", None);
        check("<a><b/><b/><b/><b/></a>", Some(Limit::Elements));
        check("<a b='' c=''/>", None);
        check("<a b='' c='' d=''/>", Some(Limit::Attributes));
        check("<a xmlns='u'><b xmlns='u'/></a>", None);
        check("<a xmlns='u'><b xmlns='u'><c xmlns='u'/></b></a>", Some(Limit::Namespaces));
        check("<abcde/>", None);
        check("<abcdef/>", Some(Limit::Name));
        check("<a xmlns='abcdef'/>", Some(Limit::Name));
        check(&format!("<a>{}</a>", "x".repeat(53)), None);
        check(&format!("<a>{}</a>", "x".repeat(54)), Some(Limit::Bytes));
    }

    /// A megabyte of `xml:lang` around five hundred properties took half a gigabyte.
    #[test]
    fn what_elements_inherit_is_bounded() {
        let limits = Limits { bytes: 100, ..Limits::default() };
        let read = |lang: usize, elements: usize| {
            let (lang, elements) = ("x".repeat(lang), "<b/>".repeat(elements));
            let document = format!("<a xml:lang='{lang}'>{elements}</a>");
            let mut reader = Reader::with_limits(document.as_bytes(), limits);
            reader.root()?;
            while let Some(start) = reader.child()? {
                assert_eq!(reader.element(start)?.lang(), Some(&*lang));
            }
            Ok::<_, Error>(())
        };
        assert!(read(10, 10).is_ok());
        assert_eq!(read(10, 11).unwrap_err().kind(), ErrorKind::Limit(Limit::Bytes));
    }

    #[test]
    fn limits_hold_at_once() {
        let deep = "<a>".repeat(100_000);
        assert_eq!(kind(&deep), ErrorKind::Limit(Limit::Depth));
        let endless = std::io::BufReader::new(std::io::repeat(b' '));
        let mut reader = Reader::new(endless);
        assert!(reader.root().unwrap_err().is_limit());
        let deep_but_allowed = Limits { depth: usize::MAX, ..Limits::default() };
        let error = read_all(deep.as_bytes(), deep_but_allowed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit(Limit::Depth));
    }

    #[test]
    fn errors_say_where() {
        let error = read_all(b"<a>\n  <b>\n  </c>\n</a>", Limits::default()).unwrap_err();
        assert_eq!(error.position(), Position { offset: 12, line: 3, column: 3 });
        assert!(error.to_string().starts_with("line 3, column 3: expected "), "{error}");
    }

    #[test]
    fn what_is_in_scope() {
        let document = "<a xml:lang='en' xmlns:p='u'>t<b xml:lang='' xmlns:p='v'/>t</a>";
        let mut reader = Reader::new(document.as_bytes());
        reader.root().unwrap();
        let mut seen = Vec::new();
        loop {
            let lang = reader.lang().map(str::to_owned);
            seen.push((reader.depth(), lang, reader.namespace("p").map(str::to_owned)));
            if reader.read().unwrap().is_none() {
                break;
            }
        }
        let outer = || (1, Some("en".to_owned()), Some("u".to_owned()));
        let inner = (2, Some(String::new()), Some("v".to_owned()));
        assert_eq!(seen, [outer(), outer(), inner, outer(), outer(), (0, None, None)]);
    }
}
