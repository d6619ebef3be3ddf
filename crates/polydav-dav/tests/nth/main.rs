//! The Nth call of the store fails, for every N: what is told is what became of it.
//!
//! One request runs again and again, each time in a fresh world in which another call fails, until
//! it passes untouched. What it told is held against [`model`]: each success must be visible, each
//! failure must have left its resource as it was, and nothing else may have changed.

#![allow(unreachable_pub)]

#[path = "../world/mod.rs"]
mod world;

mod model;
mod scene;
mod script;
mod single;
mod story;

use polydav_store::Durability;
use polydav_store::FailureKind::{Busy, Forbidden, Internal, NameTooLong, NoSpace};
use polydav_store::layer::Fault::{self, Breaks, BreaksBehind, Fails};

use self::model::{Item, Op, State};
use self::scene::{Place, Scene};
use self::script::script;
use self::story::{Course, Story, explain, told};
use self::world::{batch, batch_with, info};

/// The faults that are tried in memory: there a run costs next to nothing.
const ALL: &[Fault] = &[
    Fails(Internal),
    Fails(NoSpace),
    Fails(Forbidden),
    Fails(Busy),
    Fails(NameTooLong),
    Breaks,
    BreaksBehind,
];

/// Where it is tried. What kind a failure is of makes no difference to a folder.
const PLACES: [(Place, &[Fault]); 3] = [
    (Place::Memory, ALL),
    (Place::Folder(Durability::Full), &[Fails(Internal), BreaksBehind]),
    (Place::Folder(Durability::Relaxed), &[Fails(Internal)]),
];

/// A batch that runs with each of its calls failing in turn.
struct Trial {
    place: Place,
    fault: Fault,
    stop: bool,
    json: bool,
    items: Vec<Item>,
}

/// How the runs of a trial went.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    /// How many calls were made to fail.
    tried: u64,
    /// In how many runs an item failed for it.
    failed: u64,
    /// In how many runs an item can't be known for it.
    unknown: u64,
}

impl Trial {
    fn text(&self, scene: &Scene) -> String {
        let mode = if self.stop { "mode=\"stop\"" } else { "" };
        let text = batch_with(mode, &scene.document(&self.items));
        let accept = if self.json { "\nAccept: application/json\n\n" } else { "\n\n" };
        text.replacen("\n\n", accept, 1)
    }

    /// Runs until no call fails.
    fn run(&self) -> Tally {
        let untouched = Scene::new(self.place);
        let calls = untouched.ask(0, self.fault, &self.text(&untouched)).calls;
        let mut tally = Tally { tried: 0, failed: 0, unknown: 0 };
        loop {
            let scene = Scene::new(self.place);
            let asked = scene.ask(tally.tried + 1, self.fault, &self.text(&scene));
            let struck = asked.struck;
            let course = Course { fault: self.fault, struck, stop: self.stop };
            let stories = explain(&scene.start, &self.items, &told(&asked.reply), course);
            let story = check(&scene, &stories, &format!("{tally:?} {course:?}"));
            aftermath(&scene, &story.state);
            if !struck {
                assert_eq!((story.faults, story.unknown), (0, 0), "{course:?}");
                assert_eq!(tally.tried, calls, "each call of a run untouched was made to fail");
                return tally;
            }
            tally.tried += 1;
            tally.failed += u64::from(story.faults > 0);
            tally.unknown += u64::from(story.unknown > 0);
        }
    }
}

/// The story that agrees with what is there.
fn check<'a>(scene: &Scene, stories: &'a [Story], context: &str) -> &'a Story {
    let seen = scene.seen();
    let story = stories.iter().find(|story| story.state.agrees(&seen));
    story.unwrap_or_else(|| panic!("{context}: there is {seen:#?}\nand should be {stories:#?}"))
}

/// The world goes on: with all it had, or, if the store broke, for reading only.
fn aftermath(scene: &Scene, state: &State) {
    let mut expected = state.clone();
    let probe = Item::from(Op::Put("/probe", "x"));
    let lock = format!("LOCK /t\nDepth: 0\n\n{}", info("exclusive"));
    if !scene.is_broken() {
        assert_eq!(scene.world.status("PUT /probe\n\nx"), 201);
        assert_eq!(expected.perform(&probe), Ok(201));
    } else {
        assert_eq!(scene.world.status("PUT /probe\n\nx"), 403);
        assert_eq!(scene.world.status(lock), 403);
        let told = scene.world.ask(batch("<put href=\"/probe\">x</put>")).items();
        assert_eq!(told, ["put /probe 403 not-applied"]);
    }
    assert_eq!(scene.world.ask("GET /t/d/b").text(), "tb");
    let seen = scene.seen();
    assert_eq!((&seen.nodes, &seen.locks), (&expected.nodes, &expected.locks));
    assert!(scene.is_tidy());
}

/// What can be done, in the order of the script, before what fails by itself.
fn failing_last(items: Vec<Item>) -> Vec<Item> {
    let mut state: State = Scene::new(Place::Memory).start;
    let (good, bad): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|item| state.perform(item).is_ok());
    [good, bad].concat()
}

fn is_sent(item: &Item) -> bool {
    !matches!(item.op, Op::Invalid(_))
}

#[test]
fn a_batch_tells_the_truth_whichever_call_fails() {
    let items = script();
    let sent = items.iter().filter(|item| is_sent(item)).count() as u64;
    for (place, faults) in PLACES {
        for &fault in faults {
            let json = fault == Fails(NoSpace);
            let tally = Trial { place, fault, stop: false, json, items: items.clone() }.run();
            assert!(tally.tried > sent, "more is called than steps");
            match fault {
                Fails(Internal) => assert_eq!((tally.failed, tally.unknown), (sent, 0)),
                Fails(_) => assert_eq!(tally.unknown, 0),
                Breaks | BreaksBehind => assert_eq!(tally.unknown, sent),
            }
        }
    }
}

#[test]
fn a_batch_that_stops_tells_the_truth_whichever_call_fails() {
    let items = failing_last(script());
    let mut state = Scene::new(Place::Memory).start;
    let good = items.iter().take_while(|item| state.perform(item).is_ok()).count() as u64;
    // What is known to fail before anything runs ends the batch there and then.
    let is_known = |item: &Item| matches!(item.op, Op::Protected(_) | Op::Invalid(_));
    let sent = items.iter().position(is_known).expect("there is one") as u64 + 1;
    for (place, faults) in PLACES {
        for &fault in faults {
            let json = fault == Fails(NoSpace);
            let tally = Trial { place, fault, stop: true, json, items: items.clone() }.run();
            match fault {
                Fails(_) => assert_eq!((tally.failed, tally.unknown), (good + 1, 0)),
                Breaks | BreaksBehind => assert_eq!((tally.failed, tally.unknown), (0, sent)),
            }
        }
    }
}
