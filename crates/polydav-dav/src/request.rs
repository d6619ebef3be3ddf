//! `Request`: what every method sees of a request, read once.

use http::{HeaderMap, StatusCode};
use polydav_proto::header::{self, Depth, Destination, Overwrite as OverwriteField};
use polydav_proto::reference::{InvalidKind, InvalidReference, Reference};
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
    /// What stood behind it, where that may be: in a request that reads.
    pub(crate) query: Option<Query>,
    pub(crate) headers: HeaderMap,
    pub(crate) base: Base,
    pub(crate) principal: Principal,
    pub(crate) body: Incoming,
}

/// The query of a URL.
pub(crate) struct Query {
    pub(crate) text: String,
    /// Where it began.
    pub(crate) at: usize,
}

impl Query {
    /// What to say of one that began there, where no resource has one.
    pub(crate) fn refused(at: usize) -> Problem {
        InvalidReference { offset: at, kind: InvalidKind::Query }.into()
    }
}

impl Request {
    pub(crate) fn read(
        request: http::Request<Incoming>,
        base: Base,
        principal: Principal,
    ) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let may_ask = matches!(parts.method.as_str(), "GET" | "HEAD");
        let (target, query) = match target.split_once('?') {
            Some((path, query)) if may_ask => {
                (path, Some(Query { text: query.to_owned(), at: path.len() }))
            }
            _ => (target, None),
        };
        let reference = match target {
            "*" => Reference::parse(b"/")?,
            target => Reference::parse(target.as_bytes())?,
        };
        let path = ResourcePath::from_segments(reference.path.segments())
            .expect("a path of the wire keeps the rules of a resource path");
        let slash = reference.path.has_slash();
        let headers = parts.headers;
        let request = Self { path, slash, query, headers, base, principal, body };
        match request.query {
            Some(ref query) if is_reserved(&request.path) => Err(Query::refused(query.at)),
            _ => Ok(request),
        }
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
