//! Plans, run by the engine over the store in memory.

use bytes::Bytes;
use polydav_engine::PlanMode;
use polydav_store::{Action, Content, Outcome, Overwrite};

use crate::work::Work;
use crate::world::{World, name, path, plan};

/// So many files are moved.
pub(crate) fn move_each(size: usize) -> Work {
    run(World::new(size), moves(size), PlanMode::BestEffort)
}

/// So many files are moved, all or none.
pub(crate) fn move_whole(size: usize) -> Work {
    run(World::new(size), moves(size), PlanMode::Atomic)
}

/// So many files are put.
pub(crate) fn put(size: usize) -> Work {
    let puts = (0..size).map(|number| Action::Put {
        target: path(&format!("to/{}", name(number))),
        content: Content::Inline(Bytes::from_static(b"one line\n")),
        modified: None,
    });
    run(World::new(0), puts.collect(), PlanMode::BestEffort)
}

/// Each file goes to where nothing is.
pub(crate) fn moves(size: usize) -> Vec<Action> {
    let of = |name: String| Action::Rename {
        source: path(&format!("from/{name}")),
        target: path(&format!("to/{name}")),
        overwrite: Overwrite::Refuse,
    };
    (0..size).map(name).map(of).collect()
}

/// Has the engine do all of these.
pub(crate) fn run(world: World, actions: Vec<Action>, mode: PlanMode) -> Work {
    let items = actions.len();
    let mut plan = Some(plan(actions, mode));
    Work::on(items, move || {
        let plan = plan.take().expect("it is run once");
        let outcomes = world.wait(world.engine.run(plan));
        assert!(outcomes.iter().all(Outcome::is_ok), "nothing is in the way");
    })
}
