//! The body of a 207 as values.

use std::borrow::Cow;

use http::StatusCode;

use crate::batch::{Item, Summary};
use crate::xml::{Element, Fragment, Name};

/// A `DAV:multistatus` (RFC 4918 §14.16), whole in memory. For long ones there are
/// [`Writer`](crate::Writer) and [`Reader`](crate::Reader).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MultiStatus {
    /// A response for each resource, in any order.
    pub responses: Vec<Response>,
    /// What follows them.
    pub trailer: Trailer,
}

/// What follows the responses of a `DAV:multistatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailer {
    /// `DAV:responsedescription`: a text for people, about the whole.
    pub description: Option<String>,
    /// The counts of a batch.
    pub summary: Option<Summary>,
    /// Other elements, such as the `DAV:sync-token` of RFC 6578.
    pub extensions: Vec<Element>,
}

/// A `DAV:response` (RFC 4918 §14.24): what became of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The resource: a percent-encoded URI or absolute path. There may be several in the form
    /// [`Report::Status`]. Under one multistatus, an href stands only once.
    pub hrefs: Vec<String>,
    /// The status of the whole, or of properties.
    pub report: Report,
    /// What `DAV:error` (§14.5) holds: preconditions and postconditions that did not hold.
    pub conditions: Vec<Element>,
    /// `DAV:responsedescription`: a text for people.
    pub description: Option<String>,
    /// `DAV:location` (§14.9): the new URI that goes with a 201 or a 3xx.
    pub location: Option<String>,
    /// If this answers an item of a batch: which, and how it went.
    pub item: Option<Item>,
    /// Other elements.
    pub extensions: Vec<Element>,
}

/// The two forms a response can have (RFC 4918 §13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// One status for the resource as a whole.
    Status(StatusCode),
    /// Properties, by status. At least one.
    Properties(Vec<PropStat>),
}

/// A `DAV:propstat` (RFC 4918 §14.22): properties that share a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropStat {
    /// The status of each of them.
    pub status: StatusCode,
    /// The properties: with values if they were asked for and found, else names.
    pub properties: Vec<Property>,
    /// As in [`Response::conditions`].
    pub conditions: Vec<Element>,
    /// As in [`Response::description`].
    pub description: Option<String>,
}

/// A property: a name, and maybe a value (RFC 4918 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    name: Name,
    value: Value,
}

/// What a property element contains.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing: only the name matters, or the value is empty.
    Empty,
    /// Text alone.
    Text(Cow<'static, str>),
    /// The property element itself, kept whole: with children, attributes or a language.
    Element(Box<Element>),
    /// The property element itself as bytes, the way a store keeps it. Never read, only written.
    Raw(Fragment<'static>),
}

impl MultiStatus {
    /// One with these responses.
    pub fn new(responses: impl IntoIterator<Item = Response>) -> Self {
        Self { responses: responses.into_iter().collect(), trailer: Trailer::default() }
    }

    /// The answer to a batch: the responses, and the counts of their items.
    pub fn batch(mode: crate::batch::Mode, responses: impl IntoIterator<Item = Response>) -> Self {
        let mut multistatus = Self::new(responses);
        let items = multistatus.responses.iter().filter_map(|response| response.item.as_ref());
        multistatus.trailer.summary = Some(Summary::of(mode, items));
        multistatus
    }
}

impl Response {
    /// A response with one status for the resource as a whole.
    pub fn status(href: impl Into<String>, status: StatusCode) -> Self {
        Self::new(href.into(), Report::Status(status))
    }

    /// A response with properties.
    pub fn properties(
        href: impl Into<String>,
        propstats: impl IntoIterator<Item = PropStat>,
    ) -> Self {
        Self::new(href.into(), Report::Properties(propstats.into_iter().collect()))
    }

    /// The response to an item of a batch, with its status. `href` differs from [`Item::href`]
    /// where several items concern one resource.
    pub fn item(href: impl Into<String>, item: Item) -> Self {
        let status = Report::Status(item.status);
        Self { item: Some(item), ..Self::new(href.into(), status) }
    }

    fn new(href: String, report: Report) -> Self {
        Self {
            hrefs: vec![href],
            report,
            conditions: Vec::new(),
            description: None,
            location: None,
            item: None,
            extensions: Vec::new(),
        }
    }

    /// Sets [`Response::description`].
    pub fn with_description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Sets [`Response::location`].
    pub fn with_location(mut self, href: impl Into<String>) -> Self {
        self.location = Some(href.into());
        self
    }

    /// Adds to [`Response::conditions`].
    pub fn with_condition(mut self, condition: Element) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The first href.
    pub fn href(&self) -> &str {
        self.hrefs.first().map_or("", String::as_str)
    }
}

impl PropStat {
    /// Properties that share a status.
    pub fn new(status: StatusCode, properties: impl IntoIterator<Item = Property>) -> Self {
        Self {
            status,
            properties: properties.into_iter().collect(),
            conditions: Vec::new(),
            description: None,
        }
    }
}

impl Property {
    /// A property without a value.
    pub const fn empty(name: Name) -> Self {
        Self { name, value: Value::Empty }
    }

    /// A property whose value is text; empty text is no value.
    pub fn text(name: Name, text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        let value = if text.is_empty() { Value::Empty } else { Value::Text(text) };
        Self { name, value }
    }

    /// A property as a store keeps it; `name` is the name of the element in `fragment`.
    pub fn raw(name: Name, fragment: Fragment<'static>) -> Self {
        Self { name, value: Value::Raw(fragment) }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Its value, if that is text or nothing.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Empty => Some(""),
            Value::Text(text) => Some(text),
            Value::Element(_) | Value::Raw(_) => None,
        }
    }

    /// The elements in its value: none, unless that is a [`Value::Element`].
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        let whole = match &self.value {
            Value::Element(element) => Some(element),
            Value::Empty | Value::Text(_) | Value::Raw(_) => None,
        };
        whole.into_iter().flat_map(|element| element.elements())
    }
}

/// Whether an href stands twice in one response.
pub(crate) fn has_duplicates(hrefs: &[String]) -> bool {
    if hrefs.len() < 2 {
        return false;
    }
    let mut sorted: Vec<&String> = hrefs.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// A property element. What needs no element becomes [`Value::Empty`] or [`Value::Text`].
impl From<Element> for Property {
    fn from(element: Element) -> Self {
        let name = element.name().clone();
        match element.as_plain_text() {
            Some(text) => Self::text(name, text),
            None => Self { name, value: Value::Element(Box::new(element)) },
        }
    }
}
