//! The body of PROPFIND (RFC 4918 §9.1, §14.20).

use multistatus::xml::{DAV, Error, Limits, Name, Reader};

use super::{names, root};

/// Which properties PROPFIND is to tell (RFC 4918 §14.20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropFind {
    /// All dead properties, the live ones of RFC 4918, and those named.
    AllProp {
        /// What `DAV:include` names, each once.
        include: Vec<Name>,
    },
    /// The names of all properties, without values.
    PropName,
    /// These, each once.
    Prop(Vec<Name>),
}

impl PropFind {
    /// Reads the body. An empty one asks for all properties (RFC 4918 §9.1).
    ///
    /// # Errors
    ///
    /// If it is not XML, or does not ask for exactly one of the three.
    pub fn parse(body: &[u8], limits: Limits) -> Result<Self, Error> {
        if body.is_empty() {
            return Ok(Self::AllProp { include: Vec::new() });
        }
        let mut reader = Reader::with_limits(body, limits);
        root(&mut reader, "propfind")?;
        let (mut asked, mut include) = (None, None);
        while let Some(child) = reader.child()? {
            let more = if child.name.is_dav("prop") {
                Some(Self::Prop(names(&mut reader)?))
            } else if child.name.is_dav("include") && include.is_none() {
                include = Some(names(&mut reader)?);
                None
            } else {
                reader.skip()?;
                match child.name.local() {
                    _ if child.name.namespace() != DAV => None,
                    "allprop" => Some(Self::AllProp { include: Vec::new() }),
                    "propname" => Some(Self::PropName),
                    "include" => return Err(reader.error("DAV: include once")),
                    _ => None,
                }
            };
            if more.is_some() && asked.is_some() {
                return Err(reader.error(ONE));
            }
            asked = asked.or(more);
        }
        let propfind = match (asked, include) {
            (Some(Self::AllProp { .. }), Some(include)) => Self::AllProp { include },
            (Some(_), Some(_)) => return Err(reader.error("DAV: include only beside DAV: allprop")),
            (Some(asked), None) => asked,
            (None, _) => return Err(reader.error(ONE)),
        };
        reader.finish()?;
        Ok(propfind)
    }
}

const ONE: &str = "one of DAV: prop, allprop and propname";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(children: &str) -> Result<PropFind, String> {
        let body = format!("<D:propfind xmlns:D=\"DAV:\">{children}</D:propfind>");
        PropFind::parse(body.as_bytes(), Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn examples_of_rfc4918_9_1() {
        let named = br#"<?xml version="1.0" encoding="utf-8" ?>
            <D:propfind xmlns:D="DAV:">
              <D:prop xmlns:R="http://ns.example.com/boxschema/">
                <R:bigbox/> <R:author/> <R:DingALing/> <R:Random/>
              </D:prop>
            </D:propfind>"#;
        let Ok(PropFind::Prop(names)) = PropFind::parse(named, Limits::default()) else { panic!() };
        assert_eq!(names.len(), 4);
        assert_eq!(names[0].to_string(), "{http://ns.example.com/boxschema/}bigbox");
        assert_eq!(parse("<D:propname/>"), Ok(PropFind::PropName));
        assert_eq!(parse("<D:allprop/>"), Ok(PropFind::AllProp { include: vec![] }));
        let include =
            "<D:allprop/><D:include><D:supported-live-property-set/><D:a/><D:a/></D:include>";
        let names = vec![Name::dav("supported-live-property-set"), Name::dav("a")];
        assert_eq!(parse(include), Ok(PropFind::AllProp { include: names }));
    }

    #[test]
    fn an_empty_body_asks_for_all_rfc4918_9_1() {
        let all = PropFind::AllProp { include: vec![] };
        assert_eq!(PropFind::parse(b"", Limits::default()).unwrap(), all);
    }

    #[test]
    fn the_unknown_is_passed_over_rfc4918_a() {
        assert_eq!(
            parse(
                "<E:leave-out xmlns:E=\"http://e.example/\"><D:prop/></E:leave-out><D:propname/>"
            ),
            Ok(PropFind::PropName)
        );
        // Appendix A.2: what remains is an empty propfind.
        let error = parse("<E:expired-props xmlns:E=\"http://e.example/\"/>").unwrap_err();
        assert!(error.contains(ONE), "{error}");
    }

    #[test]
    fn contradictions() {
        for bad in [
            "",
            "text",
            "<D:prop/><D:prop/>",
            "<D:prop/><D:allprop/>",
            "<D:allprop/><D:prop/>",
            "<D:allprop/><D:propname/>",
            "<D:include/>",
            "<D:prop/><D:include/>",
            "<D:include/><D:propname/>",
            "<D:allprop/><D:include/><D:include/>",
            "<D:prop>text</D:prop>",
            "<prop/>",
            "<D:allprop>",
            "<D:prop><bar:foo xmlns:bar=\"\"/></D:prop>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in ["<propfind/>", "<D:propertyupdate xmlns:D=\"DAV:\"/>", " ", "x"] {
            assert!(PropFind::parse(bad.as_bytes(), Limits::default()).is_err(), "{bad:?}");
        }
    }
}
