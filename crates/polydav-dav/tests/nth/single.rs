//! The same for requests that are no batches: a success is there, a failure changed nothing.

use std::collections::BTreeSet;

use multistatus::Report;
use polydav_store::layer::Fault;

use super::model::Op::{self, Delete, MkCol, Move, Patch, Protected, Put};
use super::model::{Item, Node};
use super::scene::{Asked, Place, Scene};
use super::script::update;
use super::story::status_of;
use super::world::{Reply, info};
use super::{PLACES, aftermath};

/// Too long to be kept in memory: it is staged.
const LONG: &str = match std::str::from_utf8(&[b'x'; 400_000]) {
    Ok(text) => text,
    Err(_) => panic!("it is ASCII"),
};

/// Asks for the same thing, in a fresh world each time, with each call failing in turn; `check`
/// says whether it was done. Returns how often it wasn't.
fn run(
    (place, fault): (Place, Fault),
    given: &[&str],
    text: impl Fn(&Scene) -> String,
    check: impl Fn(&Scene, &Asked) -> bool,
) -> u64 {
    let scene = || {
        let scene = Scene::new(place);
        assert!(given.iter().all(|text| matches!(scene.world.status(text), 201 | 204)));
        scene
    };
    let untouched = scene();
    let calls = untouched.ask(0, fault, &text(&untouched)).calls;
    let mut failed = 0;
    for nth in 1.. {
        let scene = scene();
        let asked = scene.ask(nth, fault, &text(&scene));
        let done = check(&scene, &asked);
        if !asked.struck {
            assert!(done, "{:?}", asked.reply);
            assert_eq!(nth - 1, calls, "each call of a run untouched was made to fail");
            break;
        }
        failed += u64::from(!done);
    }
    failed
}

/// Whether the answer is the one to a call that failed.
fn is_fault(asked: &Asked, fault: Fault) -> bool {
    let status = match fault {
        Fault::Fails(kind) => status_of(kind),
        Fault::Breaks | Fault::BreaksBehind => 500,
    };
    // A PROPPATCH without room tells it of each property.
    asked.struck && told(&asked.reply).0 == status
}

fn request(item: &Item, scene: &Scene) -> String {
    let mut head = String::new();
    if item.tokens {
        head += &format!("\nIf: </l> (<{}>)", scene.tokens[0]);
    }
    if item.if_none_match {
        head += "\nIf-None-Match: *";
    }
    let flag = |overwrite: bool| if overwrite { "T" } else { "F" };
    match item.op {
        MkCol(path) => format!("MKCOL {path}{head}"),
        Put(path, content) => format!("PUT {path}{head}\n\n{content}"),
        Op::Copy { source, target, depth, overwrite } => format!(
            "COPY {source}{head}\nDestination: {target}\nDepth: {depth}\nOverwrite: {}",
            flag(overwrite)
        ),
        Move { source, target, overwrite } => {
            format!("MOVE {source}{head}\nDestination: {target}\nOverwrite: {}", flag(overwrite))
        }
        Delete(path) => format!("DELETE {path}{head}"),
        Patch(path, changes) => patch(path, &update(changes)),
        Protected(path) => patch(path, &update(&[("getetag", Some("x")), ("p", Some("x"))])),
        Op::Invalid(_) => panic!("no single request has such a value"),
    }
}

fn patch(path: &str, update: &str) -> String {
    let body = format!("<D:propertyupdate xmlns:D=\"DAV:\">{update}</D:propertyupdate>");
    format!("PROPPATCH {path}\n\n{body}")
}

/// The status that a batch would tell for this, and the members told.
fn told(reply: &Reply) -> (u16, BTreeSet<String>) {
    if reply.status != 207 {
        return (reply.status, BTreeSet::new());
    }
    let mut statuses = Vec::new();
    let mut members = BTreeSet::new();
    for response in reply.multistatus().responses {
        match &response.report {
            Report::Status(status) => {
                statuses.push(status.as_u16());
                members.insert(response.href().trim_end_matches('/').to_owned());
            }
            Report::Properties(stats) => {
                statuses.extend(stats.iter().map(|stat| stat.status.as_u16()));
            }
        }
    }
    (statuses[0], members)
}

/// Holds the answer against the model; says whether the item was done.
fn check(item: &Item, fault: Fault, scene: &Scene, asked: &Asked) -> bool {
    let mut state = scene.start.clone();
    let expected = state.perform(item).map(|status| (status, BTreeSet::new()));
    let expected = expected.unwrap_or_else(|refusal| (refusal.status, refusal.members));
    let is_told = told(&asked.reply) == expected;
    assert!(is_told || is_fault(asked, fault), "{item:?} {fault:?}: {:?}", asked.reply);
    let mut possible = vec![if is_told { &state } else { &scene.start }];
    if !is_told && scene.is_broken() {
        possible.push(&state);
    }
    let seen = scene.seen();
    let truth = possible.into_iter().find(|possible| possible.agrees(&seen));
    let truth = truth.unwrap_or_else(|| panic!("{item:?} {:?} {seen:#?}", asked.reply));
    aftermath(scene, truth);
    is_told
}

/// Requests of every method, done and refused.
fn requests() -> Vec<Item> {
    let item = Item::from;
    let copy = |source, target, depth| Op::Copy { source, target, depth, overwrite: true };
    vec![
        item(MkCol("/new")),
        item(MkCol("/t")),
        item(Put("/new", "1")),
        item(Put("/new", LONG)),
        item(Put("/f", "2")),
        item(Put("/f", LONG)),
        item(Put("/f", "2")).if_none_match(),
        item(Put("/none/x", "1")),
        item(Put("/l/f", "3")),
        item(Put("/l/f", "3")).with_tokens(),
        item(copy("/f", "/g", "infinity")),
        item(copy("/t", "/t2", "infinity")),
        item(copy("/t", "/u", "infinity")),
        item(copy("/t", "/u", "0")),
        item(copy("/f", "/m", "infinity")),
        item(Move { source: "/f", target: "/moved", overwrite: true }),
        item(Move { source: "/p", target: "/q", overwrite: true }),
        item(Move { source: "/p", target: "/q", overwrite: false }),
        item(Move { source: "/m", target: "/n", overwrite: true }),
        item(Delete("/f")),
        item(Delete("/gone")),
        item(Delete("/part")),
        item(Delete("/l")).with_tokens(),
        item(Patch("/f", &[("displayname", Some("F")), ("p", None)])),
        item(Patch("/t", &[("p", Some("changed"))])),
        item(Protected("/f")),
    ]
}

#[test]
fn a_single_request_tells_the_truth_whichever_call_fails() {
    for (place, faults) in PLACES {
        for &fault in faults {
            let failed = requests().into_iter().map(|item| {
                let text = |scene: &Scene| request(&item, scene);
                run((place, fault), &[], text, |scene, asked| check(&item, fault, scene, asked))
            });
            assert!(failed.sum::<u64>() > requests().len() as u64, "{fault:?}");
        }
    }
}

/// A lock, and what was made to be locked, are there together or not at all.
#[test]
fn a_lock_is_told_as_it_is_whichever_call_fails() {
    let lock = |_: &Scene| format!("LOCK /n\n\n{}", info("exclusive"));
    for (place, faults) in PLACES {
        for &fault in faults {
            let failed = run((place, fault), &[], lock, |scene, asked| {
                let done = asked.reply.status == 201;
                assert!(done || is_fault(asked, fault), "{:?}", asked.reply);
                let mut made = scene.start.clone();
                let empty = Node { content: Some(String::new()), ..Node::default() };
                made.nodes.insert("/n".to_owned(), empty);
                let mut seen = scene.seen();
                let is_locked = seen.locks.remove("/n").is_some();
                assert_eq!(is_locked, done, "{:?}", asked.reply);
                let as_before = scene.start.agrees(&seen) && !done;
                assert!(as_before || (made.agrees(&seen) && (done || scene.is_broken())));
                done
            });
            assert!(failed > 0);
        }
    }
}

#[test]
fn an_unlock_is_told_as_it_is_whichever_call_fails() {
    let unlock = |scene: &Scene| format!("UNLOCK /l\nLock-Token: <{}>", scene.tokens[0]);
    for (place, faults) in PLACES {
        for &fault in faults {
            let failed = run((place, fault), &[], unlock, |scene, asked| {
                let done = asked.reply.status == 204;
                assert!(done || is_fault(asked, fault), "{:?}", asked.reply);
                let mut expected = scene.start.clone();
                expected.locks.retain(|root, _| root != "/l" || !done);
                assert_eq!(scene.seen(), expected);
                done
            });
            assert!(failed > 0);
        }
    }
}

/// A listing tells of each resource or why it can't, or it isn't whole and can be seen not to be.
#[test]
fn no_member_is_missing_from_a_listing_whichever_call_fails() {
    let list = |_: &Scene| "PROPFIND /\nDepth: infinity".to_owned();
    for (place, faults) in PLACES {
        for &fault in faults {
            let failed = run((place, fault), &[], list, |scene, asked| {
                if is_fault(asked, fault) {
                    return false;
                }
                let told = asked.reply.multistatus().responses;
                let hrefs: BTreeSet<_> =
                    told.iter().map(|response| response.href().trim_end_matches('/')).collect();
                assert!(hrefs.into_iter().eq(scene.start.nodes.keys().map(String::as_str)));
                let untold = told.iter().filter_map(|response| match response.report {
                    Report::Status(status) => Some(status.as_u16()),
                    Report::Properties(_) => None,
                });
                let untold: Vec<_> = untold.collect();
                assert!(untold.len() <= usize::from(asked.struck), "{untold:?}");
                untold.is_empty()
            });
            assert!(failed > 20, "each resource was made unreadable");
        }
    }
}

/// Content comes whole, or it can be seen that it doesn't.
#[test]
fn no_content_is_cut_short_unseen_whichever_call_fails() {
    let given = format!("PUT /long\n\n{LONG}");
    let get = |_: &Scene| "GET /long".to_owned();
    for (place, faults) in PLACES {
        for &fault in faults {
            let failed = run((place, fault), &[&given], get, |_, asked| {
                let reply = &asked.reply;
                match &reply.body {
                    Some(body) if reply.status == 200 => assert_eq!(body, LONG.as_bytes()),
                    Some(_) => assert!(is_fault(asked, fault), "{reply:?}"),
                    None => assert!(asked.struck),
                }
                reply.status == 200 && reply.body.is_some()
            });
            assert!(failed > 1, "not only its beginning failed");
        }
    }
}
