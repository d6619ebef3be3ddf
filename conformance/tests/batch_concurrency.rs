//! Many clients at once, on the same few names: whatever is told of their requests, and whatever is
//! there in the end, must be what some order of them gives, one after the other. And in that order,
//! batches do what the model says.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use conformance::http::raw;
use conformance::model::{Chance, Item, Mode, Model, Operation, Request, Told};
use conformance::{Folder, Server, require};

const CLIENTS: usize = 8;

/// So many requests each client sends in a round.
const REQUESTS: usize = 3;

const ROUNDS: usize = 100;

/// Far more than any order takes that there is; a search that finds none ends here.
const STATES_MAX: usize = 1_000_000;

const PATHS: [&str; 7] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a"];

/// A request that was sent: when, until when, and what was told of it.
#[derive(Debug, Clone)]
struct Sent {
    request: Request,
    begun: Instant,
    ended: Instant,
    told: Vec<Told>,
}

fn serve(folder: &Folder) -> Server {
    let home = Folder::new();
    home.write("polydav.toml", format!("[limits]\nbatch-running = {CLIENTS}\n"));
    let config = home.join("polydav.toml").display().to_string();
    // How lasting a success is makes no difference to what is done.
    let arguments = ["--config", &config, "--durability", "relaxed"];
    Server::builder().folder(folder.path()).args(arguments).as_nobody().start()
}

fn operations(chance: &mut Chance, count: usize, name: &str) -> Vec<Operation> {
    let operation = |n| Operation::by_chance(chance, &PATHS, format!("{name}-{n}"));
    (0..count).map(operation).collect()
}

fn batch(chance: &mut Chance, count_max: usize, name: &str) -> Request {
    let mode = chance.pick(&[Mode::BestEffort, Mode::Stop, Mode::Atomic]);
    let count = 1 + chance.below(count_max);
    let operations = operations(chance, count, name);
    let items = operations.into_iter().enumerate().map(|(index, operation)| {
        let wanted = chance.pick(&[0, 0, 0, 1, 2]);
        let mut needs: Vec<_> = (0..wanted.min(index)).map(|_| chance.below(index)).collect();
        needs.sort_unstable();
        needs.dedup();
        Item { operation, needs }
    });
    Request::Batch(mode, items.collect())
}

fn ask(address: SocketAddr, request: Request) -> Sent {
    let bytes = request.to_bytes(&address.to_string());
    let begun = Instant::now();
    let answer = raw(address, &bytes, false);
    let ended = Instant::now();
    let told = request.told(&answer);
    Sent { request, begun, ended, told }
}

/// All clients at once; what each sent, in its order.
fn round(address: SocketAddr, number: usize) -> Vec<Vec<Sent>> {
    let start = Barrier::new(CLIENTS);
    let client = |client: usize| {
        let seed = u64::try_from(1 + number * CLIENTS + client).expect("it is small");
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut sent = Vec::new();
        start.wait();
        for n in 0..REQUESTS {
            let name = format!("{number}-{client}-{n}");
            let request = if chance.below(2) == 0 {
                Request::Single(operations(&mut chance, 1, &name).remove(0))
            } else {
                batch(&mut chance, 6, &name)
            };
            sent.push(ask(address, request));
        }
        sent
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || client(n))).collect();
        running.into_iter().map(|client| client.join().expect("no client panics")).collect()
    })
}

/// A search for an order of what some clients sent.
struct Search<'a> {
    clients: &'a [Vec<Sent>],
    end: &'a Model,
    /// How many of each client's requests were done, and what there was then: no way leads on.
    seen: HashSet<(Vec<usize>, Model)>,
}

impl<'a> Search<'a> {
    /// Whether an order explains all that was told, and leads from one state to the other.
    fn finds(clients: &'a [Vec<Sent>], begin: &Model, end: &'a Model) -> bool {
        let mut search = Self { clients, end, seen: HashSet::new() };
        search.goes_on(&vec![0; clients.len()], begin)
    }

    fn goes_on(&mut self, done: &[usize], model: &Model) -> bool {
        let clients = self.clients;
        let next = |client: usize| clients[client].get(done[client]);
        let waiting = || (0..done.len()).filter_map(|client| Some((client, next(client)?)));
        // What began when another had ended comes after it.
        let Some(first_end) = waiting().map(|(_, sent)| sent.ended).min() else {
            return model == self.end;
        };
        if !self.seen.insert((done.to_vec(), model.clone())) {
            return false;
        }
        assert!(self.seen.len() < STATES_MAX, "the search doesn't end");
        for (client, sent) in waiting().filter(|(_, sent)| sent.begun <= first_end) {
            let mut model = model.clone();
            if model.run(&sent.request) == sent.told {
                let mut done = done.to_vec();
                done[client] += 1;
                if self.goes_on(&done, &model) {
                    return true;
                }
            }
        }
        false
    }
}

/// What was sent, in the order it began.
fn shown(clients: &[Vec<Sent>]) -> String {
    let clients = clients.iter().enumerate();
    let all = clients.flat_map(|(client, sent)| sent.iter().map(move |sent| (client, sent)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(_, sent)| sent.begun);
    let first = all[0].1.begun;
    let line = |(client, sent): (usize, &Sent)| {
        let (begun, ended) = (sent.begun - first, sent.ended - first);
        let told: Vec<_> = sent.told.iter().map(|told| told.status).collect();
        format!("client {client}, {begun:?} to {ended:?}: {} {told:?}\n", sent.request)
    };
    all.into_iter().map(line).collect()
}

#[test]
fn what_many_clients_are_told_is_what_some_order_of_their_requests_gives() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let server = serve(&folder);
    let mut begin = Model::default();
    let mut overlapping = 0;
    for number in 0..ROUNDS {
        let clients = round(server.address(), number);
        let end = Model::look(&folder, &server);
        let found = Search::finds(&clients, &begin, &end);
        assert!(found, "round {number}, no order:\n{begin}{}{end}", shown(&clients));
        let all = || clients.iter().flatten();
        let overlaps = |a: &Sent, b: &Sent| a.begun < b.ended && b.begun < a.ended;
        overlapping += all().filter(|a| all().filter(|b| overlaps(a, b)).count() > 1).count();
        begin = end;
    }
    assert!(overlapping > ROUNDS * CLIENTS, "only {overlapping} requests met another");
    server.stop();
}

/// Or the search would find an order for anything.
#[test]
fn what_no_order_gives_is_noticed() {
    let now = Instant::now();
    let at = |time: u64| now + std::time::Duration::from_secs(time);
    let put = |content: &str| Operation::Put("a".to_owned(), content.to_owned(), None);
    let sent = |content: &str, begun, ended, status| Sent {
        request: Request::Single(put(content)),
        begun: at(begun),
        ended: at(ended),
        told: vec![Told { status, outcome: String::new(), cause: None }],
    };
    let begin = Model::default();
    let with = |content: &str| {
        let mut end = Model::default();
        end.perform(&put(content));
        end
    };
    let both = [vec![sent("1", 0, 2, 201)], vec![sent("2", 1, 3, 204)]];
    assert!(Search::finds(&both, &begin, &with("2")));
    assert!(!Search::finds(&both, &begin, &with("1")), "the one that found a file was later");
    let created = [vec![sent("1", 0, 2, 201)], vec![sent("2", 1, 3, 201)]];
    assert!(!Search::finds(&created, &begin, &with("2")), "only one of them found nothing");
    let late = [vec![sent("1", 0, 1, 204)], vec![sent("2", 2, 3, 201)]];
    assert!(!Search::finds(&late, &begin, &with("1")), "the second began when the first had ended");
}

#[test]
fn a_batch_does_what_the_model_does() {
    if !require(&[]) {
        return;
    }
    let folder = Folder::new();
    let server = serve(&folder);
    let (mut chance, mut model) = (Chance(0x2545_f491_4f6c_dd1d), Model::default());
    let (mut met, mut hung) = (HashSet::new(), false);
    for round in 0..200 {
        let request = batch(&mut chance, 24, &round.to_string());
        let before = model.clone();
        let expected = model.run(&request);
        let sent = ask(server.address(), request);
        for (index, (told, expected)) in sent.told.iter().zip(&expected).enumerate() {
            assert_eq!(told, expected, "{index} of round {round}: {}\non\n{before}", sent.request);
        }
        assert_eq!(sent.told.len(), expected.len(), "round {round}");
        let found = Model::look(&folder, &server);
        assert_eq!(found, model, "round {round}: {}\non\n{before}", sent.request);
        let is_best_effort = matches!(sent.request, Request::Batch(Mode::BestEffort, _));
        hung |= is_best_effort && sent.told.iter().any(|told| told.cause.is_some());
        met.extend(sent.told.into_iter().map(|told| (told.status, told.outcome)));
    }
    assert!(hung, "no operation ever lacked one that it needs");
    let statuses: HashSet<u16> = met.iter().map(|(status, _)| *status).collect();
    for status in [200, 201, 204, 403, 404, 405, 409, 412, 424] {
        assert!(statuses.contains(&status), "no operation was ever told {status}");
    }
    let undone = (424, "rolled-back".to_owned());
    assert!(met.contains(&undone), "no operation was ever undone");
    server.stop();
}
