//! What clients do that no RFC asks for, in one table.
//!
//! A row is a transcript `conformance/transcripts/quirk-*.txt`. Nothing else in this crate looks at
//! who is asking.

use http::{HeaderMap, header};

/// Something a client does, or needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quirk {
    /// Microsoft Office submits the token of its lock in `Lock-Token` instead of `If`.
    TokenInLockToken,
    /// The npm package `webdav` writes `Lock-Token` of UNLOCK without angle brackets.
    BareLockToken,
    /// Windows shows the `displayname` as the name of the file, and acts on it.
    DisplayNameIsSegment,
    /// ownCloud's clients, and rclone for that vendor, send the modification time of a PUT.
    ModifiedTimeOfPut,
}

/// Who does it: a beginning of `User-Agent`, or everybody.
const TABLE: &[(Quirk, Option<&str>)] = &[
    (Quirk::TokenInLockToken, None),
    (Quirk::BareLockToken, None),
    (Quirk::DisplayNameIsSegment, Some("Microsoft-WebDAV-MiniRedir")),
    (Quirk::ModifiedTimeOfPut, None),
];

/// Whether the client with these header fields has a quirk.
pub(crate) fn has(quirk: Quirk, headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    TABLE
        .iter()
        .any(|(row, who)| *row == quirk && who.is_none_or(|who| agent.starts_with(who.as_bytes())))
}

/// The header field of [`Quirk::ModifiedTimeOfPut`]: seconds since 1970.
pub(crate) const MODIFIED_TIME: &str = "x-oc-mtime";
