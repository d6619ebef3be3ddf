//! Precondition and postcondition codes (RFC 4918 §16, RFC 4331 §6).

use multistatus::xml::{Element, Name};

/// Which demand on a request or on its effect was not met: what stands in `DAV:error`.
///
/// The status that goes with each is in its description; which one is sent is not decided here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `lock-token-matches-request-uri` (409): UNLOCK of a lock that isn't on this resource.
    LockTokenMatchesRequestUri,
    /// `lock-token-submitted` (423): a lock is in the way.
    LockTokenSubmitted {
        /// Locked resources, at least one.
        hrefs: Vec<String>,
    },
    /// `no-conflicting-lock` (423): LOCK of what is locked already.
    NoConflictingLock {
        /// The roots of the locks in the way, if they may be told.
        hrefs: Vec<String>,
    },
    /// `no-external-entities` (403): the body has a DTD.
    NoExternalEntities,
    /// `preserved-live-properties` (409): a live property would not stay live at the target.
    PreservedLiveProperties,
    /// `propfind-finite-depth` (403): PROPFIND may not go that deep.
    PropfindFiniteDepth,
    /// `cannot-modify-protected-property` (403): PROPPATCH of a property the server maintains.
    CannotModifyProtectedProperty,
    /// `quota-not-exceeded` (507, RFC 4331 §6): the principal's share is used up.
    QuotaNotExceeded,
    /// `sufficient-disk-space` (507, RFC 4331 §6): the store is full.
    SufficientDiskSpace,
}

impl Condition {
    /// The name of its element, in the namespace `DAV:`.
    #[must_use]
    pub fn name(&self) -> Name {
        Name::dav(match self {
            Self::LockTokenMatchesRequestUri => "lock-token-matches-request-uri",
            Self::LockTokenSubmitted { .. } => "lock-token-submitted",
            Self::NoConflictingLock { .. } => "no-conflicting-lock",
            Self::NoExternalEntities => "no-external-entities",
            Self::PreservedLiveProperties => "preserved-live-properties",
            Self::PropfindFiniteDepth => "propfind-finite-depth",
            Self::CannotModifyProtectedProperty => "cannot-modify-protected-property",
            Self::QuotaNotExceeded => "quota-not-exceeded",
            Self::SufficientDiskSpace => "sufficient-disk-space",
        })
    }

    /// Its element, to stand in `DAV:error`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let hrefs = match self {
            Self::LockTokenSubmitted { hrefs } | Self::NoConflictingLock { hrefs } => &hrefs[..],
            _ => &[],
        };
        hrefs.iter().fold(Element::new(self.name()), |element, href| {
            element.with_child(Element::new(Name::dav("href")).with_text(href))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc4918_16() {
        let hrefs = vec!["/workspace/webdav/".to_owned()];
        let element = Condition::LockTokenSubmitted { hrefs }.to_element();
        assert!(element.name().is_dav("lock-token-submitted"));
        let href = element.child(&Name::dav("href")).unwrap();
        assert_eq!(href.text(), "/workspace/webdav/");
    }

    #[test]
    fn the_others_are_empty() {
        let element = Condition::PropfindFiniteDepth.to_element();
        assert!(element.children().is_empty() && element.name().is_dav("propfind-finite-depth"));
    }
}
