//! How a work grows: told as figures, and drawn.

use crate::plot::{Panel, Plot, grouped};
use crate::report::{Goal, MEBIBYTE, Report};

use super::work::Work;

/// With fewer members, what any request takes counts for more than they do, and so does noise.
const BASE: usize = 10_000;
const FLAT: Goal = Goal::AtMost(1.3, "of that at 10,000");

/// What a work took with so many members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) size: usize,
    /// Seconds for each member.
    pub(super) each: f64,
    /// Bytes of added memory.
    pub(super) added: f64,
}

impl Point {
    pub(super) fn microseconds_each(&self) -> f64 {
        self.each * 1e6
    }

    pub(super) fn mebibytes(&self) -> f64 {
        self.added / MEBIBYTE
    }

    pub(super) fn kibibytes_each(&self) -> f64 {
        self.added / 1024.0 / self.size as f64
    }
}

/// What it took at all sizes.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) work: Work,
    points: Vec<Point>,
    refused: Option<usize>,
}

impl Curve {
    pub(super) fn new(work: Work) -> Self {
        Self { work, points: Vec::new(), refused: None }
    }

    /// Goes on, with nothing if so many members are refused.
    pub(super) fn push(&mut self, size: usize, point: Option<Point>) {
        match point {
            Some(point) => self.points.push(point),
            None => self.refused = self.refused.or(Some(size)),
        }
    }

    /// Tells of it, and draws it; moves beside those by bare calls.
    pub(super) fn tell(&self, bare: &[Point], report: &mut Report) {
        let name = self.work.name();
        let base = self.points.iter().find(|point| point.size == BASE);
        let base = base.map_or(f64::NAN, |point| point.each);
        let mut each = say(&self.points, "µs", Point::microseconds_each);
        if self.work.is_moves() {
            each += &format!("; bare calls {}", say(bare, "µs", Point::microseconds_each));
        }
        report.add(name, "time a member", each, self.most(|point| point.each) / base, FLAT);
        let (goal, value) = self.work.memory();
        let added = say(&self.points, "MiB", Point::mebibytes);
        report.add(name, "added memory", added, self.most(value), goal);
        if let Some(size) = self.refused {
            let largest = self.points.last().map_or(0, |point| point.size) as f64;
            let goal = Goal::AtLeast(size as f64, "members");
            report.add(name, "largest", format!("{} are refused", grouped(size)), largest, goal);
        }
        report.draw(self.plot(bare));
    }

    /// The most of all sizes at which it is the members that count.
    fn most(&self, value: fn(&Point) -> f64) -> f64 {
        let large = self.points.iter().filter(|point| point.size >= BASE);
        large.map(value).fold(0.0, f64::max)
    }

    fn plot(&self, bare: &[Point]) -> Plot {
        let points = |points: &[Point], value: fn(&Point) -> f64| {
            points.iter().map(|point| (point.size as f64, value(point))).collect()
        };
        let panel =
            |title, value| Panel { title, points: points(&self.points, value), beside: None };
        let mut each = panel("time a member, µs", Point::microseconds_each);
        if self.work.is_moves() {
            each.beside = Some(("bare calls", points(bare, Point::microseconds_each)));
        }
        Plot {
            file: self.work.plot(),
            title: self.work.name(),
            across: "members",
            panels: [each, panel("added memory, MiB", Point::mebibytes)],
        }
    }
}

/// A figure at each size.
fn say(points: &[Point], unit: &str, value: fn(&Point) -> f64) -> String {
    let one = |point: &Point| format!("{} {:.1} {unit}", grouped(point.size), value(point));
    points.iter().map(one).collect::<Vec<_>>().join(", ")
}
