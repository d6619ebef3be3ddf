//! The works: what is asked, of whom, and how fast that is to be.

use std::fmt::Display;
use std::time::Duration;

use crate::Settings;
use crate::client::{ALLPROP, XML, request};
use crate::peer::Kind;

use super::check::{self, Check};
use super::ground::Contestant;
use super::script::LOCKINFO;

/// How many small files there are in each folder.
pub(super) const FILES: usize = 10_000;
pub(super) const BIG_BYTES: u64 = 1 << 30;
pub(super) const CONTENT: [u8; 4096] = [b'x'; 4096];
/// What is put.
pub(super) const NEW: [u8; 4096] = [b'y'; 4096];
pub(super) const RANGE_BYTES: u64 = 64 * 1024;
const MANY: usize = 32;
/// How long is asked for what can be ended early.
pub(super) const TIME_MAX: Duration = Duration::from_secs(3);

/// What is measured, and against whom.
pub(super) struct Work {
    pub(super) what: &'static str,
    pub(super) ask: Ask,
    pub(super) measure: Measure,
    /// The best of these is what polydav is held to: so much of its figure.
    pub(super) models: &'static [Kind],
    pub(super) goal: f64,
    /// Whether nothing but the models can be asked.
    pub(super) only_models: bool,
    pub(super) before: Before,
    /// Whether it was done.
    pub(super) check: Check,
    /// How many times as long as relaxed it may take in full.
    pub(super) full_max: Option<f64>,
}

/// What has to be there before, and isn't measured.
#[derive(Clone, Copy)]
pub(super) enum Before {
    Nothing,
    /// What is asked for once.
    Once(Ask),
    /// A copy of the tree in each round.
    Copy(Ask),
}

/// How it is asked for.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// So many requests on so many connections, as long as there is time; what it takes is scaled up.
    Each {
        count: usize,
        connections: usize,
        request: Make,
        accepted: &'static [u16],
        time_max: Option<Duration>,
    },
    /// A PUT of so many bytes.
    Upload(u64),
    /// So many times LOCK and UNLOCK on so many connections, in the same way.
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

impl Ask {
    /// How its requests are made.
    pub(super) fn make(self) -> Option<Make> {
        match self {
            Self::Each { request, .. } => Some(request),
            Self::Upload(_) | Self::Locks { .. } => None,
        }
    }
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
    /// The same, held to so much of what it takes the best of these.
    const fn held_to(mut self, goal: f64, models: &'static [Kind]) -> Self {
        (self.goal, self.models) = (goal, models);
        self
    }

    /// Whose figure polydav is held to.
    pub(super) fn whose(&self) -> &'static str {
        if self.models == NGINX { "of nginx" } else { "of the fastest" }
    }

    /// The same, with a look at what became of it.
    const fn seen_by(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    /// The same, of which nobody but the models can be asked.
    const fn of_models_alone(mut self) -> Self {
        self.only_models = true;
        self
    }

    /// The same, of what has to be there before.
    const fn after(mut self, before: Before) -> Self {
        self.before = before;
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
        who.kind().is_some_and(|kind| self.models.contains(&kind))
    }
}

/// The folder of what is new in a turn.
pub(super) const COME: &str = "come";
/// Not all tell whether they made or replaced something.
pub(super) const DONE: &[u16] = &[200, 201, 204];
/// What polydav is called, with its durability.
pub(super) const RELAXED: &str = "polydav";
pub(super) const FULL: &str = "polydav in full";
/// Who does what every WebDAV server does.
const ALL: &[Kind] = &Kind::ALL;
const NGINX: &[Kind] = &[Kind::Nginx];
/// Who keeps properties that it doesn't know.
const PROPERTIES: &[Kind] = &[Kind::Apache, Kind::Lighttpd];
/// Who keeps locks, on many connections too.
const LOCKS: &[Kind] = &[Kind::Nginx, Kind::Lighttpd, Kind::Rclone, Kind::DavServer];

const fn each(count: usize, request: Make, accepted: &'static [u16]) -> Ask {
    Ask::Each { count, connections: MANY, request, accepted, time_max: None }
}

/// The same, of which nothing stays, so that those who take long can be asked for less.
const fn reads(count: usize, request: Make, accepted: &'static [u16]) -> Ask {
    Ask::Each { count, connections: MANY, request, accepted, time_max: Some(TIME_MAX) }
}

const fn once(request: Make, accepted: &'static [u16]) -> Ask {
    Ask::Each { count: 1, connections: 1, request, accepted, time_max: None }
}

const fn work(what: &'static str, ask: Ask, measure: Measure) -> Work {
    Work {
        what,
        ask,
        measure,
        models: &[],
        goal: 0.0,
        only_models: false,
        before: Before::Nothing,
        check: |_| Ok(()),
        full_max: None,
    }
}

const PATCH: Ask = each(FILES, patch, &[200, 204, 207]);
const COPY: Ask = once(copy_tree, DONE);

/// In the order in which they are done.
pub(super) const WORKS: [Work; 15] = [
    work("PROPFIND Depth 0 of a file, 32 connections", reads(20_000, look, &[207]), Measure::Rate)
        .held_to(1.0, ALL)
        .seen_by(check::looked),
    work("GET of 4 KiB, 32 connections", reads(50_000, get, &[200]), Measure::Rate)
        .held_to(1.0, NGINX)
        .seen_by(check::got),
    work("GET of 1 GiB", once(get_big, &[200]), Measure::Bytes(BIG_BYTES))
        .held_to(0.7, NGINX)
        .seen_by(check::got_big),
    work(
        "GET of 64 KiB ranges of 1 GiB, 32 connections",
        reads(20_000, get_range, &[206]),
        Measure::Rate,
    )
    .held_to(1.0, NGINX)
    .seen_by(check::got_range),
    work("PUT of 4 KiB, new, 32 connections", each(FILES, put_new, DONE), Measure::Rate)
        .held_to(1.2, ALL)
        .in_full(3.0)
        .seen_by(check::put_new),
    work("PUT of 4 KiB, over another, 32 connections", each(FILES, put_over, DONE), Measure::Rate)
        .held_to(0.9, ALL)
        .seen_by(check::put_over),
    work("PUT of 1 GiB", Ask::Upload(BIG_BYTES), Measure::Bytes(BIG_BYTES))
        .held_to(1.0, ALL)
        .seen_by(check::put_big),
    work("COPY of a tree of 10,000", COPY, Measure::Seconds)
        .held_to(1.0, ALL)
        .seen_by(check::copied),
    work("DELETE of a tree of 10,000", once(delete_tree, DONE), Measure::Seconds)
        .held_to(1.0, ALL)
        .after(Before::Copy(COPY))
        .seen_by(check::deleted),
    work("MOVE of a tree of 10,000", once(move_tree, DONE), Measure::Seconds)
        .held_to(2.0, ALL)
        .seen_by(check::tree_moved),
    work("10,000 MOVEs, 32 connections", each(FILES, move_file, DONE), Measure::Seconds)
        .held_to(1.0, ALL)
        .seen_by(check::files_moved),
    work("PROPPATCH of 10,000 files, 32 connections", PATCH, Measure::Seconds)
        .held_to(0.3, PROPERTIES)
        .of_models_alone()
        .seen_by(check::patched),
    work("PROPFIND Depth 1 of that property", once(look_for, &[207]), Measure::Seconds)
        .held_to(1.0, PROPERTIES)
        .of_models_alone()
        .after(Before::Once(PATCH))
        .seen_by(check::found),
    work(
        "LOCK and UNLOCK, 32 connections",
        Ask::Locks { count: FILES, connections: MANY },
        Measure::Rate,
    )
    .held_to(0.3, LOCKS)
    .of_models_alone()
    .seen_by(check::locked),
    work(
        "10,000 MOVEs beside 10,000 locks, 32 connections",
        each(FILES, move_file, DONE),
        Measure::Seconds,
    )
    .held_to(0.8, LOCKS)
    .of_models_alone()
    .after(Before::Once(each(FILES, lock_file, &[200])))
    .seen_by(check::files_moved_beside_locks),
];

fn look(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    request(who.address, ("PROPFIND", "/file"), &["Depth: 0", XML], ALLPROP)
}

fn get(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    request(who.address, ("GET", "/file"), &[], b"")
}

fn get_big(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
    request(who.address, ("GET", "/big"), &[], b"")
}

/// Which range a request is for: they are spread over the file, whatever its size.
pub(super) fn range_number(who: &Contestant, number: usize) -> u64 {
    (number as u64).wrapping_mul(7919) % (who.big_bytes / RANGE_BYTES)
}

/// What lies in a range of the large file.
pub(super) fn block(number: u64) -> Vec<u8> {
    let mut block = vec![7; RANGE_BYTES as usize];
    block[..8].copy_from_slice(&number.to_le_bytes());
    block
}

fn get_range(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    let start = range_number(who, number) * RANGE_BYTES;
    let range = format!("Range: bytes={start}-{}", start + RANGE_BYTES - 1);
    request(who.address, ("GET", "/big"), &[&range], b"")
}

fn put_new(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    request(who.address, ("PUT", &format!("/{COME}/file-{number:05}")), &[], &NEW)
}

fn put_over(who: &Contestant, _: usize, number: usize) -> Vec<u8> {
    request(who.address, ("PUT", &format!("/files/file-{number:05}")), &[], &NEW)
}

/// The copy that a round makes of the tree.
pub(super) fn copy_name(round: usize) -> String {
    format!("copy-{round}")
}

fn copy_tree(who: &Contestant, round: usize, _: usize) -> Vec<u8> {
    transfer(who, "COPY", "/tree/", &format!("/{}/", copy_name(round)))
}

fn delete_tree(who: &Contestant, round: usize, _: usize) -> Vec<u8> {
    request(who.address, ("DELETE", &format!("/{}/", copy_name(round))), &[], b"")
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

/// The value of the property.
pub(super) fn note(round: impl Display) -> String {
    format!("left at the door in round {round}")
}

fn patch(who: &Contestant, round: usize, number: usize) -> Vec<u8> {
    let body = format!(
        "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><note xmlns=\"urn:example:bench\">{}\
         </note></D:prop></D:set></D:propertyupdate>",
        note(round)
    );
    let path = format!("/files/file-{number:05}");
    request(who.address, ("PROPPATCH", &path), &[XML], body.as_bytes())
}

pub(super) fn look_for(who: &Contestant, _: usize, _: usize) -> Vec<u8> {
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

pub(super) fn there_or_back<'a>(round: usize, one: &'a str, other: &'a str) -> [&'a str; 2] {
    if round.is_multiple_of(2) { [one, other] } else { [other, one] }
}
