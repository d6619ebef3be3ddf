//! Locks, taken, looked for and given up beside many others that have nothing to do with them.

use std::time::SystemTime;

use polydav_engine::{LockRequest, PlanMode, UnlockRequest};
use polydav_store::{
    Guard, Lock, LockDepth, LockScope, LockTable, LockToken, Principal, ResourcePath,
};

use crate::plan;
use crate::work::Work;
use crate::world::{World, late, name, path};

/// How often the table is asked.
const TIMES: usize = 1_000;

/// How often the engine is.
const REQUESTS: usize = 100;

/// How many locks lie in a tree.
const MEMBERS: usize = 10;

/// The table tells which locks cover a path, beside so many others. One does.
pub(crate) fn cover(size: usize) -> Work {
    let mut table = table(size);
    table.insert(lock(path("from/2024/spring"), LockDepth::Infinity));
    let paths: Vec<_> = members().collect();
    Work::on(TIMES, move || {
        for path in &paths {
            assert_eq!(table.covering(path, SystemTime::UNIX_EPOCH).len(), 1);
        }
    })
}

/// The table gets locks, and loses them again.
pub(crate) fn take(size: usize) -> Work {
    let mut table = table(size);
    let locks: Vec<_> = members().map(|root| lock(root, LockDepth::Zero)).collect();
    Work::on(TIMES, move || {
        locks.iter().for_each(|lock| table.insert(lock.clone()));
        for lock in &locks {
            table.remove(&lock.token).expect("it is there");
        }
    })
}

/// The table tells what forbids a lock on a tree, in which there are some.
pub(crate) fn tree(size: usize) -> Work {
    let mut table = table(size);
    let (root, now) = (path("from/2024/spring"), SystemTime::UNIX_EPOCH);
    members().take(MEMBERS).for_each(|member| table.insert(lock(member, LockDepth::Infinity)));
    Work::on(TIMES, move || {
        for _ in 0..TIMES {
            let found = table.conflicts(&root, LockScope::Exclusive, LockDepth::Infinity, now);
            assert_eq!(found.len(), MEMBERS);
        }
    })
}

/// The engine locks a file, and unlocks it.
pub(crate) fn lock_and_unlock(size: usize) -> Work {
    let world = World::with_locks(REQUESTS, others(size).collect());
    Work::on(REQUESTS, move || {
        for number in 0..REQUESTS {
            there_and_back(&world, path(&format!("from/{}", name(number))), LockDepth::Zero);
        }
    })
}

/// The engine locks a tree in which nothing is locked, and unlocks it.
pub(crate) fn lock_tree(size: usize) -> Work {
    let world = World::with_locks(REQUESTS, others(size).collect());
    Work::on(REQUESTS, move || {
        for _ in 0..REQUESTS {
            there_and_back(&world, path("from"), LockDepth::Infinity);
        }
    })
}

/// The engine moves files, none of which is locked.
pub(crate) fn moves_beside(size: usize) -> Work {
    let world = World::with_locks(TIMES, others(size).collect());
    plan::run(world, plan::moves(TIMES), PlanMode::BestEffort)
}

fn there_and_back(world: &World, path: ResourcePath, depth: LockDepth) {
    let (scope, guard) = (LockScope::Exclusive, Guard::default());
    let request = LockRequest {
        path: path.clone(),
        scope,
        depth,
        owner: None,
        timeout: None,
        guard: guard.clone(),
    };
    let locked = world.wait(world.engine.lock(request)).expect("nobody has locked it");
    let token = locked.lock.token.clone();
    world.wait(world.engine.unlock(UnlockRequest { path, token, guard })).expect("it is ours");
}

/// What is locked, or looked at, in one collection.
fn members() -> impl Iterator<Item = ResourcePath> {
    (0..TIMES).map(|number| path(&format!("from/2024/spring/{}", name(number))))
}

fn table(others: usize) -> LockTable {
    let mut table = LockTable::default();
    self::others(others).for_each(|lock| table.insert(lock));
    table
}

/// Locks elsewhere and of somebody else, half of them on trees.
fn others(count: usize) -> impl Iterator<Item = Lock> {
    let principal = Principal::Named("somebody".into());
    (0..count).map(move |number| {
        let depth = if number % 2 == 0 { LockDepth::Infinity } else { LockDepth::Zero };
        let lock = lock(path(&format!("locked/{}", name(number))), depth);
        Lock { principal: principal.clone(), ..lock }
    })
}

/// A lock whose token is made of its root.
fn lock(root: ResourcePath, depth: LockDepth) -> Lock {
    let uri = format!("urn:uuid:{}", String::from_utf8_lossy(root.as_bytes()));
    Lock {
        token: LockToken::new(uri),
        scope: LockScope::Exclusive,
        depth,
        owner: None,
        principal: Principal::Anonymous,
        expires: late(),
        root,
    }
}
