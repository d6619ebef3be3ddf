//! `Wanted`: which properties a PROPFIND asks for.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use multistatus::xml::Name;
use polydav_proto::body::PropFind;
use polydav_store::{COLUMNS, PropertyName, Select};

use crate::intake;
use crate::live::{self, Live};
use crate::problem::Problem;
use crate::proppatch::stored_name;
use crate::record::column;

/// The most properties one request may name.
const NAMES_MAX: usize = 1_000;

/// Which properties are told of each resource, worked out once.
pub(crate) struct Wanted {
    /// The live ones, in the order of their table, and their places in `named`.
    pub(crate) live: Vec<(&'static Live, Option<usize>)>,
    /// The dead ones.
    pub(crate) select: Select,
    /// Those named by the request: whoever lacks one is told so.
    pub(crate) named: Vec<Named>,
    pub(crate) names_only: bool,
    /// Whether a stored `displayname` isn't told, but the segment.
    pub(crate) displayname_is_segment: bool,
    pub(crate) quota: bool,
}

/// A property that the request names.
pub(crate) struct Named {
    pub(crate) name: Name,
    pub(crate) stored: PropertyName,
    /// The column of records that it is.
    column: Option<String>,
}

impl Named {
    fn new(name: &Name) -> Self {
        Self { name: name.clone(), stored: stored_name(name), column: column::of(name) }
    }

    pub(crate) fn is_column(&self, name: &str) -> bool {
        self.column.as_deref() == Some(name)
    }
}

/// What a body asked for.
struct Remembered {
    body: Box<[u8]>,
    displayname_is_segment: bool,
    wanted: Arc<Wanted>,
}

thread_local! {
    /// What was asked for last, by bodies that aren't long: clients ask for the same again and again.
    static REMEMBERED: RefCell<VecDeque<Remembered>> = const { RefCell::new(VecDeque::new()) };
}

impl Remembered {
    const COUNT_MAX: usize = 4;
    const BYTES_MAX: usize = 1024;

    fn find(body: &[u8], displayname_is_segment: bool) -> Option<Arc<Wanted>> {
        let is_same = |known: &&Self| {
            *known.body == *body && known.displayname_is_segment == displayname_is_segment
        };
        REMEMBERED.with_borrow(|all| Some(Arc::clone(&all.iter().find(is_same)?.wanted)))
    }

    fn keep(self) {
        REMEMBERED.with_borrow_mut(|all| {
            all.truncate(Self::COUNT_MAX - 1);
            all.push_front(self);
        });
    }
}

impl Wanted {
    /// What this body asks for; whether a client is told of the segment as `displayname` depends on
    /// the client.
    pub(crate) async fn of(
        body: Bytes,
        displayname_is_segment: bool,
    ) -> Result<Arc<Self>, Problem> {
        if let Some(wanted) = Remembered::find(&body, displayname_is_segment) {
            return Ok(wanted);
        }
        let text = body.clone();
        let read = move |xml: &[u8], limits| {
            let asked = PropFind::parse(xml, limits)?;
            Ok(Self::new(&asked, displayname_is_segment))
        };
        let wanted = Arc::new(intake::read_xml(body, read).await??);
        if text.len() <= Remembered::BYTES_MAX {
            let (body, wanted) = (text.to_vec().into(), Arc::clone(&wanted));
            Remembered { body, displayname_is_segment, wanted }.keep();
        }
        Ok(wanted)
    }

    fn new(asked: &PropFind, displayname_is_segment: bool) -> Result<Self, Problem> {
        let (named, all) = match asked {
            PropFind::Prop(names) => (names.as_slice(), false),
            PropFind::AllProp { include } => (include.as_slice(), true),
            PropFind::PropName => (&[][..], true),
        };
        if named.len() > NAMES_MAX {
            let detail = format!("a request may name {NAMES_MAX} properties at most");
            return Err(Problem::bad_request(detail));
        }
        // Whoever names a property twice is told of it once.
        let mut met = HashSet::new();
        let named: Vec<&Name> = named.iter().filter(|name| met.insert(*name)).collect();
        let names_only = *asked == PropFind::PropName;
        let is_wanted =
            |live: &&Live| (all && (live.in_allprop || names_only)) || named.contains(&&live.name);
        let select = match asked {
            PropFind::PropName => Select::Names,
            PropFind::AllProp { .. } => Select::All,
            PropFind::Prop(names) => dead(names),
        };
        let mut live = Vec::with_capacity(live::TABLE.len());
        live.extend(
            live::TABLE
                .iter()
                .filter(is_wanted)
                .map(|live| (live, named.iter().position(|name| **name == live.name))),
        );
        Ok(Self {
            quota: live.iter().any(|(live, _)| live::is_quota(&live.name)),
            live,
            select,
            named: named.into_iter().map(Named::new).collect(),
            names_only,
            displayname_is_segment,
        })
    }
}

/// What a store is asked for: dead properties as they are named, and the columns that are meant.
fn dead(names: &[Name]) -> Select {
    let dead = names.iter().filter(|name| !live::is_protected(name));
    let mut asked: Vec<_> = dead.clone().map(stored_name).collect();
    let columns = dead.filter_map(|name| Some((name, column::of(name)?)));
    let escaped = columns.filter(|(name, column)| name.local() != *column);
    asked.extend(escaped.map(|(_, column)| PropertyName::new(COLUMNS, column)));
    if asked.is_empty() { Select::None } else { Select::Only(asked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(children: &str, displayname_is_segment: bool) -> Result<Arc<Wanted>, Problem> {
        let body = format!("<propfind xmlns=\"DAV:\">{children}</propfind>");
        Wanted::of(body.into(), displayname_is_segment).await
    }

    async fn is_known(children: &str) -> bool {
        let (one, other) = (of(children, false).await, of(children, false).await);
        Arc::ptr_eq(&one.unwrap_or_else(|_| panic!()), &other.unwrap_or_else(|_| panic!()))
    }

    #[tokio::test]
    async fn who_asks_for_the_same_again_gets_the_same() {
        let Ok(all) = of("<allprop/>", false).await else { panic!() };
        assert!(is_known("<allprop/>").await && is_known("<propname/>").await);
        let Ok(names) = of("<propname/>", false).await else { panic!() };
        assert!(names.names_only && !all.names_only);
        let Ok(other) = of("<allprop/>", true).await else { panic!() };
        assert!(other.displayname_is_segment && !all.displayname_is_segment);
    }

    #[tokio::test]
    async fn little_is_remembered() {
        for number in 0..100 {
            assert!(is_known(&format!("<prop><p{number}/></prop>")).await);
        }
        assert_eq!(REMEMBERED.with_borrow(VecDeque::len), Remembered::COUNT_MAX);
        let long = format!("<prop><{}/></prop>", "p".repeat(Remembered::BYTES_MAX));
        assert!(!is_known(&long).await);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_every_time() {
        for _ in 0..2 {
            assert!(of("<allprop/><propname/>", false).await.is_err());
        }
    }
}
