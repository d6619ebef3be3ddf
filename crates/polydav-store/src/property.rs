//! Dead properties: names, opaque values, and what a request selects or changes of them.

use std::collections::BTreeMap;
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

impl PropertyChange {
    /// Refuses changes with which a resource, whose properties have these bytes, would have more
    /// of them than [`Property::COUNT_MAX`] and [`Property::BYTES_MAX`] allow, or go further beyond.
    /// Every store asks before it makes them.
    ///
    /// # Errors
    /// [`FailureKind::Forbidden`], at `path`.
    pub fn check_bounds(
        path: &ResourcePath,
        before: &BTreeMap<PropertyName, usize>,
        changes: &[Self],
    ) -> Result<(), Failure> {
        let mut last = BTreeMap::new();
        for change in changes {
            match change {
                Self::Set(property) => last.insert(&property.name, Some(property.bytes())),
                Self::Remove(name) => last.insert(name, None),
            };
        }
        let (count_before, bytes_before) = (before.len(), before.values().sum::<usize>());
        let (mut count, mut bytes) = (count_before, bytes_before);
        for (name, made) in last {
            let gone = before.get(name);
            count = count + usize::from(made.is_some()) - usize::from(gone.is_some());
            bytes = bytes + made.unwrap_or(0) - gone.unwrap_or(&0);
        }
        let (count_max, bytes_max) = (Property::COUNT_MAX, Property::BYTES_MAX);
        if count <= count_before.max(count_max) && bytes <= bytes_before.max(bytes_max) {
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
