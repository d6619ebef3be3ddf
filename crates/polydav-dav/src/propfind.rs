//! PROPFIND (RFC 4918 §9.1): streamed, whatever the size of the answer.

use std::sync::Arc;

use http::header::CONTENT_LOCATION;
use http::{HeaderValue, Response, StatusCode};
use multistatus::xml::{Fragment, Name};
use multistatus::{Properties, Trailer, WriteError, Writer};
use polydav_engine::{Engine, LiveView};
use polydav_proto::condition::Condition;
use polydav_proto::header::{self, Depth, Prefer, Return};
use polydav_proto::reference::encode_segment;
use polydav_store::{
    Entry, Failure, Guard, Lock, Property, ResourcePath, Space, View as _, Visit, Walk, WalkDepth,
};

use crate::body::Body;
use crate::live::{self, Facts, TypeMemo, Value};
use crate::naming::Naming;
use crate::output::{self, Broken, Output};
use crate::pipeline::pipeline;
use crate::problem::Problem;
use crate::quirk::{self, Quirk};
use crate::record::column;
use crate::request::{Request, is_reserved};
use crate::site::Base;
use crate::wanted::Wanted;
use crate::{Options, intake, reply, status};

/// PROPFIND.
pub(crate) async fn propfind(
    engine: &Engine,
    options: &Options,
    mut request: Request,
) -> Result<Response<Body>, Problem> {
    intake::refuse_coding(&request.headers)?;
    let body = std::mem::take(&mut request.body);
    let body = intake::collect(body, options.xml_bytes_max).await?;
    let displayname_is_segment = quirk::has(Quirk::DisplayNameIsSegment, &request.headers);
    let wanted = Wanted::of(body, displayname_is_segment).await?;
    let depth = request.depth()?.unwrap_or(Depth::Infinity);
    let prefer = header::read::<Prefer>(&request.headers)?.unwrap_or_default();
    let walk = match (depth, options.infinity_budget) {
        (Depth::Zero, _) => None,
        (Depth::One, _) => Some(WalkDepth::One),
        (Depth::Infinity, Some(budget)) => Some(WalkDepth::Infinity { budget }),
        (Depth::Infinity, None) => return Err(finite_depth()),
    };
    let listing = Listing {
        guard: request.guard()?,
        engine: engine.clone(),
        path: request.path,
        base: request.base,
        slash: request.slash,
        minimal: prefer.answer == Some(Return::Minimal),
        noroot: prefer.depth_noroot && walk.is_some(),
        walk,
        wanted,
    };
    match listing.walk {
        None => intake::look(engine, move |view| listing.alone(view)).await,
        Some(_) => output::written(move |output| listing.write(output)).await,
    }
}

fn finite_depth() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "PROPFIND of depth infinity is switched off")
        .with_condition(Condition::PropfindFiniteDepth.to_element())
}

/// A PROPFIND on its way: all that the blocking thread needs.
struct Listing {
    engine: Engine,
    guard: Guard,
    path: ResourcePath,
    base: Base,
    slash: bool,
    walk: Option<WalkDepth>,
    wanted: Arc<Wanted>,
    minimal: bool,
    noroot: bool,
}

impl From<WriteError> for Broken {
    fn from(error: WriteError) -> Self {
        Self::Failed(std::io::Error::other(error))
    }
}

/// What the answer about one resource takes at the beginning. Most are shorter, and glibc keeps at hand
/// for a thread what takes no more than 1,032 bytes.
const ALONE_BYTES: usize = 1_000;

impl Listing {
    /// The answer that tells of the resource alone.
    fn alone(&self, view: LiveView<'_>) -> Result<Response<Body>, Problem> {
        let root = self.root(view)?;
        let written = || {
            let mut writer =
                Writer::new(Vec::with_capacity(ALONE_BYTES)).map_err(Broken::Failed)?;
            Row::new(self, view).write(&mut writer, &root)?;
            Ok::<_, Broken>(writer.finish(&Trailer::default())?)
        };
        let body = written()?;
        Ok(self.header(&root).map(|()| body.into()))
    }

    fn write(self, output: &mut Output) -> Result<(), Broken> {
        let root = self.root(self.engine.view()).map_err(Broken::Unreadable)?;
        output.header = self.header(&root);
        self.respond(&root, output)
    }

    /// The answer without its body. To whom asks for a collection without the slash at the end, it
    /// says where that is (RFC 4918 §5.2).
    fn header(&self, root: &Entry) -> Response<()> {
        let mut response = reply::multi_status(Body::default());
        if root.is_collection()
            && !self.slash
            && let Ok(location) = HeaderValue::try_from(self.base.href(&root.path, true))
        {
            response.headers_mut().insert(CONTENT_LOCATION, location);
        }
        if self.minimal {
            reply::note_minimal(&mut response);
        }
        response.map(drop)
    }

    fn root(&self, view: LiveView<'_>) -> Result<Entry, Failure> {
        let entry = view.stat(&self.path, &self.wanted.select)?;
        self.guard.judge(&view, &self.path, Some(&entry))?;
        Ok(entry)
    }

    fn respond(&self, root: &Entry, output: &mut Output) -> Result<(), Broken> {
        let mut writer = Writer::new(Output::buffer()).map_err(Broken::Failed)?;
        let mut row = Row::new(self, self.engine.view());
        if !self.noroot {
            row.write(&mut writer, root)?;
        }
        if let Some(depth) = self.walk
            && root.is_collection()
        {
            let walk = Walk { depth, select: self.wanted.select.clone() };
            let tell = |visit| {
                row.visit(&mut writer, visit)?;
                output.pass_on(writer.get_mut())
            };
            let store = self.engine.store();
            let (walked, told) =
                pipeline(property_bytes, tell, |tell| store.walk(&self.path, &walk, tell));
            told?;
            // A 207 of the root alone would look like that of a collection without members.
            walked.map_err(Broken::Unreadable)?;
        }
        output.end(writer.finish(&Trailer::default())?)
    }
}

/// What a resource's dead properties and columns take.
fn property_bytes(visit: &Visit) -> usize {
    match visit {
        Visit::Entry(entry) | Visit::Cut(entry) => {
            let properties = entry.properties.iter().map(|property| property.value.len());
            properties.chain(entry.columns.iter().map(|field| field.value.bytes())).sum()
        }
        Visit::Failure(..) => 0,
    }
}

/// Writes the response of one resource after the other, in the same few buffers.
struct Row<'a> {
    listing: &'a Listing,
    view: LiveView<'a>,
    now: std::time::SystemTime,
    has_locks: bool,
    space: Option<Space>,
    /// Of those named by the request, which the resource has.
    found: Vec<bool>,
    /// The collection that the last resource lies in, with the slash, and its href.
    parent: (Vec<u8>, String),
    href: String,
    types: TypeMemo,
    columns: column::Names,
    text: String,
}

impl<'a> Row<'a> {
    fn new(listing: &'a Listing, view: LiveView<'a>) -> Self {
        let space = || view.space(&listing.path).ok().flatten();
        Self {
            listing,
            view,
            now: listing.engine.environment().now(),
            has_locks: !view.locks().is_empty(),
            space: if listing.wanted.quota { space() } else { None },
            found: vec![false; listing.wanted.named.len()],
            parent: (Vec::new(), String::new()),
            href: String::new(),
            types: TypeMemo::default(),
            columns: column::Names::default(),
            text: String::new(),
        }
    }

    fn visit(&mut self, writer: &mut Writer<Vec<u8>>, visit: Visit) -> Result<(), Broken> {
        if is_reserved(visit.path()) {
            return Ok(());
        }
        match visit {
            Visit::Entry(entry) => self.write(writer, &entry),
            Visit::Cut(entry) => {
                let href = self.listing.base.href(&entry.path, true);
                let code = StatusCode::INSUFFICIENT_STORAGE;
                let response = multistatus::Response::status(href, code)
                    .with_description("not descended into: the listing is too long");
                Ok(writer.response(&response)?)
            }
            Visit::Failure(path, kind) => {
                let naming = Naming { base: &self.listing.base, ground: &self.view };
                let href = naming.href(&path);
                let response = multistatus::Response::status(href, status::of_kind(kind))
                    .with_description(status::describe(kind));
                Ok(writer.response(&response)?)
            }
        }
    }

    fn write(&mut self, writer: &mut Writer<Vec<u8>>, entry: &Entry) -> Result<(), Broken> {
        let listing = self.listing;
        self.take_href(entry);
        if let Some(reason) = unservable(entry) {
            let response = multistatus::Response::status(&*self.href, StatusCode::FORBIDDEN)
                .with_description(reason);
            return Ok(writer.response(&response)?);
        }
        let locks = self.locks(&entry.path).map_err(Broken::Unreadable)?;
        let (base, now, space) = (&listing.base, self.now, self.space);
        let types = std::mem::take(&mut self.types);
        let principal = &listing.guard.principal;
        let facts = Facts { entry, locks: &locks, base, principal, now, space, types: &types };
        let mut response = writer.properties(&self.href)?;
        response.propstat(StatusCode::OK, |properties| self.found(properties, &facts));
        self.types = types;
        if !listing.minimal && self.found.contains(&false) {
            let named = listing.wanted.named.iter().zip(&self.found);
            response.propstat(StatusCode::NOT_FOUND, |properties| {
                let missing = named.filter(|(_, found)| !**found);
                missing.for_each(|(named, _)| properties.empty(&named.name));
            });
        }
        Ok(response.end()?)
    }

    /// The href of a resource. Members come one after the other: that of their collection is kept.
    fn take_href(&mut self, entry: &Entry) {
        let base = &self.listing.base;
        self.href.clear();
        let Some(name) = entry.path.name() else {
            return base.push_href(&mut self.href, &entry.path, true);
        };
        let path = entry.path.as_bytes();
        let parent = &path[..path.len() - name.len()];
        if self.parent.1.is_empty() || self.parent.0 != parent {
            self.parent = (parent.to_vec(), String::new());
            let parent = entry.path.parent().unwrap_or_default();
            base.push_href(&mut self.parent.1, &parent, true);
        }
        self.href.push_str(&self.parent.1);
        self.href.extend(encode_segment(name));
        if entry.is_collection() {
            self.href.push('/');
        }
    }

    fn locks(&self, path: &ResourcePath) -> Result<Vec<Arc<Lock>>, Failure> {
        if self.has_locks { self.view.covering(path) } else { Ok(Vec::new()) }
    }

    /// Writes the properties the resource has; notes those that were named.
    fn found(&mut self, properties: &mut Properties<'_>, facts: &Facts<'_>) {
        let wanted = &self.listing.wanted;
        let stored = |name| facts.entry.properties.iter().any(|other| is_named(other, name));
        let is_set = !wanted.displayname_is_segment && stored(&live::DISPLAYNAME);
        self.found.fill(false);
        for (live, named) in &wanted.live {
            let overlaid = is_set && live.name == live::DISPLAYNAME;
            if overlaid {
                continue;
            }
            self.text.clear();
            if let Some(value) = (live.value)(facts, &mut self.text) {
                self.live(properties, &live.name, value);
                if let Some(named) = named {
                    self.found[*named] = true;
                }
            }
        }
        for property in &facts.entry.properties {
            if wanted.displayname_is_segment && is_named(property, &live::DISPLAYNAME) {
                continue;
            }
            self.dead(properties, property);
            if let Some(named) = wanted.named.iter().position(|named| named.stored == property.name)
            {
                self.found[named] = true;
            }
        }
        for field in &facts.entry.columns {
            match wanted.names_only {
                true => self.columns.tell_name(properties, &field.name),
                false => self.columns.tell(properties, field),
            }
            let named = wanted.named.iter().zip(&mut self.found);
            named
                .filter(|(named, _)| named.is_column(&field.name))
                .for_each(|(_, found)| *found = true);
        }
    }

    fn live(&self, properties: &mut Properties<'_>, name: &Name, value: Value) {
        match value {
            _ if self.listing.wanted.names_only => properties.empty(name),
            Value::Empty => properties.empty(name),
            Value::Text => properties.text(name, &self.text),
            Value::Prepared(property) => properties.prepared(property),
            Value::Elements(elements) => {
                let mut element = multistatus::xml::Element::new(name.clone());
                elements.into_iter().for_each(|child| element.push(child));
                properties.element(&element);
            }
        }
    }

    fn dead(&self, properties: &mut Properties<'_>, property: &Property) {
        if !self.listing.wanted.names_only {
            properties.raw(&Fragment::from_trusted(&property.value[..]));
        } else if let Ok(name) = Name::new(property.name.namespace(), property.name.local()) {
            properties.empty(&name);
        }
    }
}

fn is_named(property: &Property, name: &Name) -> bool {
    property.name.local() == name.local() && property.name.namespace() == name.namespace()
}

/// Why a member that is there can be neither read nor written here.
fn unservable(entry: &Entry) -> Option<&'static str> {
    if entry.kind == polydav_store::Kind::Special {
        return Some("it is neither a file nor a collection, or a link that leads to none");
    }
    let name = entry.path.name().unwrap_or_default();
    name.contains(&b'\\').then_some("no URL can name it: there is a backslash in its name")
}
