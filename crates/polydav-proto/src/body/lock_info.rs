//! The body of LOCK (RFC 4918 §9.10, §14.11).

use multistatus::xml::{Element, Error, Limits, Reader};

use super::root;

/// The lock a client wants (RFC 4918 §14.11). To refresh one, LOCK has no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInfo {
    /// Who else may have one.
    pub scope: LockScope,
    /// What it keeps others from.
    pub kind: LockKind,
    /// Who wants it: the whole `DAV:owner`, to be kept as it is (RFC 4918 §14.17).
    pub owner: Option<Element>,
}

/// Who else may have a lock on the resource (RFC 4918 §14.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockScope {
    /// Nobody.
    Exclusive,
    /// Others with a shared lock.
    Shared,
}

/// What a lock keeps others from (RFC 4918 §14.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockKind {
    /// Changing the resource.
    Write,
}

impl LockInfo {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// If it is not XML, or lacks a scope or a type that is known, or has two of them.
    pub fn parse(body: &[u8], limits: Limits) -> Result<Self, Error> {
        let mut reader = Reader::with_limits(body, limits);
        root(&mut reader, "lockinfo")?;
        let (mut scope, mut kind, mut owner) = (None, None, None);
        while let Some(child) = reader.child()? {
            if child.name.is_dav("lockscope") && scope.is_none() {
                scope = Some(choice(&mut reader, SCOPES, "one of DAV: exclusive and shared")?);
            } else if child.name.is_dav("locktype") && kind.is_none() {
                kind = Some(choice(&mut reader, KINDS, "DAV: write")?);
            } else if child.name.is_dav("owner") && owner.is_none() {
                owner = Some(reader.element(child)?);
            } else if ["lockscope", "locktype", "owner"].iter().any(|name| child.name.is_dav(name))
            {
                return Err(reader.error("each element once"));
            } else {
                reader.skip()?;
            }
        }
        let scope = scope.ok_or_else(|| reader.error("a DAV: lockscope"))?;
        let kind = kind.ok_or_else(|| reader.error("a DAV: locktype"))?;
        reader.finish()?;
        Ok(Self { scope, kind, owner })
    }
}

const SCOPES: &[(&str, LockScope)] =
    &[("exclusive", LockScope::Exclusive), ("shared", LockScope::Shared)];
const KINDS: &[(&str, LockKind)] = &[("write", LockKind::Write)];

/// The one of these elements that the open one holds.
fn choice<T: Copy>(
    reader: &mut Reader<&[u8]>,
    known: &[(&str, T)],
    expected: &'static str,
) -> Result<T, Error> {
    let mut chosen = None;
    while let Some(child) = reader.child()? {
        if let Some((_, value)) = known.iter().find(|(name, _)| child.name.is_dav(name)) {
            if chosen.is_some() {
                return Err(reader.error(expected));
            }
            chosen = Some(*value);
        }
        reader.skip()?;
    }
    chosen.ok_or_else(|| reader.error(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(children: &str) -> Result<LockInfo, String> {
        let body = format!("<D:lockinfo xmlns:D=\"DAV:\">{children}</D:lockinfo>");
        LockInfo::parse(body.as_bytes(), Limits::default()).map_err(|error| error.to_string())
    }

    const SCOPE: &str = "<D:lockscope><D:exclusive/></D:lockscope>";
    const KIND: &str = "<D:locktype><D:write/></D:locktype>";

    #[test]
    fn example_of_rfc4918_9_10_7() {
        let owner = "<D:owner> <D:href>http://example.org/~ejw/contact.html</D:href> </D:owner>";
        let lock = parse(&format!("{SCOPE}{KIND}{owner}")).unwrap();
        assert_eq!((lock.scope, lock.kind), (LockScope::Exclusive, LockKind::Write));
        let owner = lock.owner.unwrap();
        assert_eq!(owner.elements().next().unwrap().text(), "http://example.org/~ejw/contact.html");
        assert_eq!(owner.text(), "  ");
    }

    #[test]
    fn owners_are_optional_and_elements_in_any_order() {
        let lock = parse(&format!("{KIND}<D:x/><D:lockscope><D:shared/></D:lockscope>")).unwrap();
        assert_eq!((lock.scope, lock.owner), (LockScope::Shared, None));
    }

    #[test]
    fn what_is_no_lockinfo_rfc4918_14_11() {
        for bad in [
            String::new(),
            SCOPE.to_owned(),
            KIND.to_owned(),
            format!("{SCOPE}{SCOPE}{KIND}"),
            format!("{SCOPE}{KIND}<D:owner/><D:owner/>"),
            format!("{SCOPE}<D:locktype><D:read/></D:locktype>"),
            format!("<D:lockscope/>{KIND}"),
            format!("<D:lockscope><D:shared/><D:exclusive/></D:lockscope>{KIND}"),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
