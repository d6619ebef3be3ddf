//! `Request`: what every method sees of a request, read once.

use http::{HeaderMap, StatusCode};
use polydav_proto::header::{self, Depth, Destination, Overwrite as OverwriteField};
use polydav_proto::reference::Reference;
use polydav_store::{Guard, Overwrite, Principal, ResourcePath};

use crate::body::Incoming;
use crate::guard;
use crate::problem::Problem;
use crate::site::Base;

/// The path of the batch endpoint; nothing else lies there.
pub(crate) const BATCH: &[u8] = b"batch-operation";

/// A request that names a resource of ours.
pub(crate) struct Request {
    pub(crate) path: ResourcePath,
    /// Whether the URL ended in a slash.
    pub(crate) slash: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) base: Base,
    pub(crate) principal: Principal,
    pub(crate) body: Incoming,
}

impl Request {
    pub(crate) fn read(
        request: http::Request<Incoming>,
        base: Base,
        principal: Principal,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let reference = match target {
            "*" => Reference::parse(b"/")?,
            target => Reference::parse(target.as_bytes())?,
        };
        let path = ResourcePath::from_segments(reference.path.segments())
            .expect("a path of the wire keeps the rules of a resource path");
        let slash = reference.path.has_slash();
        Ok(Self { path, slash, headers: parts.headers, base, principal, body })
    }

    pub(crate) fn is_batch(&self) -> bool {
        self.path.as_bytes() == BATCH
    }

    /// The conditions of the header.
    pub(crate) fn guard(&self) -> Result<Guard, Problem> {
        guard::of_request(&self.headers, &self.base, &self.principal)
    }

    pub(crate) fn depth(&self) -> Result<Option<Depth>, Problem> {
        Ok(header::read::<Depth>(&self.headers)?)
    }

    pub(crate) fn overwrite(&self) -> Result<Overwrite, Problem> {
        Ok(match header::read::<OverwriteField>(&self.headers)?.unwrap_or_default() {
            OverwriteField::Replace => Overwrite::Replace,
            OverwriteField::Refuse => Overwrite::Refuse,
        })
    }

    /// Where a COPY or MOVE goes (RFC 4918 §10.3).
    pub(crate) fn destination(&self) -> Result<ResourcePath, Problem> {
        let Some(Destination(reference)) = header::read::<Destination>(&self.headers)? else {
            return Err(Problem::bad_request("the header field Destination is missing"));
        };
        let path = self.base.resolve(&reference)?;
        if is_reserved(&path) {
            return Err(reserved());
        }
        Ok(path)
    }
}

/// Whether the batch endpoint hides what may lie at the path.
pub(crate) fn is_reserved(path: &ResourcePath) -> bool {
    path.segments().next() == Some(BATCH)
}

pub(crate) fn reserved() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "this is the batch endpoint, and no resource")
}
