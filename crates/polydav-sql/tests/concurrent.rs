//! Several clients change the same rows at the same time: through one engine, and by stores that
//! know nothing of each other. For each row, what was told is what some order of the steps that
//! were done comes to; and nobody is told of deadlocks.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod world;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use polydav_engine::{Engine, Environment, Plan, PlanMode};
use polydav_sql::SqlStore;
use polydav_store::kit::{
    Draft, add, apply, json, path, put_record, remove, run, text, update, verdict,
};
use polydav_store::{Cancel, MemoryLedger, NoLocks, Outcome, Select, Store, Value};
use world::{Database, each};

const SQLITE: &str = "
    CREATE TABLE t (k integer NOT NULL PRIMARY KEY, v text, n bigint NOT NULL DEFAULT 0);
    CREATE TABLE parted (k integer NOT NULL PRIMARY KEY);
    CREATE TABLE up (k integer NOT NULL PRIMARY KEY, u text UNIQUE);
    CREATE TABLE down (k integer NOT NULL PRIMARY KEY, up integer REFERENCES up, w text UNIQUE);";

/// One of the tables is partitioned, and has a trigger. Deadlocks are found sooner than usual.
fn postgres() -> String {
    let tables = SQLITE.replace(
        "parted (k integer NOT NULL PRIMARY KEY);",
        "parted (k integer NOT NULL PRIMARY KEY) PARTITION BY HASH (k);
        CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER seen AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION seen();",
    );
    let sooner = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout TO ''20ms''',
                  current_database()); END $$;";
    tables + sooner
}

/// How steps get to the database.
trait Client: Send + Sync {
    fn store(&self) -> &dyn Store;
    fn send(&self, drafts: Vec<Draft>) -> Vec<Outcome>;
}

/// By a store of one's own.
impl Client for Arc<SqlStore> {
    fn store(&self) -> &dyn Store {
        &**self
    }

    fn send(&self, drafts: Vec<Draft>) -> Vec<Outcome> {
        let steps = drafts.into_iter().enumerate().map(|(at, draft)| draft.step(at)).collect();
        apply(&**self, &NoLocks, run(steps))
    }
}

/// By an engine that others use too.
struct Shared {
    engine: Engine,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl Client for Shared {
    fn store(&self) -> &dyn Store {
        &**self.engine.store()
    }

    fn send(&self, drafts: Vec<Draft>) -> Vec<Outcome> {
        let steps = drafts.into_iter().enumerate().map(|(at, draft)| draft.step(at)).collect();
        let plan =
            Plan { steps, mode: PlanMode::BestEffort, cancel: Cancel::never(), ticket: None };
        self.runtime.block_on(self.engine.run(plan))
    }
}

/// Four clients of one engine.
fn of_engine(database: &Database) -> Vec<Box<dyn Client>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (runtime, store) = (Arc::new(runtime), Arc::new(database.open()));
    let environment = Environment::new(SystemTime::now, || 7);
    let ledger = Arc::new(MemoryLedger::default());
    let engine = Engine::open(store, ledger, environment, Default::default()).unwrap();
    let client = || Shared { engine: engine.clone(), runtime: Arc::clone(&runtime) };
    (0..4).map(|_| Box::new(client()) as Box<dyn Client>).collect()
}

/// Two clients each of two stores.
fn of_stores(database: &Database) -> Vec<Box<dyn Client>> {
    let stores = [Arc::new(database.open()), Arc::new(database.open())];
    (0..4).map(|at| Box::new(Arc::clone(&stores[at % 2])) as Box<dyn Client>).collect()
}

/// Numbers without a pattern, the same in every run of the test.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

/// Each client in a thread of its own.
fn at_once<T: Send>(
    clients: &[Box<dyn Client>],
    work: impl Fn(u64, &dyn Client, &mut Random) -> T + Sync,
) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..)
            .zip(clients)
            .map(|(number, client)| {
                let client: &dyn Client = &**client;
                let mut random = Random(number * 0x9e37_79b9);
                scope.spawn(move || work(number, client, &mut random))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Runs a case with clients of one engine, and of two stores, over both databases.
fn however(case: impl Fn(&Database, &[Box<dyn Client>])) {
    for clients in [of_engine, of_stores] {
        each(SQLITE, &postgres(), |database| case(database, &clients(database)));
    }
}

/// What was told of a step about a row.
struct Told {
    k: u64,
    /// What the row became; `None` if it was removed.
    value: Option<String>,
    /// The tag that it had to have before.
    if_match: Option<String>,
    verdict: String,
    begun: Instant,
    ended: Instant,
}

impl Told {
    fn is_done(&self) -> bool {
        matches!(&*self.verdict, "created" | "done")
    }
}

const ROWS: u64 = 5;

fn tags(store: &dyn Store) -> HashMap<u64, String> {
    let tag = |k| {
        let entry = store.stat(&path(format!("t/{k}")), &Select::None).ok()?;
        Some((k, entry.etag?.as_str().to_owned()))
    };
    (0..ROWS).filter_map(tag).collect()
}

/// Batches of random steps about few rows; each value is given once.
fn change(number: u64, client: &dyn Client, random: &mut Random) -> Vec<Told> {
    let mut all = Vec::new();
    for batch in 0..25 {
        let known = tags(client.store());
        let (mut drafts, mut about) = (Vec::new(), Vec::new());
        for step in 0..=random.below(12) {
            let k = random.below(ROWS);
            let (at, value) = (format!("t/{k}"), format!("{number}-{batch}-{step}"));
            let given = || [("v", text(&value))];
            let tag = known.get(&k).filter(|_| random.below(3) == 0).cloned();
            let (draft, value) = match random.below(8) {
                0..=2 => (put_record(at, given()), Some(value.clone())),
                3..=5 => (update(at, given()), Some(value.clone())),
                6 => (put_record(at, given()).if_none_match("*"), Some(value.clone())),
                _ => (remove(at), None),
            };
            drafts.push(match &tag {
                Some(tag) => draft.if_match(tag),
                None => draft,
            });
            about.push((k, value, tag));
        }
        let begun = Instant::now();
        let outcomes = client.send(drafts);
        let ended = Instant::now();
        let told = about.into_iter().zip(&outcomes).map(|((k, value, if_match), outcome)| Told {
            k,
            value,
            if_match,
            verdict: verdict(outcome),
            begun,
            ended,
        });
        all.extend(told);
    }
    all
}

/// Of each row: it was made as often as it was removed, or once more if it is there; no state of it
/// was replaced twice by steps that asked for that very state; and what it is now was put by a step
/// that no other step followed.
fn check(store: &dyn Store, told: &[Vec<Told>]) {
    for told in told.iter().flatten() {
        let expected = ["created", "done"].contains(&&*told.verdict)
            || told.verdict == format!("NotFound /t/{}", told.k)
            || told.verdict == format!("Precondition /t/{}", told.k);
        assert!(expected, "{}", told.verdict);
    }
    for k in 0..ROWS {
        let of_row = || told.iter().flatten().filter(|told| told.k == k && told.is_done());
        let made = of_row().filter(|told| told.verdict == "created").count();
        let gone = of_row().filter(|told| told.value.is_none()).count();
        let now = store.stat(&path(format!("t/{k}")), &Select::All).ok();
        assert_eq!(made - gone, usize::from(now.is_some()), "row {k}: made {made}, removed {gone}");

        let mut replaced = HashSet::new();
        for tag in of_row().filter_map(|told| told.if_match.as_ref()) {
            assert!(replaced.insert(tag), "row {k}: the state {tag} was replaced twice");
        }

        let value = now.map(|entry| entry.columns[1].value.clone());
        let is_last = |told: &&Told| match (&value, &told.value) {
            (Some(value), Some(told)) => *value == text(told),
            (None, None) => true,
            _ => false,
        };
        let followed = |last: &Told| {
            let later = of_row().any(|other| other.begun > last.ended);
            let own = told.iter().find(|told| told.iter().any(|told| std::ptr::eq(told, last)));
            let behind = own.into_iter().flatten().skip_while(|told| !std::ptr::eq(*told, last));
            later || behind.skip(1).any(|told| told.k == k && told.is_done())
        };
        let is_explained =
            value.is_none() && made == 0 || of_row().filter(is_last).any(|last| !followed(last));
        assert!(is_explained, "row {k}: nobody's last word is {value:?}");
    }
}

#[test]
fn what_is_told_of_a_row_is_an_order_of_its_steps() {
    however(|database, clients| {
        let told = at_once(clients, change);
        check(&database.open(), &told);
    });
}

/// Who reads, and changes only what was read, never loses what others did.
#[test]
fn no_update_is_lost() {
    however(|database, clients| {
        let rows = (0..3).map(|k| put_record(format!("t/{k}"), []));
        assert!(clients[0].send(rows.collect()).iter().all(Result::is_ok));
        let counted = at_once(clients, |_, client, random| {
            let mut counts = BTreeMap::from([(0, 0), (1, 0), (2, 0)]);
            for _ in 0..40 {
                let k = random.below(3);
                let entry = client.store().stat(&path(format!("t/{k}")), &Select::All).unwrap();
                let Value::Text(number) = &entry.columns[2].value else { panic!("it is a number") };
                let next = (number.parse::<i64>().unwrap() + 1).to_string();
                let draft = update(format!("t/{k}"), [("n", json(&next))]);
                let draft = draft.if_match(entry.etag.unwrap().as_str());
                match &*verdict(&client.send(vec![draft])[0]) {
                    "done" => *counts.get_mut(&k).unwrap() += 1,
                    other => assert_eq!(other, format!("Precondition /t/{k}")),
                }
            }
            counts
        });
        for k in 0..3 {
            let done: i64 = counted.iter().map(|counts| counts[&k]).sum();
            assert_eq!(database.sql(&format!("SELECT n FROM t WHERE k = {k}")), done.to_string());
            assert!(done > 0);
        }
    });
}

/// A row that is removed and made again in one transaction is there for everybody else, always.
#[test]
fn a_row_that_is_always_there_is_always_found() {
    however(|database, clients| {
        assert!(clients[0].send(vec![put_record("t/1", [])])[0].is_ok());
        let store = database.open();
        at_once(clients, |number, client, _| {
            for _ in 0..30 {
                if number == 1 {
                    let told = client.send(vec![remove("t/1"), put_record("t/1", [])]);
                    assert_eq!(told.iter().map(verdict).collect::<Vec<_>>(), ["done", "created"]);
                } else {
                    let told = client.send(vec![update("t/1", [("v", text("x"))])]);
                    assert_eq!(verdict(&told[0]), "done");
                    assert!(store.stat(&path("t/1"), &Select::None).is_ok());
                }
            }
        });
    });
}

/// What is put is made or replaced, however often others make and remove it meanwhile: that it is
/// there by now is no conflict.
#[test]
fn a_row_that_comes_and_goes_can_always_be_put() {
    however(|_, clients| {
        at_once(clients, |_, client, random| {
            for round in 0..200 {
                let table = if round % 4 == 0 { "parted" } else { "t" };
                let row = |k| format!("{table}/{k}");
                let puts = (0..=random.below(3)).map(|k| put_record(row(k), []));
                for told in client.send(puts.collect()).iter().map(verdict) {
                    assert!(["created", "done"].contains(&&*told), "{told}");
                }
                client.send((0..3).map(|k| remove(row(k))).collect());
            }
        });
    });
}

/// Unique values and references have transactions wait for each other in circles: the steps are
/// done again, and no client hears of it.
#[test]
fn nobody_is_told_of_deadlocks() {
    however(|database, clients| {
        let rows = (0..4).map(|k| put_record(format!("up/{k}"), []));
        assert!(clients[0].send(rows.collect()).iter().all(Result::is_ok));
        let told = at_once(clients, |number, client, random| {
            let mut told = Vec::new();
            for batch in 0..15 {
                let step = |_| {
                    let (k, value) = (random.below(4), random.below(4).to_string());
                    let w = [("up", text(&value)), ("w", text(&value))];
                    match random.below(6) {
                        0 => update(format!("up/{k}"), [("u", text(&value))]),
                        1 => update(format!("up/{k}"), [("u", Value::Null)]),
                        2 => remove(format!("down/{k}")),
                        3 => put_record(format!("down/{k}"), w),
                        4 => {
                            add("down", [("k", text(&format!("{number}{batch}{k}"))), w[0].clone()])
                        }
                        _ => put_record(format!("down/{k}"), [w[0].clone()]),
                    }
                };
                told.extend(client.send((0..8).map(step).collect()).iter().map(verdict));
            }
            told
        });
        for told in told.iter().flatten() {
            let kind = told.split(' ').next().unwrap();
            assert!(["created", "done", "NotFound", "Conflict"].contains(&kind), "{told}");
        }
        let taken = "SELECT count(*) FROM (SELECT w FROM down WHERE w IS NOT NULL GROUP BY w HAVING count(*) > 1) AS x";
        assert_eq!(database.sql(taken), "0");
    });
}
