//! Nobody who changes something sees the middle of a batch.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use conformance::http::raw;
use conformance::model::{Condition, Mode, Operation, Request, Transfer};
use conformance::{Folder, Server, require};

/// What a PUT is told that comes in the middle of batches.
fn meets(mode: Mode, operations: Vec<Operation>, single: Operation, fine: &[u16]) {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    folder.write("b", "b");
    let server = Server::serve(&folder);
    let (address, host) = (server.address(), server.host().to_owned());
    let batch = Request::batch(mode, operations);
    let over = AtomicBool::new(false);
    let met = thread::scope(|scope| {
        let puts = scope.spawn(|| {
            let mut met = BTreeMap::new();
            while !over.load(Ordering::Relaxed) {
                let request = Request::Single(single.clone());
                let status = raw(address, &request.to_bytes(&host), false).status;
                *met.entry(status).or_insert(0) += 1;
            }
            met
        });
        for _ in 0..20 {
            let told = batch.told(&raw(address, &batch.to_bytes(&host), false));
            assert!(!told.is_empty());
        }
        over.store(true, Ordering::Relaxed);
        puts.join().expect("no client panics")
    });
    assert!(met.keys().all(|status| fine.contains(status)), "{met:?}");
}

#[test]
fn a_put_never_meets_what_is_undone() {
    let mut operations =
        vec![Operation::Delete("b".to_owned()), Operation::MakeCollection("b".to_owned())];
    operations.extend((0..200).map(|n| Operation::MakeCollection(format!("c{n}"))));
    operations.push(Operation::Delete("none".to_owned()));
    let single = Operation::Put("b".to_owned(), "x".to_owned(), None);
    meets(Mode::Atomic, operations, single, &[204]);
}

#[test]
fn a_put_never_meets_the_middle_of_a_batch() {
    let mut operations = vec![Operation::Delete("b".to_owned())];
    operations.extend((0..200).map(|n| Operation::Put(format!("c{n}"), "x".to_owned(), None)));
    operations.push(Operation::Put("b".to_owned(), "x".to_owned(), None));
    let single = Operation::Put("b".to_owned(), "x".to_owned(), Some(Condition::Exists));
    meets(Mode::BestEffort, operations, single, &[204]);
}

#[test]
fn a_put_never_meets_the_middle_of_a_batch_that_moves() {
    let mv = |a: &str, b: &str| {
        Operation::Move(Transfer {
            source: a.to_owned(),
            target: b.to_owned(),
            overwrite: Some(true),
        })
    };
    let mut operations =
        vec![Operation::Delete("b".to_owned()), Operation::MakeCollection("c".to_owned())];
    operations.extend((0..200).map(|n| if n % 2 == 0 { mv("c", "d") } else { mv("d", "c") }));
    operations.push(Operation::Put("b".to_owned(), "x".to_owned(), None));
    let single = Operation::Put("b".to_owned(), "x".to_owned(), Some(Condition::Exists));
    meets(Mode::BestEffort, operations, single, &[204]);
}
