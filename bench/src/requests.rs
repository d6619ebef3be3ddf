//! What people ask a server for, one request after the other, on one connection or on many, beside
//! the servers that they use today.

mod check;
mod ground;
mod script;
mod work;

use std::path::Path;

use crate::fault::Fault;
use crate::load::Load;
use crate::report::{Goal, Report};
use crate::{Result, Settings, median};

use self::ground::{Contestant, Ground};
use self::work::{FULL, Measure, RELAXED, WORKS, Work};

/// Measures all of it: everybody does each work in turns.
pub(crate) fn measure(image: &Path, settings: &Settings, report: &mut Report) -> Result {
    let ground = Ground::make(image, settings)?;
    for work in WORKS.iter().filter(|work| settings.wants_work(work.what)) {
        let everyone = ground.contestants().filter(|who| work.is_for(who));
        let mut figures: Vec<_> = everyone.map(Figures::new).collect();
        // The first round only warms the caches, and shows who doesn't do it.
        for round in 0..=settings.runs {
            for figures in figures.iter_mut().filter(|figures| figures.fault.is_none()) {
                let turn = ground.turn(figures.who, work, round);
                figures
                    .take(turn, round)
                    .map_err(|error| format!("{}, {}: {error}", work.what, figures.who.name))?;
            }
        }
        tell(work, settings, &figures, report);
    }
    Ok(())
}

/// What a work took someone.
struct Figures<'a> {
    who: &'a Contestant,
    loads: Vec<Load>,
    /// Why they were asked only once.
    fault: Option<Fault>,
}

impl<'a> Figures<'a> {
    fn new(who: &'a Contestant) -> Self {
        Self { who, loads: Vec::new(), fault: None }
    }

    /// Takes what came of a round.
    fn take(&mut self, turn: Result<Load>, round: usize) -> Result {
        match turn {
            Ok(load) if round > 0 => self.loads.push(load),
            Ok(_) => {}
            Err(error) if round == 0 && !self.who.is_ours() => {
                self.fault = Some(*error.downcast::<Fault>()?);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What counts of it.
    fn figure(&self, work: &Work, settings: &Settings) -> f64 {
        let took = self.loads.iter().map(|load| load.took).collect();
        work.figure(median::seconds(took), settings)
    }

    /// How much of the processors asking had.
    fn share(&self) -> f64 {
        median::of(self.loads.iter().map(|load| load.share).collect())
    }
}

fn tell(work: &Work, settings: &Settings, all: &[Figures<'_>], report: &mut Report) {
    let figure = |figures: &Figures<'_>| figures.figure(work, settings);
    let say = |figures: &Figures<'_>| match &figures.fault {
        Some(fault) => format!("{} {}", figures.who.name, fault.brief),
        None => format!("{} {}", figures.who.name, work.measure.say(figure(figures))),
    };
    let said: Vec<_> = all.iter().map(say).collect();
    let share = all.iter().map(Figures::share).fold(0.0, f64::max);
    let said = format!("{}; asking took {:.0} % at most", said.join(", "), 100.0 * share);
    let of = |name| all.iter().find(|figures| figures.who.name == name).map(figure);
    let ours = of(RELAXED);
    let models = all.iter().filter(|f| f.fault.is_none() && work.is_model(f.who)).map(figure);
    let theirs = models.reduce(|a, b| work.measure.better(a, b));
    let ratio = ours.zip(theirs).map_or(f64::NAN, |(ours, theirs)| ours / theirs);
    let goal = match work.measure {
        Measure::Seconds => Goal::AtMost(work.goal, work.whose()),
        Measure::Rate | Measure::Bytes(_) => Goal::AtLeast(work.goal, work.whose()),
    };
    report.add(work.what, work.measure.name(), said, ratio, goal);
    if let (Some(most), Some(relaxed), Some(full)) = (work.full_max, ours, of(FULL)) {
        let said = format!("{}; relaxed {}", work.measure.say(full), work.measure.say(relaxed));
        let times = work.measure.times(full, relaxed);
        report.add(work.what, "in full", said, times, Goal::AtMost(most, "times relaxed"));
    }
}
