//! The one map from what went wrong, in a store or with a document, to a status code.

use http::StatusCode;
use polydav_proto::batch::Fault;
use polydav_store::{Failure, FailureKind, Members};

/// The status of a failure, wherever it is told: as the answer, of an item, or of a member.
pub(crate) fn of(failure: &Failure) -> StatusCode {
    match failure.kind {
        FailureKind::Members => of_members(&failure.members),
        kind => of_kind(kind),
    }
}

/// The status of a failure that has no members.
pub(crate) fn of_kind(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::Exists | FailureKind::IsCollection | FailureKind::Unsuited => {
            StatusCode::METHOD_NOT_ALLOWED
        }
        FailureKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        FailureKind::TargetExists | FailureKind::Precondition => StatusCode::PRECONDITION_FAILED,
        FailureKind::Locked | FailureKind::LockConflict => StatusCode::LOCKED,
        FailureKind::ParentMissing
        | FailureKind::NoSuchLock
        | FailureKind::Conflict
        | FailureKind::Members => StatusCode::CONFLICT,
        FailureKind::Forbidden
        | FailureKind::Overlap
        | FailureKind::ReadOnly
        | FailureKind::Unsupported => StatusCode::FORBIDDEN,
        FailureKind::NameTooLong | FailureKind::ContentLength => StatusCode::BAD_REQUEST,
        FailureKind::CrossStore => StatusCode::BAD_GATEWAY,
        FailureKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        FailureKind::Exhausted | FailureKind::Busy | FailureKind::NotAttempted => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        FailureKind::Dependency => StatusCode::FAILED_DEPENDENCY,
        FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status of a fault in a document, or in a value of one.
pub(crate) fn of_fault(fault: Fault) -> StatusCode {
    match fault {
        Fault::Malformed => StatusCode::BAD_REQUEST,
        Fault::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

/// What failed members come to for the whole: their common code, else one of the server's errors
/// among them, else 409.
fn of_members(members: &Members) -> StatusCode {
    let mut codes = members.list().iter().map(|member| of_kind(member.kind));
    let Some(first) = codes.next() else { return StatusCode::CONFLICT };
    if codes.clone().all(|code| code == first) {
        return first;
    }
    let mut all = std::iter::once(first).chain(codes);
    all.find(StatusCode::is_server_error).unwrap_or(StatusCode::CONFLICT)
}

/// A sentence for clients, where the failure brings none of its own.
pub(crate) fn describe(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::NotFound => "there is no such resource",
        FailureKind::ParentMissing => "the collection it would be in does not exist",
        FailureKind::Exists => "there is a resource already",
        FailureKind::TargetExists => "there is a resource at the destination, and Overwrite is F",
        FailureKind::IsCollection => "it is a collection",
        FailureKind::Unsuited => "this is not for this kind of resource",
        FailureKind::Invalid => "the columns don't make a record",
        FailureKind::Conflict => "it goes against another record",
        FailureKind::Precondition => "a condition of the request does not hold",
        FailureKind::Locked => "it is locked, and the token of the lock was not submitted",
        FailureKind::LockConflict => "there is a lock that forbids this one",
        FailureKind::NoSuchLock => "the token is not that of a lock on this resource",
        FailureKind::Forbidden => "permission denied",
        FailureKind::Overlap => "source and destination are the same, or one lies in the other",
        FailureKind::ReadOnly => "it is read-only",
        FailureKind::NameTooLong => "a name in the path is too long",
        FailureKind::CrossStore => "source and destination are in different stores",
        FailureKind::NoSpace => "there is not enough space",
        FailureKind::Exhausted => "a limit of the server is reached",
        FailureKind::Busy => "other requests keep the resource busy",
        FailureKind::NotAttempted => "not attempted: time was up",
        FailureKind::Dependency => "not attempted: another operation failed",
        FailureKind::ContentLength => "the content does not have the announced length",
        FailureKind::Unsupported => "this can't be done here",
        FailureKind::Members => "some members failed",
        FailureKind::Internal => "the server failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polydav_store::{Member, ResourcePath};

    fn members(kinds: &[FailureKind]) -> StatusCode {
        let member = |&kind| Member { path: ResourcePath::root(), kind };
        of_members(&kinds.iter().map(member).collect())
    }

    #[test]
    fn a_tree_takes_the_code_of_its_members() {
        use FailureKind::*;
        assert_eq!(members(&[Locked, Locked]), StatusCode::LOCKED);
        assert_eq!(members(&[Locked, Forbidden]), StatusCode::CONFLICT);
        assert_eq!(members(&[Locked, NoSpace, Forbidden]), StatusCode::INSUFFICIENT_STORAGE);
    }
}
