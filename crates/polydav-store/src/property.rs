//! Dead properties: names, opaque values, and what a request selects or changes of them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::record::{COLUMNS, Field, Value};
use crate::{Failure, FailureKind, ResourcePath};

/// The expanded name of a property (RFC 4918 §4.4): a namespace name and a local name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PropertyName {
    namespace: Arc<str>,
    local: Arc<str>,
}

impl PropertyName {
    /// The property `local` of `namespace`, which may be empty.
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), local: local.into() }
    }

    /// The namespace name; empty for none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The local name.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The bytes of both.
    pub fn bytes(&self) -> usize {
        self.namespace.len() + self.local.len()
    }
}

/// As `{namespace}local`.
impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}{}", self.namespace, self.local)
    }
}

impl fmt::Debug for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A dead property. Its value is opaque to stores: they give back the bytes they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: PropertyName,
    /// Its value; empty where only names were selected.
    pub value: Bytes,
}

impl Property {
    /// The most dead properties of one resource.
    pub const COUNT_MAX: usize = 1_000;

    /// The most bytes of names and values of all the dead properties of one resource: whoever
    /// reads them holds all of them at once.
    pub const BYTES_MAX: usize = 1024 * 1024;

    /// The bytes of its name and its value.
    fn bytes(&self) -> usize {
        self.name.bytes() + self.value.len()
    }
}

/// One instruction of a PROPPATCH (RFC 4918 §9.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyChange {
    /// Give the property this value.
    Set(Property),
    /// Remove the property; it is no error if there is none (RFC 4918 §14.23).
    Remove(PropertyName),
}

/// What the dead properties of one resource take before and after changes. Every store asks
/// [`PropertyBounds::check`] before it makes them.
#[derive(Debug)]
pub struct PropertyBounds<'a> {
    /// What is changed, in order; of each name what it takes in the end, if it is there then.
    changed: Vec<(&'a PropertyName, Option<usize>)>,
    before: Taken,
    after: Taken,
}

/// What properties take.
#[derive(Debug, Default)]
struct Taken {
    count: usize,
    bytes: usize,
}

impl Taken {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl<'a> PropertyBounds<'a> {
    /// Those of a resource without properties.
    pub fn new(changes: &'a [PropertyChange]) -> Self {
        let in_the_end = |change: &'a PropertyChange| match change {
            PropertyChange::Set(property) => (&property.name, Some(property.bytes())),
            PropertyChange::Remove(name) => (name, None),
        };
        // The last change of a name is the first that is met from behind, and stays so: the order of
        // equals is kept.
        let mut changed: Vec<_> = changes.iter().rev().map(in_the_end).collect();
        changed.sort_by_key(|(name, _)| *name);
        changed.dedup_by_key(|(name, _)| *name);
        let mut after = Taken::default();
        changed.iter().filter_map(|(_, made)| *made).for_each(|bytes| after.add(bytes));
        Self { changed, before: Taken::default(), after }
    }

    /// The resource has a property of this namespace and local name, with a value of so many bytes.
    pub fn has(&mut self, name: (&str, &str), value_bytes: usize) {
        let bytes = (name.0.len() + name.1.len()).saturating_add(value_bytes);
        self.before.add(bytes);
        let compared =
            |(other, _): &(&PropertyName, _)| (other.namespace(), other.local()).cmp(&name);
        if self.changed.binary_search_by(compared).is_err() {
            self.after.add(bytes);
        }
    }

    /// Refuses changes with which the resource at `path` would have more than
    /// [`Property::COUNT_MAX`] and [`Property::BYTES_MAX`] allow, or go further beyond.
    ///
    /// # Errors
    /// [`FailureKind::Forbidden`], at `path`.
    pub fn check(&self, path: &ResourcePath) -> Result<(), Failure> {
        let Self { before, after, .. } = self;
        let (count_max, bytes_max) = (Property::COUNT_MAX, Property::BYTES_MAX);
        if after.count <= before.count.max(count_max) && after.bytes <= before.bytes.max(bytes_max)
        {
            return Ok(());
        }
        let detail =
            format!("a resource has at most {count_max} properties, of {bytes_max} bytes together");
        Err(Failure::new(FailureKind::Forbidden, path.clone()).with_detail(detail))
    }
}

/// Which dead properties, and columns of records, a reader asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Select {
    /// None.
    #[default]
    None,
    /// The names of all.
    Names,
    /// All, with their values.
    All,
    /// Those named, with their values.
    Only(Vec<PropertyName>),
}

impl Select {
    /// What a reader who selected this is told of the column of this name and value.
    pub fn pick_column(&self, name: &Arc<str>, value: impl FnOnce() -> Value) -> Option<Field> {
        let value = match self {
            Self::None => return None,
            Self::Names => Value::Null,
            Self::All => value(),
            Self::Only(names) => {
                let is_asked =
                    |asked: &PropertyName| asked.namespace() == COLUMNS && asked.local() == &**name;
                names.iter().any(is_asked).then(value)?
            }
        };
        Some(Field { name: name.clone(), value })
    }

    /// What a reader who selected this is told of the property of this name. Its value is asked for
    /// only if it is told.
    pub fn pick_named(
        &self,
        (namespace, local): (&str, &str),
        value: impl FnOnce() -> Bytes,
    ) -> Option<Property> {
        let name = || PropertyName::new(namespace, local);
        match self {
            Self::None => None,
            Self::Names => Some(Property { name: name(), value: Bytes::new() }),
            Self::All => Some(Property { name: name(), value: value() }),
            Self::Only(names) => {
                let is_it = |asked: &&PropertyName| {
                    (asked.namespace(), asked.local()) == (namespace, local)
                };
                let name = names.iter().find(is_it)?.clone();
                Some(Property { name, value: value() })
            }
        }
    }

    /// What a reader who selected this is told of `property`.
    pub fn pick(&self, property: &Property) -> Option<Property> {
        let name = (property.name.namespace(), property.name.local());
        self.pick_named(name, || property.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(local: &str) -> PropertyName {
        PropertyName::new("ns", local)
    }

    fn set(local: &str, bytes: usize) -> PropertyChange {
        PropertyChange::Set(Property { name: name(local), value: vec![b'x'; bytes].into() })
    }

    /// Whether a resource with properties of so many bytes may be changed so.
    fn may(before: &[(&str, usize)], changes: &[PropertyChange]) -> bool {
        let mut bounds = PropertyBounds::new(changes);
        before.iter().for_each(|&(local, bytes)| bounds.has(("ns", local), bytes));
        bounds.check(&ResourcePath::root()).is_ok()
    }

    #[test]
    fn what_counts_is_what_is_there_in_the_end() {
        const MAX: usize = Property::BYTES_MAX;
        // The name takes three bytes.
        assert!(may(&[], &[set("a", MAX - 3)]));
        assert!(!may(&[], &[set("a", MAX - 2)]));
        assert!(may(&[("a", MAX - 3)], &[set("a", MAX - 3)]));
        assert!(!may(&[("a", MAX - 3)], &[set("b", 0)]));
        let remove = |local| PropertyChange::Remove(name(local));
        assert!(may(&[("a", MAX - 3)], &[set("b", MAX - 3), remove("a")]));
        assert!(may(&[("a", MAX - 3)], &[set("b", 1), set("c", 1), remove("b"), remove("c")]));
        assert!(may(&[], &[set("a", MAX), set("a", 1), set("b", MAX - 7)]));
        assert!(!may(&[], &[set("a", 1), set("b", MAX - 7), set("a", 2)]));
        assert!(!may(&[], &[remove("a"), set("a", MAX)]));
    }

    #[test]
    fn who_has_too_much_may_not_have_more_of_it() {
        let beyond = [("a", Property::BYTES_MAX), ("b", 10)];
        assert!(may(&beyond, &[set("b", 10)]) && may(&beyond, &[set("b", 9)]));
        assert!(!may(&beyond, &[set("b", 11)]));
    }
}
