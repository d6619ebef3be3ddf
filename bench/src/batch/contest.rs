//! Several do the same work in turns; what it took them is compared.

use crate::client::Client;
use crate::load::Load;
use crate::report::{Goal, Report};
use crate::{Result, median};

use super::field::{Field, Via};
use super::who::Who;
use super::work::Work;

/// Many connections carry a request for every file; a single one carries no more than this, or it would
/// take most of the time.
const REQUESTS_MAX: usize = 1_000;

/// Several who do the same.
pub(super) struct Contest<'a> {
    pub(super) field: &'a Field,
    pub(super) everyone: Vec<Who>,
    /// The files.
    pub(super) names: &'a [String],
    /// How many single requests are sent on each connection at most; what they take is scaled up.
    pub(super) requests_max: usize,
    pub(super) via: Via,
}

/// What a piece of work took everyone.
pub(super) struct Figures {
    what: String,
    loads: Vec<(Who, Load)>,
}

impl<'a> Contest<'a> {
    /// On direct connections.
    pub(super) fn new(field: &'a Field, everyone: Vec<Who>, names: &'a [String]) -> Self {
        Self { field, everyone, names, requests_max: REQUESTS_MAX, via: Client::connect }
    }

    /// Has everyone do the works of each round, and gives the figures of each work.
    pub(super) fn measure<const N: usize>(
        &self,
        works: impl Fn(usize) -> [Work; N],
        runs: usize,
    ) -> Result<[Figures; N]> {
        let mut figures = works(0).map(|work| {
            let what = format!("{} {}", self.names.len(), work.plural());
            Figures { what, loads: Vec::new() }
        });
        // The first round only warms the caches.
        for round in 0..=runs {
            for who in &self.everyone {
                for (figures, work) in figures.iter_mut().zip(works(round)) {
                    let load = self.turn(*who, work)?;
                    if round > 0 {
                        figures.loads.push((*who, load));
                    }
                }
            }
        }
        Ok(figures)
    }

    fn turn(&self, who: Who, work: Work) -> Result<Load> {
        let most = who.connections().map(|count| count.saturating_mul(self.requests_max));
        let count = self.names.len().min(most.unwrap_or(usize::MAX));
        let load = self.field.perform(who, work, &self.names[..count], self.via);
        let load = load.map_err(|error| format!("{}, {who}: {error}", work.plural()))?;
        Ok(load.scaled(self.names.len(), count))
    }
}

impl Figures {
    /// The same, with a word on where it was measured.
    pub(super) fn titled(self, place: &str) -> Self {
        Self { what: format!("{} {place}", self.what), ..self }
    }

    /// Tells what it took someone, and that it is held to so much of what it took another.
    pub(super) fn hold(&self, who: Who, other: Who, goal: Goal, report: &mut Report) {
        let (ours, theirs) = (self.seconds(who), self.seconds(other));
        let value = match goal {
            Goal::AtMost(..) => ours / theirs,
            Goal::AtLeast(..) => theirs / ours,
        };
        let figures = format!("{ours:.3} s; {other} {theirs:.3} s");
        report.add(&self.title(who), "whole", figures, value, goal);
    }

    /// Tells what it took someone, and how much of what it took others.
    pub(super) fn tell(&self, who: Who, others: &[Who], report: &mut Report) {
        let ours = self.seconds(who);
        let mut figures = format!("{ours:.3} s");
        for other in others {
            figures += &format!("; {:.2} of {other}", ours / self.seconds(*other));
        }
        report.note(&self.title(who), "whole", figures);
    }

    /// Tells what it took those who send single requests, and how much asking had a part in it.
    pub(super) fn tell_singles(&self, everyone: &[Who], report: &mut Report) {
        for who in everyone {
            let (seconds, share) = (self.seconds(*who), 100.0 * self.share(*who));
            let figures = format!("{seconds:.3} s; asking took {share:.0} % of the processors");
            report.note(&self.title(*who), "whole", figures);
        }
    }

    fn title(&self, who: Who) -> String {
        format!("{}: {who}", self.what)
    }

    fn seconds(&self, who: Who) -> f64 {
        median::seconds(self.of(who).map(|load| load.took).collect())
    }

    fn share(&self, who: Who) -> f64 {
        median::of(self.of(who).map(|load| load.share).collect())
    }

    fn of(&self, who: Who) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(move |(whose, _)| *whose == who).map(|(_, load)| load)
    }
}
