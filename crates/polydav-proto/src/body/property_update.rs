//! The body of PROPPATCH (RFC 4918 §9.2, §14.19).

use multistatus::xml::{Element, Error, Limits, Name, Reader, Start};

use super::root;

/// Properties to set and remove, in the order in which that is to be done (RFC 4918 §14.19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyUpdate {
    /// The changes, at least one. A property may be in several.
    pub changes: Vec<Change>,
}

/// What is to be done to one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Set it to this: the whole element, with the language in scope (RFC 4918 §14.26).
    Set(Element),
    /// Remove it. That it isn't there is no error (RFC 4918 §14.23).
    Remove(Name),
}

impl Change {
    /// The property that is changed.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Set(property) => property.name(),
            Self::Remove(name) => name,
        }
    }
}

impl PropertyUpdate {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// If it is not XML, or changes nothing.
    pub fn parse(body: &[u8], limits: Limits) -> Result<Self, Error> {
        let mut reader = Reader::with_limits(body, limits);
        root(&mut reader, "propertyupdate")?;
        let mut changes = Vec::new();
        while let Some(child) = reader.child()? {
            read_changes(&mut reader, &child, &mut changes)?;
        }
        if changes.is_empty() {
            return Err(reader.error("a property to set or remove"));
        }
        reader.finish()?;
        Ok(Self { changes })
    }

    /// Reads what stands in a `DAV:propertyupdate`, without that element around it: `<D:set>…`. The
    /// prefix `D` is the namespace `DAV:`, as is customary.
    ///
    /// # Errors
    ///
    /// If it is not XML, or changes nothing. The place it tells includes the element around.
    pub fn parse_fragment(text: &str, limits: Limits) -> Result<Self, Error> {
        let body = format!("<D:propertyupdate xmlns:D=\"DAV:\">{text}</D:propertyupdate>");
        Self::parse(body.as_bytes(), limits)
    }

    /// What [`parse_fragment`](Self::parse_fragment) reads as this. Each property brings the
    /// namespaces and the language that it needs with it.
    #[must_use]
    pub fn to_fragment(&self) -> String {
        let mut text = Vec::new();
        let is_set = |change: &Change| matches!(change, Change::Set(_));
        for run in self.changes.chunk_by(|one, next| is_set(one) == is_set(next)) {
            let mut prop = Element::new(Name::dav("prop"));
            for change in run {
                prop.push(match change {
                    Change::Set(property) => property.clone(),
                    Change::Remove(name) => Element::new(name.clone()),
                });
            }
            let instruction = if run.first().is_some_and(is_set) { "set" } else { "remove" };
            let instruction = Element::new(Name::dav(instruction)).with_child(prop);
            text.extend_from_slice(instruction.to_fragment().as_bytes());
        }
        String::from_utf8(text).expect("XML is written in UTF-8")
    }

    /// How many bytes the namespaces and languages have that stand on the properties themselves.
    pub(crate) fn scope_bytes(&self) -> usize {
        let scope = |change: &Change| match change {
            Change::Set(property) => {
                let namespaces =
                    property.declarations().map(|(prefix, name)| prefix.len() + name.len());
                namespaces.sum::<usize>() + property.lang().map_or(0, str::len)
            }
            Change::Remove(name) => name.namespace().len(),
        };
        self.changes.iter().map(scope).sum()
    }
}

/// Reads the open element to its end: a `DAV:set` or `DAV:remove`, of which the properties are added
/// to the changes, or another one, which is passed over.
pub(crate) fn read_changes(
    reader: &mut Reader<&[u8]>,
    element: &Start,
    changes: &mut Vec<Change>,
) -> Result<(), Error> {
    let set = element.name.is_dav("set");
    if !set && !element.name.is_dav("remove") {
        return reader.skip();
    }
    while let Some(child) = reader.child()? {
        if !child.name.is_dav("prop") {
            reader.skip()?;
            continue;
        }
        while let Some(property) = reader.child()? {
            changes.push(if set {
                Change::Set(reader.element(property)?)
            } else {
                reader.skip()?;
                Change::Remove(property.name)
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Vec<Change>, String> {
        let update = PropertyUpdate::parse(body.as_bytes(), Limits::default());
        update.map(|update| update.changes).map_err(|error| error.to_string())
    }

    fn fragment(text: &str) -> Result<Vec<Change>, String> {
        let update = PropertyUpdate::parse_fragment(text, Limits::default());
        update.map(|update| update.changes).map_err(|error| error.to_string())
    }

    #[test]
    fn example_of_rfc4918_9_2_2() {
        let changes = parse(
            r#"<?xml version="1.0" encoding="utf-8" ?>
            <D:propertyupdate xmlns:D="DAV:" xmlns:Z="http://ns.example.com/standards/z39.50/">
              <D:set>
                <D:prop>
                  <Z:Authors>
                    <Z:Author>Jim Whitehead</Z:Author>
                    <Z:Author>Roy Fielding</Z:Author>
                  </Z:Authors>
                </D:prop>
              </D:set>
              <D:remove>
                <D:prop><Z:Copyright-Owner/></D:prop>
              </D:remove>
            </D:propertyupdate>"#,
        )
        .unwrap();
        let [Change::Set(authors), Change::Remove(owner)] = &changes[..] else { panic!() };
        assert_eq!(authors.elements().count(), 2);
        assert_eq!(owner.to_string(), "{http://ns.example.com/standards/z39.50/}Copyright-Owner");
    }

    #[test]
    fn the_language_in_scope_is_kept_rfc4918_14_26() {
        for body in [
            "<D:propertyupdate xmlns:D='DAV:' xml:lang='de'><D:set><D:prop><D:a/></D:prop></D:set></D:propertyupdate>",
            "<D:propertyupdate xmlns:D='DAV:'><D:set xml:lang='de'><D:prop><D:a/></D:prop></D:set></D:propertyupdate>",
            "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop xml:lang='de'><D:a/></D:prop></D:set></D:propertyupdate>",
            "<D:propertyupdate xmlns:D='DAV:' xml:lang='en'><D:set><D:prop><D:a xml:lang='de'/></D:prop></D:set></D:propertyupdate>",
        ] {
            let changes = parse(body).unwrap();
            let [Change::Set(property)] = &changes[..] else { panic!() };
            assert_eq!(property.lang(), Some("de"), "{body}");
        }
    }

    #[test]
    fn changes_stay_in_order_rfc4918_9_2() {
        let changes = fragment(
            "<D:remove><D:prop><D:a/><D:b/></D:prop></D:remove>\
             <E:x xmlns:E='urn:e'><D:set/></E:x>\
             <D:set><D:prop><D:a>1</D:a></D:prop><D:prop><D:a>2</D:a></D:prop></D:set>",
        );
        let changes = changes.unwrap();
        let names: Vec<_> = changes.iter().map(|change| change.name().local()).collect();
        assert_eq!(names, ["a", "b", "a", "a"]);
        let Change::Set(last) = &changes[3] else { panic!() };
        assert_eq!(last.text(), "2");
    }

    #[test]
    fn a_fragment_is_written_and_read_again() {
        let update = |text: &str| PropertyUpdate::parse_fragment(text, Limits::default());
        for (text, written) in [
            (
                "<D:set><D:prop><D:a>1</D:a></D:prop></D:set><D:set><D:prop><b/></D:prop></D:set>",
                "<D:set xmlns:D=\"DAV:\"><D:prop><D:a>1</D:a><b/></D:prop></D:set>",
            ),
            (
                "<D:remove><D:prop><a xmlns='urn:a'/></D:prop></D:remove>",
                "<D:remove xmlns:D=\"DAV:\"><D:prop><ns0:a xmlns:ns0=\"urn:a\"/></D:prop></D:remove>",
            ),
            (
                "<D:set xml:lang='de' xmlns:x='urn:x'><D:prop><x:a x:b='1'>x:c \
                 <x:d>&#13;</x:d> &amp;</x:a></D:prop></D:set>",
                "<D:set xmlns:D=\"DAV:\"><D:prop><x:a x:b=\"1\" xml:lang=\"de\" xmlns:x=\"urn:x\">x:c \
                 <x:d>&#13;</x:d> &amp;</x:a></D:prop></D:set>",
            ),
        ] {
            let read = update(text).unwrap();
            assert_eq!(read.to_fragment(), written);
            assert_eq!(update(written).unwrap(), read, "{text}");
        }
        let mixed = "<D:set><D:prop><D:a/></D:prop></D:set><D:remove><D:prop><D:a/><D:b/></D:prop>\
                     </D:remove><D:set><D:prop><D:b/></D:prop></D:set>";
        let read = update(mixed).unwrap();
        assert_eq!(update(&read.to_fragment()).unwrap(), read, "in their order");
    }

    #[test]
    fn what_changes_nothing_is_an_error() {
        for bad in [
            "",
            "<D:set/>",
            "<D:set><D:prop/></D:set>",
            "<D:set><D:a/></D:set>",
            "<set><prop><a/></prop></set>",
            "<D:prop><D:a/></D:prop>",
            "<D:set><D:prop><D:a></D:prop></D:set>",
            "</D:propertyupdate><x/>",
            "<D:set><D:prop>text</D:prop></D:set>",
        ] {
            assert!(fragment(bad).is_err(), "{bad}");
        }
        assert!(parse("").is_err());
        assert!(parse("<D:propfind xmlns:D='DAV:'/>").is_err());
    }
}
