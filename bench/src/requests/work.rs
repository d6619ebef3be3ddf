//! The works: what is asked, of whom, and how fast that is to be.

use crate::Settings;
use crate::client::request;

use super::ground::Contestant;
use super::script::LOCKINFO;

/// How many small files there are in each folder.
pub(super) const FILES: usize = 10_000;
pub(super) const BIG_BYTES: u64 = 1 << 30;
pub(super) const CONTENT: [u8; 4096] = [b'x'; 4096];
const RANGE_BYTES: u64 = 64 * 1024;
const MANY: usize = 32;

/// What is measured, and against whom.
pub(super) struct Work {
    pub(super) what: &'static str,
    pub(super) ask: Ask,
    pub(super) measure: Measure,
    /// The best of these is what polydav is held to: so much of its figure.
    pub(super) models: &'static [&'static str],
    pub(super) goal: f64,
    /// Whether nothing but the models can be asked.
    pub(super) only_models: bool,
    /// What is asked for once before.
    pub(super) before: Option<Ask>,
    /// How many times as long as relaxed it may take in full.
    pub(super) full_max: Option<f64>,
}

/// How it is asked for.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// So many requests on so many connections.
    Each { count: usize, connections: usize, request: Make, accepted: &'static [u16] },
    /// A PUT of so many bytes.
    Upload(u64),
    /// So many times LOCK and UNLOCK, on so many connections.
    Locks { count: usize, connections: usize },
}

/// Makes a request of a round.
pub(super) type Make = fn(&Contestant, usize, usize) -> Vec<u8>;

/// What counts of the time that it takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measure {
    Seconds,
    /// How many in a second.
    Rate,
    /// How many bytes, in 10^9 a second.
    Bytes(u64),
}

impl Measure {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "whole",
            Self::Rate | Self::Bytes(_) => "speed",
        }
    }

    pub(super) fn say(self, figure: f64) -> String {
        match self {
            Self::Seconds if figure < 0.01 => format!("{:.2} ms", figure * 1e3),
            Self::Seconds => format!("{figure:.3} s"),
            Self::Rate => format!("{figure:.0}/s"),
            Self::Bytes(_) => format!("{figure:.2} GB/s"),
        }
    }

    /// How many times as long as the other one takes.
    pub(super) fn times(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Seconds => one / other,
            Self::Rate | Self::Bytes(_) => other / one,
        }
    }

    pub(super) fn better(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Seconds => a.min(b),
            Self::Rate | Self::Bytes(_) => a.max(b),
        }
    }
}

impl Work {
    /// The same, of which nobody but the models can be asked.
    const fn of_models_alone(mut self) -> Self {
        self.only_models = true;
        self
    }

    /// The same, once this has been asked for.
    const fn after(mut self, before: Ask) -> Self {
        self.before = Some(before);
        self
    }

    /// The same, held in full too to so many times what it takes relaxed.
    const fn in_full(mut self, most: f64) -> Self {
        self.full_max = Some(most);
        self
    }

    /// What counts of it, if it took so long, and was made smaller by the settings.
    pub(super) fn figure(&self, seconds: f64, settings: &Settings) -> f64 {
        match self.measure {
            Measure::Seconds => seconds,
            Measure::Rate => (self.count() / settings.shrink) as f64 / seconds,
            Measure::Bytes(bytes) => (bytes / settings.shrink as u64) as f64 / 1e9 / seconds,
        }
    }

    /// How often something is asked for.
    fn count(&self) -> usize {
        match self.ask {
            Ask::Each { count, .. } | Ask::Locks { count, .. } => count,
            Ask::Upload(_) => 1,
        }
    }

    /// Whether someone can be asked for it.
    pub(super) fn is_for(&self, who: &Contestant) -> bool {
        match who.is_ours() {
            true => who.name == RELAXED || self.what.starts_with("PUT"),
            false => !self.only_models || self.is_model(who),
        }
    }

    pub(super) fn is_model(&self, who: &Contestant) -> bool {
        self.models.contains(&who.name)
    }
}

/// The folder of what is new in a turn.
pub(super) const COME: &str = "come";
/// Not all tell whether they made or replaced something.
pub(super) const DONE: &[u16] = &[200, 201, 204];
/// What polydav is called, with its durability.
pub(super) const RELAXED: &str = "polydav";
pub(super) const FULL: &str = "polydav in full";
const ALL: &[&str] = &["nginx", "apache", "lighttpd"];
const NGINX: &[&str] = &["nginx"];

const fn each(count: usize, request: Make, accepted: &'static [u16]) -> Ask {
    Ask::Each { count, connections: MANY, request, accepted }
}

const fn once(request: Make, accepted: &'static [u16]) -> Ask {
    Ask::Each { count: 1, connections: 1, request, accepted }
}

const fn work(
    what: &'static str,
    ask: Ask,
    measure: Measure,
    models: &'static [&'static str],
    goal: f64,
) -> Work {
    Work { what, ask, measure, models, goal, only_models: false, before: None, full_max: None }
}

/// In the order in which they are done.
pub(super) const WORKS: [Work; 15] = [
    work(
        "PROPFIND Depth 0 of a file, 32 connections",
        each(20_000, look, &[207]),
        Measure::Rate,
        ALL,
        1.0,
    ),
    work("GET of 4 KiB, 32 connections", each(50_000, get, &[200]), Measure::Rate, NGINX, 1.0),
    work("GET of 1 GiB", once(get_big, &[200]), Measure::Bytes(BIG_BYTES), NGINX, 0.7),
    work(
        "GET of 64 KiB ranges of 1 GiB, 32 connections",
        each(20_000, get_range, &[206]),
        Measure::Rate,
        NGINX,
        1.0,
    ),
    work("PUT of 4 KiB, new, 32 connections", each(FILES, put_new, DONE), Measure::Rate, ALL, 1.2)
        .in_full(3.0),
    work(
        "PUT of 4 KiB, over another, 32 connections",
        each(FILES, put_over, DONE),
        Measure::Rate,
        ALL,
        0.9,
    ),
    work("PUT of 1 GiB", Ask::Upload(BIG_BYTES), Measure::Bytes(BIG_BYTES), ALL, 1.0),
    work(
        "COPY of a tree of 10,000",
        once(copy_tree, DONE),
        Measure::Seconds,
        &["nginx", "apache"],
        1.0,
    ),
    work("DELETE of a tree of 10,000", once(delete_tree, DONE), Measure::Seconds, ALL, 1.0),
    work("MOVE of a tree of 10,000", once(move_tree, DONE), Measure::Seconds, ALL, 2.0),
    work("10,000 MOVEs, 32 connections", each(FILES, move_file, DONE), Measure::Seconds, ALL, 1.0),
    work(
        "PROPPATCH of 10,000 files, 32 connections",
        each(FILES, patch, &[200, 204, 207]),
        Measure::Seconds,
        &["apache", "lighttpd"],
        0.3,
    )
    .of_models_alone(),
    work(
        "PROPFIND Depth 1 of that property",
        once(look_for, &[207]),
        Measure::Seconds,
        &["apache", "lighttpd"],
        1.0,
    )
    .of_models_alone(),
    work(
        "LOCK and UNLOCK, 32 connections",
        Ask::Locks { count: FILES, connections: MANY },
        Measure::Rate,
        &["nginx", "lighttpd"],
        0.3,
    )
    .of_models_alone(),
    work(
        "10,000 MOVEs beside 10,000 locks, 32 connections",
        each(FILES, move_file, DONE),
        Measure::Seconds,
        &["nginx", "lighttpd"],
        0.8,
    )
    .of_models_alone()
    .after(each(FILES, lock_file, &[200])),
];

const XML: &str = "Content-Type: application/xml";

fn look(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    let body = b"<propfind xmlns=\"DAV:\"><allprop/></propfind>";
    request(who.address, ("PROPFIND", "/file"), &["Depth: 0", XML], body)
}

fn get(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    request(who.address, ("GET", "/file"), &[], b"")
}

fn get_big(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    request(who.address, ("GET", "/big"), &[], b"")
}

fn get_range(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    // Spread over the file, whatever its size.
    let ranges = who.big_bytes / RANGE_BYTES;
    let start = (number as u64).wrapping_mul(7919) % ranges * RANGE_BYTES;
    let range = format!("Range: bytes={start}-{}", start + RANGE_BYTES - 1);
    request(who.address, ("GET", "/big"), &[&range], b"")
}

fn put_new(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    request(who.address, ("PUT", &format!("/{COME}/file-{number:05}")), &[], &CONTENT)
}

fn put_over(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    request(who.address, ("PUT", &format!("/files/file-{number:05}")), &[], &CONTENT)
}

fn copy_tree(who: &Contestant, round: usize, _: usize) -> Vec<u8> {
    transfer(who, "COPY", "/tree/", &format!("/copy-{round}/"))
}

fn delete_tree(who: &Contestant, round: usize, _: usize) -> Vec<u8> {
    request(who.address, ("DELETE", &format!("/copy-{round}/")), &[], b"")
}

fn move_tree(who: &Contestant, round: usize, _: usize) -> Vec<u8> {
    let [from, to] = there_or_back(round, "/tree/", "/moved/");
    transfer(who, "MOVE", from, to)
}

fn move_file(who: &Contestant, round: usize, number: usize) -> Vec<u8> {
    let [from, to] = there_or_back(round, "a", "b");
    let at = |folder| format!("/{folder}/file-{number:05}");
    transfer(who, "MOVE", &at(from), &at(to))
}

fn patch(who: &Contestant, round: usize, number: usize) -> Vec<u8> {
    let body = format!(
        "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><note xmlns=\"urn:example:bench\">left at \
         the door in round {round}</note></D:prop></D:set></D:propertyupdate>"
    );
    let path = format!("/files/file-{number:05}");
    request(who.address, ("PROPPATCH", &path), &[XML], body.as_bytes())
}

fn look_for(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    let body = b"<D:propfind xmlns:D=\"DAV:\"><D:prop><note xmlns=\"urn:example:bench\"/></D:prop></D:propfind>";
    request(who.address, ("PROPFIND", "/files/"), &["Depth: 1", XML], body)
}

fn transfer(who: &Contestant, method: &str, from: &str, to: &str) -> Vec<u8> {
    let destination = format!("Destination: http://{}{to}", who.address);
    request(who.address, (method, from), &[&destination], b"")
}

fn lock_file(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    let headers = ["Depth: 0", "Timeout: Second-3600", XML];
    request(who.address, ("LOCK", &format!("/files/file-{number:05}")), &headers, LOCKINFO)
}

fn there_or_back<'a>(round: usize, one: &'a str, other: &'a str) -> [&'a str; 2] {
    if round.is_multiple_of(2) { [one, other] } else { [other, one] }
}
