//! The live properties (RFC 4918 §15, RFC 4331), as a table.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use multistatus::PreparedProperty;
use multistatus::xml::{Element, Name};
use polydav_proto::header::{TimeType, push_date, push_date_time, write_date};
use polydav_store::{Entry, Lock, LockDepth, LockScope, Principal, ResourcePath, Space};

use crate::site::Base;

/// What the value of a live property is made from.
pub(crate) struct Facts<'a> {
    pub(crate) entry: &'a Entry,
    /// The locks that cover the resource.
    pub(crate) locks: &'a [Arc<Lock>],
    pub(crate) base: &'a Base,
    /// Who asks.
    pub(crate) principal: &'a Principal,
    pub(crate) now: SystemTime,
    pub(crate) space: Option<Space>,
    pub(crate) types: &'a TypeMemo,
}

/// The last extension that was looked up, and its type: neighbours mostly share one.
#[derive(Default)]
pub(crate) struct TypeMemo(RefCell<(Vec<u8>, Option<&'static str>)>);

/// The content of a live property.
pub(crate) enum Value {
    Empty,
    /// The text that was appended to the buffer.
    Text,
    /// The property as a whole, where there are few that it can be.
    Prepared(&'static PreparedProperty),
    Elements(Vec<Element>),
}

/// A live property: its name, whether `allprop` tells of it, and how its value is made. A resource
/// for which none is made doesn't have the property. Text goes to the buffer, which is empty: a
/// listing asks for every value of every member.
pub(crate) struct Live {
    pub(crate) name: Name,
    pub(crate) in_allprop: bool,
    pub(crate) value: fn(&Facts<'_>, &mut String) -> Option<Value>,
}

/// All live properties. Clients can't set them, but for `displayname`: its value here is what it
/// is as long as nobody set it.
pub(crate) const TABLE: &[Live] = &[
    Live { name: Name::dav("resourcetype"), in_allprop: true, value: resourcetype },
    Live { name: Name::dav("displayname"), in_allprop: true, value: displayname },
    Live { name: Name::dav("getcontentlength"), in_allprop: true, value: getcontentlength },
    Live { name: Name::dav("getcontenttype"), in_allprop: true, value: getcontenttype },
    Live { name: Name::dav("getetag"), in_allprop: true, value: getetag },
    Live { name: Name::dav("getlastmodified"), in_allprop: true, value: getlastmodified },
    Live { name: Name::dav("creationdate"), in_allprop: true, value: creationdate },
    Live { name: Name::dav("lockdiscovery"), in_allprop: true, value: lockdiscovery },
    Live { name: Name::dav("supportedlock"), in_allprop: true, value: supportedlock },
    Live { name: Name::dav("quota-available-bytes"), in_allprop: false, value: quota_available },
    Live { name: Name::dav("quota-used-bytes"), in_allprop: false, value: quota_used },
];

/// The one live property that a client may overlay with a value of its own (RFC 4918 §15.2).
pub(crate) const DISPLAYNAME: Name = Name::dav("displayname");

/// The row of a property, if it is live.
pub(crate) fn find(name: &Name) -> Option<&'static Live> {
    TABLE.iter().find(|live| live.name == *name)
}

/// Whether a client may not change it.
pub(crate) fn is_protected(name: &Name) -> bool {
    *name != DISPLAYNAME && find(name).is_some()
}

/// Whether it tells of the space in the store, which costs a question of its own.
pub(crate) fn is_quota(name: &Name) -> bool {
    name.is_dav("quota-available-bytes") || name.is_dav("quota-used-bytes")
}

const UNKNOWN_TYPE: &str = "application/octet-stream";

const RECORD_TYPE: &str = "application/json";

/// The type of a file, by its name alone: content is never opened to guess it. Records are JSON.
pub(crate) fn content_type(entry: &Entry) -> &'static str {
    if entry.record {
        return RECORD_TYPE;
    }
    type_of(extension(&entry.path)).unwrap_or(UNKNOWN_TYPE)
}

fn extension(path: &ResourcePath) -> &[u8] {
    let name = path.name().unwrap_or_default();
    // A name that begins with its only dot has no extension.
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0);
    dot.map_or(b"", |dot| &name[dot + 1..])
}

fn type_of(extension: &[u8]) -> Option<&'static str> {
    let extension = std::str::from_utf8(extension).ok()?;
    mime_guess::from_ext(extension).first_raw()
}

impl TypeMemo {
    fn content_type(&self, entry: &Entry) -> &'static str {
        if entry.record {
            return RECORD_TYPE;
        }
        let extension = extension(&entry.path);
        let mut last = self.0.borrow_mut();
        if last.0 != extension {
            last.0.clear();
            last.0.extend_from_slice(extension);
            last.1 = type_of(extension);
        }
        last.1.unwrap_or(UNKNOWN_TYPE)
    }
}

fn text(out: &mut String, text: &str) -> Option<Value> {
    out.push_str(text);
    Some(Value::Text)
}

fn number(out: &mut String, number: u64) -> Option<Value> {
    write!(out, "{number}").ok().map(|()| Value::Text)
}

fn dav(local: &'static str) -> Element {
    Element::new(Name::dav(local))
}

fn resourcetype(facts: &Facts<'_>, _: &mut String) -> Option<Value> {
    static COLLECTION: LazyLock<PreparedProperty> =
        LazyLock::new(|| PreparedProperty::new(&dav("resourcetype").with_child(dav("collection"))));
    Some(match facts.entry.is_collection() {
        true => Value::Prepared(&COLLECTION),
        false => Value::Empty,
    })
}

/// What is no text, or can't stand in XML, becomes a replacement character when it is written; the
/// href says it exactly.
fn displayname(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    let name = facts.entry.path.name().unwrap_or_default();
    match std::str::from_utf8(name) {
        Ok(name) => text(out, name),
        Err(_) => text(out, &String::from_utf8_lossy(name)),
    }
}

fn getcontentlength(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    if facts.entry.is_collection() { None } else { number(out, facts.entry.length) }
}

fn getcontenttype(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    let entry = facts.entry;
    if entry.is_collection() { None } else { text(out, facts.types.content_type(entry)) }
}

fn getetag(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    let tag = facts.entry.etag.as_ref()?;
    out.push('"');
    out.push_str(tag.as_str());
    text(out, "\"")
}

fn getlastmodified(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    push_date(out, facts.entry.modified?.min(facts.now)).then_some(Value::Text)
}

/// The value of `Last-Modified`. One in the future is told as now (RFC 9110 §8.8.2.1).
pub(crate) fn last_modified(entry: &Entry, now: SystemTime) -> Option<String> {
    write_date(entry.modified?.min(now))
}

/// RFC 3339, in whole seconds as its example has it.
fn creationdate(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    push_date_time(out, facts.entry.created?).then_some(Value::Text)
}

fn quota_available(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    number(out, facts.space?.available)
}

fn quota_used(facts: &Facts<'_>, out: &mut String) -> Option<Value> {
    number(out, facts.space?.used)
}

/// What is reached through a link can't be locked.
fn supportedlock(facts: &Facts<'_>, _: &mut String) -> Option<Value> {
    static WRITE: LazyLock<PreparedProperty> = LazyLock::new(|| {
        let entry = |scope| {
            dav("lockentry")
                .with_child(dav("lockscope").with_child(dav(scope)))
                .with_child(dav("locktype").with_child(dav("write")))
        };
        let entries = [entry("exclusive"), entry("shared")];
        PreparedProperty::new(&entries.into_iter().fold(dav("supportedlock"), Element::with_child))
    });
    Some(if facts.entry.link { Value::Empty } else { Value::Prepared(&WRITE) })
}

fn lockdiscovery(facts: &Facts<'_>, _: &mut String) -> Option<Value> {
    if facts.locks.is_empty() {
        return Some(Value::Empty);
    }
    let active =
        |lock: &Arc<Lock>| active_lock(lock, &lock_root(lock, facts), facts.principal, facts.now);
    Some(Value::Elements(facts.locks.iter().map(active).collect()))
}

/// The lock's root is the resource itself, or a collection above it.
fn lock_root(lock: &Lock, facts: &Facts<'_>) -> String {
    let is_collection = lock.root != facts.entry.path || facts.entry.is_collection();
    facts.base.href(&lock.root, is_collection)
}

/// One lock as `DAV:lockdiscovery` tells it (RFC 4918 §14.1); `root` is the href of its root. Its
/// token is told to nobody but the one it was made for: nobody else can use it (§15.8).
pub(crate) fn active_lock(
    lock: &Lock,
    root: &str,
    principal: &Principal,
    now: SystemTime,
) -> Element {
    let scope = match lock.scope {
        LockScope::Exclusive => "exclusive",
        LockScope::Shared => "shared",
    };
    let depth = match lock.depth {
        LockDepth::Zero => "0",
        LockDepth::Infinity => "infinity",
    };
    let left = lock.expires.duration_since(now).unwrap_or_default();
    let seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
    let href = |url: &str| dav("href").with_text(url);
    let mut active = dav("activelock")
        .with_child(dav("locktype").with_child(dav("write")))
        .with_child(dav("lockscope").with_child(dav(scope)))
        .with_child(dav("depth").with_text(depth));
    if let Some(owner) = &lock.owner
        && let Ok(owner) = Element::parse(owner, multistatus::xml::Limits::default())
    {
        active.push(owner);
    }
    active.push(dav("timeout").with_text(&TimeType::Second(seconds).to_string()));
    if lock.principal == *principal {
        active.push(dav("locktoken").with_child(href(lock.token.as_str())));
    }
    active.with_child(dav("lockroot").with_child(href(root)))
}
