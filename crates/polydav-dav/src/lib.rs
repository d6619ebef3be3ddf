//! WebDAV over the engine of polydav: a file for each method, and the batch endpoint; and rows of
//! tables beside files.
//!
//! A request comes in as an [`http::Request`] and is read into values; a method that changes
//! something makes a plan of it and has the engine run that; what became of each step is written
//! as a 207, or as a single status where there is one resource. [`Dav::call`] never fails: what
//! went wrong is an answer too.
//!
//! Statuses are made here and nowhere below; `status` holds the one map from a store's failure to a
//! code.

mod batch;
mod body;
mod buffer;
mod change;
mod get;
mod guard;
mod intake;
mod live;
mod lock;
mod naming;
mod options;
mod output;
mod page;
mod pipeline;
mod problem;
mod propfind;
mod proppatch;
mod quirk;
mod record;
mod reply;
mod request;
mod site;
mod status;
mod wanted;

use std::pin::Pin;
use std::sync::Arc;

use http::header::ALLOW;
use http::{Response, StatusCode};
use polydav_engine::Engine;
use polydav_store::Principal;

pub use crate::batch::{BatchCounts, BatchOptions, BatchTally};
pub use crate::body::{Body, Incoming};
pub use crate::site::{Base, Foreign, InvalidPublicUrl, PublicUrl, Site};

use crate::get::Want;
use crate::problem::Problem;
use crate::request::Request;

/// The bounds of requests.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many resources a PROPFIND of depth infinity tells of; `None` refuses that depth.
    pub infinity_budget: Option<u64>,
    /// The longest file that a PUT, or a put of a batch, may make, in bytes.
    pub put_bytes_max: Option<u64>,
    /// The longest XML body of a method, in bytes.
    pub xml_bytes_max: usize,
    /// The bounds of batches.
    pub batch: BatchOptions,
}

impl Options {
    /// What to say of a file of so many bytes, if that is more than a PUT may make.
    fn exceeds_put(&self, length: u64) -> Option<String> {
        let max = self.put_bytes_max.filter(|&max| length > max)?;
        Some(format!("a file may have {max} bytes at most"))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            infinity_budget: Some(1_000_000),
            put_bytes_max: None,
            xml_bytes_max: 1024 * 1024,
            batch: BatchOptions::default(),
        }
    }
}

/// A WebDAV service over one store. Clones are handles of the same service.
#[derive(Debug, Clone)]
pub struct Dav(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    site: Site,
    options: Options,
    running: batch::Running,
    /// The large answers of jobs that are being told: none waits for a batch that runs.
    telling: batch::Running,
}

impl Dav {
    /// A service over what `engine` runs.
    pub fn new(engine: Engine, site: Site, options: Options) -> Self {
        let (running, telling) = Default::default();
        Self(Arc::new(Inner { engine, site, options, running, telling }))
    }

    /// Which hosts are ours.
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// What runs the plans.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Answers a request of `principal`.
    pub async fn call(
        &self,
        request: http::Request<Incoming>,
        principal: Principal,
    ) -> Response<Body> {
        let base = self.0.site.base(request.headers());
        let method = request.method().clone();
        let request = match Request::read(request, base.clone(), principal) {
            Ok(request) => request,
            Err(problem) => return problem.answer(&self.0.engine, base, None).await,
        };
        let path = request.path.clone();
        match self.dispatch(method.as_str(), request).await {
            Ok(response) => response,
            Err(problem) => problem.answer(&self.0.engine, base, Some(path)).await,
        }
    }

    async fn dispatch(
        &self,
        method: &str,
        mut request: Request,
    ) -> Result<Response<Body>, Problem> {
        let has_body =
            matches!(method, "POST" | "PUT" | "PATCH" | "PROPFIND" | "PROPPATCH" | "LOCK");
        if !has_body && options::is_known(method) {
            intake::refuse(&mut request.body).await?;
        }
        // In a box, what a method is in the middle of isn't moved with every request; the largest is
        // three times what reading takes.
        let Inner { engine, options, .. } = &*self.0;
        let answering: Answering<'_> = match method {
            _ if request.is_batch() => Box::pin(self.dispatch_batch(method, request)),
            _ if request::is_reserved(&request.path) => {
                Box::pin(batch::answer_job(self.service(), method, request))
            }
            "OPTIONS" => Box::pin(options::options(engine, request)),
            "GET" => Box::pin(get::get(engine, request, Want::Content)),
            "HEAD" => Box::pin(get::get(engine, request, Want::Header)),
            "PUT" => Box::pin(change::put(engine, options, request)),
            "DELETE" => Box::pin(change::delete(self.service(), request)),
            "MKCOL" => Box::pin(change::mkcol(engine, request)),
            "COPY" => Box::pin(change::copy(self.service(), request)),
            "MOVE" => Box::pin(change::r#move(self.service(), request)),
            "PROPFIND" => Box::pin(propfind::propfind(engine, options, request)),
            "PROPPATCH" => Box::pin(proppatch::proppatch(engine, options, request)),
            "LOCK" => Box::pin(lock::lock(engine, options, request)),
            "UNLOCK" => Box::pin(lock::unlock(engine, request)),
            "POST" => Box::pin(record::post(self.service(), request)),
            "PATCH" => Box::pin(record::patch(self.service(), request)),
            _ => return Err(not_implemented()),
        };
        answering.await
    }

    fn service(&self) -> Service<'_> {
        let Inner { engine, options, running, telling, .. } = &*self.0;
        Service { engine, options, running, telling }
    }

    async fn dispatch_batch(
        &self,
        method: &str,
        request: Request,
    ) -> Result<Response<Body>, Problem> {
        match method {
            "POST" => batch::batch(self.service(), request).await,
            "GET" => Ok(batch::describe(self.service(), &request)),
            "HEAD" => Ok(get::header_of(batch::describe(self.service(), &request))),
            "OPTIONS" => Ok(options::options_beside_dav(options::ALLOWED_BATCH)),
            _ if options::is_known(method) => Err(not_allowed(options::ALLOWED_BATCH)),
            _ => Err(not_implemented()),
        }
    }
}

/// What a method comes to.
type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send + 'a>>;

/// What many operations in one request need.
#[derive(Clone, Copy)]
struct Service<'a> {
    engine: &'a Engine,
    options: &'a Options,
    running: &'a batch::Running,
    telling: &'a batch::Running,
}

fn not_allowed(allowed: &'static str) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this resource")
        .with_header(ALLOW, allowed)
}

/// RFC 9110 §9.1 tells methods nobody here knows from those that don't suit the resource.
fn not_implemented() -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "this server has no such method")
}
