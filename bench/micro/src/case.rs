//! What is counted, and the most it may come to: the bounds stand here and nowhere else.
//!
//! A bound is a number of instructions for each item: a response, a name, an operation, a path, a
//! request. Where two sizes have the same bound, an item is to cost no more among, or beside, many
//! others. Bounds lie a quarter to a half above what was counted on x86-64, in the release profile:
//! another compiler or processor counts a little more, or less.

use crate::work::Work;
use crate::{answer, body, lock, path, plan, service};

/// Something that is counted.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How much of it there is; of what, the name says.
    pub(crate) size: usize,
    /// The most instructions for each item.
    pub(crate) each_max: u64,
    /// Makes it ready.
    pub(crate) prepare: fn(usize) -> Work,
}

const fn case(name: &'static str, size: usize, each_max: u64, prepare: fn(usize) -> Work) -> Case {
    Case { name, size, each_max, prepare }
}

/// All cases: name, size, bound.
pub(crate) const CASES: &[Case] = &[
    case("write a listing, responses", 100, 5_000, answer::write_listing),
    case("write a listing, responses", 1_000, 5_000, answer::write_listing),
    case("write outcomes, XML", 1_000, 2_600, answer::write_outcomes_xml),
    case("write outcomes, XML", 10_000, 2_600, answer::write_outcomes_xml),
    case("write outcomes, JSON", 1_000, 3_200, answer::write_outcomes_json),
    case("read a listing, responses", 100, 130_000, answer::read_listing),
    case("read a listing, responses", 1_000, 130_000, answer::read_listing),
    case("read outcomes, XML", 1_000, 44_000, answer::read_outcomes_xml),
    case("read outcomes, NDJSON", 1_000, 8_500, answer::read_outcomes_lines),
    case("read PROPFIND, names", 10, 7_500, body::propfind),
    case("read PROPFIND, names", 200, 5_300, body::propfind),
    case("read PROPPATCH, properties", 5, 37_000, body::proppatch),
    case("read PROPPATCH, properties", 100, 37_000, body::proppatch),
    case("read a batch of moves, XML", 1_000, 15_500, body::batch_xml),
    case("read a batch of moves, XML", 10_000, 15_500, body::batch_xml),
    case("read a batch of moves, JSON", 1_000, 11_500, body::batch_json),
    case("read a batch of moves, JSON", 10_000, 11_500, body::batch_json),
    case("read a batch of moves, NDJSON", 1_000, 15_500, body::batch_lines),
    case("read a batch of moves, NDJSON", 10_000, 15_500, body::batch_lines),
    case("read a target, plain segments", 3, 3_900, path::plain),
    case("read a target, plain segments", 30, 30_000, path::plain),
    case("read a target, escaped segments", 3, 4_600, path::escaped),
    case("read a target, escaped segments", 30, 38_000, path::escaped),
    case("read a target, segments of UTF-8", 3, 5_300, path::umlauts),
    case("read a target, segments of UTF-8", 30, 45_000, path::umlauts),
    case("read a Destination, segments", 3, 8_000, path::destination),
    case("read a Destination, segments", 30, 47_000, path::destination),
    case("write an href, segments", 3, 3_300, path::hrefs),
    case("write an href, segments", 30, 26_000, path::hrefs),
    case("find the lock of a path, beside", 1_000, 4_300, lock::cover),
    case("find the lock of a path, beside", 10_000, 4_300, lock::cover),
    case("add and remove a lock, beside", 1_000, 13_000, lock::take),
    case("add and remove a lock, beside", 10_000, 13_000, lock::take),
    case("find the locks in a tree, beside", 1_000, 8_000, lock::tree),
    case("find the locks in a tree, beside", 10_000, 8_000, lock::tree),
    case("LOCK and UNLOCK, beside", 1_000, 55_000, lock::lock_and_unlock),
    case("LOCK and UNLOCK, beside", 10_000, 55_000, lock::lock_and_unlock),
    case("LOCK and UNLOCK of a tree, beside", 1_000, 46_000, lock::lock_tree),
    case("LOCK and UNLOCK of a tree, beside", 10_000, 46_000, lock::lock_tree),
    case("run 1,000 moves, beside locks", 1_000, 80_000, lock::moves_beside),
    case("run 1,000 moves, beside locks", 10_000, 80_000, lock::moves_beside),
    case("run moves", 1_000, 29_000, plan::move_each),
    case("run moves", 10_000, 29_000, plan::move_each),
    case("run moves, all or none", 1_000, 31_000, plan::move_whole),
    case("run moves, all or none", 10_000, 31_000, plan::move_whole),
    case("run puts", 1_000, 15_500, plan::put),
    case("run puts", 10_000, 15_500, plan::put),
    case("answer a batch of moves, XML", 1_000, 60_000, service::batch_xml),
    case("answer a batch of moves, XML", 10_000, 60_000, service::batch_xml),
    case("answer a batch of moves, NDJSON", 1_000, 62_000, service::batch_lines),
    case("answer a batch of moves, NDJSON", 10_000, 62_000, service::batch_lines),
    case("answer PROPFIND of Depth 0", 100, 44_000, service::propfind_each),
    case("answer PROPFIND of Depth 1, files", 100, 13_500, service::propfind_all),
    case("answer PROPFIND of Depth 1, files", 5_000, 13_500, service::propfind_all),
    case("answer GET", 100, 37_000, service::get),
    case("answer PUT", 100, 48_000, service::put),
];
