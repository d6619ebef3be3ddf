//! A service over a store, and short words for asking it and for what it says.
//!
//! A request is one text: the method and the target, the header fields, an empty line, the body.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

pub mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use multistatus::xml::{Element, Limits};
use multistatus::{MultiStatus, Report, Response};
use polydav_dav::{Dav, Incoming, Options, Site};
use polydav_engine::{Engine, Environment, KeepLimits};
use polydav_store::kit::{self, Draft};
use polydav_store::{
    BatchLedger, Durability, Ledger, MemoryLedger, MemoryRecords, MemoryStore, Principal, Store,
};
use tokio::runtime::Runtime;

pub mod gate;

pub struct World {
    pub dav: Dav,
    pub store: Arc<dyn Store>,
    pub runtime: Runtime,
    /// By how many seconds the clock of the service is ahead.
    ahead: Arc<AtomicU64>,
}

/// What a world is made of, where it isn't the usual.
pub struct Made {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub batches: Arc<dyn BatchLedger>,
    pub keep: KeepLimits,
    pub site: Site,
    pub options: Options,
    pub patience: Duration,
    pub durability: Durability,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            ledger: Arc::new(MemoryLedger::default()),
            batches: Arc::new(MemoryLedger::default()),
            keep: KeepLimits::default(),
            site: Site::default(),
            options: Options::default(),
            patience: Duration::from_secs(10),
            durability: Durability::Full,
        }
    }
}

impl World {
    pub fn new() -> Self {
        Self::of(Made::default())
    }

    pub fn with(options: Options) -> Self {
        Self::of(Made { options, ..Made::default() })
    }

    /// One of records: the tables of `tables`.
    pub fn of_records() -> Self {
        Self::over(Arc::new(MemoryRecords::new(tables::TABLES)))
    }

    pub fn over(store: Arc<dyn Store>) -> Self {
        Self::of(Made { store, ..Made::default() })
    }

    pub fn of(made: Made) -> Self {
        let Made { store, ledger, batches, keep, site, options, patience, durability } = made;
        let ahead = Arc::new(AtomicU64::new(0));
        // What one world makes may be looked at in the next.
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let clock = Arc::clone(&ahead);
        let environment = Environment::new(
            move || SystemTime::now() + Duration::from_secs(clock.load(Ordering::Relaxed)),
            move || u128::from(NUMBERS.fetch_add(1, Ordering::Relaxed)),
        );
        let engine_options = polydav_engine::Options { patience, durability, ..Default::default() };
        let engine = Engine::open(Arc::clone(&store), ledger, environment, engine_options).unwrap();
        let engine = engine.keeping(batches, keep).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        Self { dav: Dav::new(engine, site, options), store, runtime, ahead }
    }

    /// Makes resources without asking the service.
    pub fn given(self, drafts: impl IntoIterator<Item = Draft>) -> Self {
        kit::given(&*self.store, drafts);
        self
    }

    /// All there is, a line each, as [`kit::lines`] has it.
    pub fn tree(&self) -> Vec<String> {
        kit::lines(&*self.store)
    }

    /// Lets time go by.
    pub fn wait(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn ask(&self, text: impl AsRef<str>) -> Reply {
        self.ask_as(Principal::Anonymous, text)
    }

    pub fn ask_as(&self, principal: Principal, text: impl AsRef<str>) -> Reply {
        self.send(request(text.as_ref()), principal)
    }

    pub fn send(&self, request: Request<Incoming>, principal: Principal) -> Reply {
        let dav = self.dav.clone();
        self.runtime.block_on(answer(dav, request, principal))
    }

    /// The status alone.
    pub fn status(&self, text: impl AsRef<str>) -> u16 {
        self.ask(text).status
    }

    /// Takes an exclusive lock; returns its token.
    pub fn lock(&self, target: &str) -> String {
        self.lock_by(Principal::Anonymous, target, "exclusive", "infinity")
    }

    pub fn lock_by(&self, who: Principal, target: &str, scope: &str, depth: &str) -> String {
        let reply = self.ask_as(who, format!("LOCK {target}\nDepth: {depth}\n\n{}", info(scope)));
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        reply.token()
    }
}

/// The body of a LOCK.
pub fn info(scope: &str) -> String {
    format!(
        "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:{scope}/></D:lockscope>\
         <D:locktype><D:write/></D:locktype></D:lockinfo>"
    )
}

/// Someone with a name.
pub fn named(name: &str) -> Principal {
    Principal::Named(name.into())
}

/// Reads a request from its text; the length of the body is added unless it is given.
pub fn request(text: &str) -> Request<Incoming> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(target.trim());
    let mut is_sized = false;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        is_sized |= name.eq_ignore_ascii_case("content-length");
        builder = builder.header(name, value.trim());
    }
    if !body.is_empty() && !is_sized {
        builder = builder.header("content-length", body.len());
    }
    builder.body(full(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

/// A body that is there as a whole.
pub fn full(bytes: Bytes) -> Incoming {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

pub async fn answer(dav: Dav, request: Request<Incoming>, principal: Principal) -> Reply {
    let (parts, body) = dav.call(request, principal).await.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes);
    Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.map_err(drop).ok() }
}

/// What the service said.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// `None` if it broke off.
    pub body: Option<Bytes>,
}

impl Reply {
    /// A header field; empty if it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn bytes(&self) -> &[u8] {
        self.body.as_ref().expect("the body is complete")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.bytes()).unwrap_or_else(|_| panic!("JSON: {}", self.text()))
    }

    /// The column that a problem says is at fault; empty if it says none. Checks that it is one.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem["column"].as_str().unwrap_or_default().to_owned()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    /// The token a LOCK gave.
    pub fn token(&self) -> String {
        self.header("lock-token").trim_matches(['<', '>']).to_owned()
    }

    /// The body as one element.
    pub fn xml(&self) -> Element {
        assert_eq!(self.header("content-type"), "application/xml; charset=\"utf-8\"");
        Element::parse(self.bytes(), Limits::default()).unwrap_or_else(|_| {
            panic!("one element: {}", self.text());
        })
    }

    /// The condition in a `DAV:error`, and its hrefs.
    pub fn condition(&self) -> String {
        let error = self.xml();
        assert!(error.name().is_dav("error"), "{}", self.text());
        let conditions: Vec<_> = error.elements().map(condition).collect();
        conditions.join(", ")
    }

    /// The body of a 207, read strictly.
    pub fn multistatus(&self) -> MultiStatus {
        assert_eq!(self.status, 207, "{self:?}");
        assert_eq!(self.header("content-type"), "application/xml; charset=\"utf-8\"");
        self.any_multistatus()
    }

    /// The same, whatever the status.
    pub fn any_multistatus(&self) -> MultiStatus {
        let multistatus = MultiStatus::from_xml(self.bytes()).unwrap();
        let mut hrefs: Vec<_> = multistatus.responses.iter().flat_map(|r| &r.hrefs).collect();
        let count = hrefs.len();
        hrefs.sort_unstable();
        hrefs.dedup();
        assert_eq!(hrefs.len(), count, "RFC 4918 §14.24: each href once");
        multistatus
    }

    /// The 207, a line for each response: `/a 423 lock-token-submitted /a`, or with properties
    /// `/a 200: displayname getetag, 404: x`. Sorted by href.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<_> = self.multistatus().responses.iter().map(line).collect();
        told.sort_unstable();
        told
    }

    /// The hrefs of a 207, in its order.
    pub fn hrefs(&self) -> Vec<String> {
        let responses = self.multistatus().responses;
        responses.iter().map(|response| response.href().to_owned()).collect()
    }

    /// The value of a property as XML, if it was told with 200: `<D:a xmlns:D="DAV:">b</D:a>`.
    pub fn property(&self, href: &str, local: &str) -> Option<String> {
        let multistatus = self.multistatus();
        let response = multistatus.responses.iter().find(|response| response.href() == href);
        let response = response.unwrap_or_else(|| panic!("nothing of {href}: {}", self.text()));
        let Report::Properties(stats) = &response.report else { panic!("{response:?}") };
        let found = stats.iter().find(|stat| stat.status.as_u16() == 200)?;
        let property = found.properties.iter().find(|p| p.name().local() == local)?;
        Some(match property.value() {
            multistatus::Value::Empty => String::new(),
            multistatus::Value::Text(text) => text.to_string(),
            multistatus::Value::Element(element) => {
                String::from_utf8(element.to_fragment().into_bytes().to_vec()).unwrap()
            }
            _ => panic!("a reader makes no other values"),
        })
    }
}

fn condition(element: &Element) -> String {
    let hrefs = element.elements().map(Element::text);
    std::iter::once(element.name().local().into()).chain(hrefs).collect::<Vec<_>>().join(" ")
}

fn line(response: &Response) -> String {
    let href = response.href();
    let conditions: Vec<_> = response.conditions.iter().map(condition).collect();
    let stats = match &response.report {
        Report::Status(status) => vec![status.as_u16().to_string()],
        Report::Properties(stats) => stats
            .iter()
            .map(|stat| {
                let mut names: Vec<_> = stat.properties.iter().map(|p| p.name().local()).collect();
                names.sort_unstable();
                let conditions: Vec<_> = stat.conditions.iter().map(condition).collect();
                let told: Vec<_> = [names.join(" "), conditions.join(" ")]
                    .into_iter()
                    .filter(|words| !words.is_empty())
                    .collect();
                format!("{}: {}", stat.status.as_u16(), told.join(" because of "))
            })
            .collect(),
    };
    let mut words = vec![href.to_owned(), stats.join(", ")];
    words.extend((!conditions.is_empty()).then(|| conditions.join(" ")));
    words.join(" ")
}

/// Posts a batch of these operations, an XML element each.
pub fn batch(operations: &str) -> String {
    batch_with("", operations)
}

/// The same, with attributes of the batch.
pub fn batch_with(attributes: &str, operations: &str) -> String {
    format!(
        "POST /batch-operation\n\n<batch xmlns=\"urn:polydav:batch:1\" xmlns:D=\"DAV:\" \
         {attributes}>{operations}</batch>"
    )
}

impl Reply {
    /// The items of a batch, a line each: `mkcol /a/ 201 applied`, then what there is of retry,
    /// cause and members. Checks that they are all there, in their order, and add up.
    pub fn items(&self) -> Vec<String> {
        let multistatus = self.any_multistatus();
        let items: Vec<_> = multistatus
            .responses
            .iter()
            .map(|response| response.item.as_ref().expect("each response is of an item"))
            .collect();
        let summary = multistatus.trailer.summary.as_ref().expect("there is a summary");
        let skipped = ["not-attempted", "rolled-back"];
        let count = |wanted: fn(&(bool, bool)) -> bool| {
            let facts = items
                .iter()
                .map(|item| (skipped.contains(&item.outcome.as_str()), item.status.is_success()));
            facts.filter(wanted).count() as u64
        };
        let indices: Vec<_> = items.iter().map(|item| item.index).collect();
        assert_eq!(indices, (0..summary.total).collect::<Vec<_>>(), "each once, in order");
        assert_eq!(summary.skipped, count(|(skipped, _)| *skipped));
        assert_eq!(summary.succeeded, count(|(skipped, good)| !skipped && *good));
        assert_eq!(summary.failed, count(|(skipped, good)| !skipped && !good));
        assert_eq!(self.header("batch-result"), summary.to_header().to_str().unwrap());
        items.into_iter().map(item_line).collect()
    }
}

/// As [`Reply::items`] has it.
pub fn item_line(item: &multistatus::batch::Item) -> String {
    let (status, outcome) = (item.status.as_u16(), item.outcome.as_str());
    let mut line = format!("{} {} {status} {outcome}", item.op, item.href);
    if let Some(cause) = item.cause {
        line += &format!(" because of {cause}");
    }
    for member in &item.members {
        line += &format!(", {} {}", member.href, member.status.as_u16());
    }
    if item.members_truncated { line + ", …" } else { line }
}
