//! The model test of records: random runs come out on a store as they do in memory.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use super::{SCHEMA, records};
use crate::datum::json_string;
use crate::kit::condition::{Conditions, conditions, locks};
use crate::kit::model::on_failure;
use crate::kit::rehearsal::{self, Act as _};
use crate::kit::{
    Draft, add, apply, copy, given, held, json, mkcol, patch, put, put_record, remove, rename, run,
    set, snapshot, steps, text, update, verdict,
};
use crate::{
    Capabilities, Lock, MemoryRecords, OnFailure, Outcome, ResourcePath, Run, Select, Store, Value,
};

/// Runs `cases` random scenarios on a fresh store each and on a [`MemoryRecords`]; after every run
/// the [verdicts](crate::kit::verdict) and all there is must be the same.
///
/// # Panics
/// With the smallest scenario found in which they aren't.
pub fn model<S: Store>(cases: u32, make: impl Fn() -> S) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let can = make().capabilities(&ResourcePath::root());
    let result = runner.run(&vec(scene(can), 1..4), |scenes| {
        let (store, model) = (make(), MemoryRecords::new(SCHEMA));
        furnish(&store);
        furnish(&model);
        scenes.iter().try_for_each(|scene| scene.check(&store, &model))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// As [`kit::rehearse`](crate::kit::rehearse), for a store of records with the tables of [`SCHEMA`].
///
/// # Panics
/// If a trial fails, or what is told differs.
pub fn rehearse<S: Store>(cases: u32, make: impl Fn() -> S) {
    rehearsal::pass(&super::trials(), &make);
    let can = make().capabilities(&ResourcePath::root());
    rehearsal::compare(cases, vec(scene(can), 1..4), &make, furnish);
}

/// Puts some rows there, so that most steps find what they want.
fn furnish(store: &dyn Store) {
    let name = |name: &str| ("name", text(name));
    given(store, [put_record("item/1", [name("a")]), put_record("item/2", [name("b")])]);
    given(store, [put_record("part/a,1", [("item", text("1"))]), put_record("word/a", [])]);
}

/// One run, and the locks that are held meanwhile.
#[derive(Debug)]
struct Scene {
    acts: Vec<(Act, Conditions)>,
    locks: Vec<Lock>,
    on_failure: OnFailure,
}

/// What a step does; paths are joined by slashes.
#[derive(Debug)]
enum Act {
    Put {
        target: String,
        record: Vec<Given>,
    },
    Add {
        table: String,
        record: Vec<Given>,
    },
    Update {
        target: String,
        record: Vec<Given>,
    },
    Remove(String),
    /// What there is for files only.
    Foreign {
        target: String,
        other: String,
        how: u8,
    },
}

/// A column, and what it is given.
type Given = (&'static str, Value);

impl Scene {
    fn check(&self, store: &dyn Store, model: &dyn Store) -> TestCaseResult {
        prop_assert_eq!(
            self.perform(store),
            self.perform(model),
            "what is told, and what should be"
        );
        prop_assert_eq!(snapshot(store), snapshot(model), "what is there, and what should be");
        for table in ["item", "part", "word", "ro"] {
            prop_assert_eq!(records(store, table), records(model, table), "{}", table);
        }
        Ok(())
    }
}

impl rehearsal::Act for Scene {
    fn perform(&self, store: &dyn Store) -> Vec<String> {
        let tags = tags(store);
        let acts = self.acts.iter().enumerate();
        let drafts = acts.map(|(at, (act, guard))| guard.on(self.draft(at, act), at, &tags));
        let locks = held(self.locks.iter().cloned());
        let outcomes =
            apply(store, &locks, Run { on_failure: self.on_failure, ..run(steps(drafts)) });
        outcomes.iter().map(told).collect()
    }
}

/// The verdict, and what was added.
fn told(outcome: &Outcome) -> String {
    match outcome.as_ref().ok().and_then(|done| done.added.as_ref()) {
        Some(added) => format!("{} {}", verdict(outcome), added.path),
        None => verdict(outcome),
    }
}

/// The tags rows have now.
fn tags(store: &dyn Store) -> BTreeMap<String, String> {
    let all = snapshot(store).into_keys();
    let tag = |path: ResourcePath| {
        let entry = store.stat(&path, &Select::None).ok()?;
        let joined = String::from_utf8(path.as_bytes().to_vec()).ok()?;
        Some((joined, entry.etag?.as_str().to_owned()))
    };
    all.filter_map(tag).collect()
}

impl Scene {
    /// Step `at`, which does this.
    fn draft(&self, at: usize, act: &Act) -> Draft {
        let record = |record: &Vec<Given>| {
            let given = |(name, value): &Given| (*name, self.value(at, value));
            record.iter().map(given).collect::<Vec<_>>()
        };
        match act {
            Act::Put { target, record: given } => put_record(target, record(given)),
            Act::Add { table, record: given } => add(table, record(given)),
            Act::Update { target, record: given } => update(target, record(given)),
            Act::Remove(target) => remove(target),
            Act::Foreign { target, other, how } => match how {
                0 => put(target, "{}"),
                1 => mkcol(target),
                2 => copy(target, other),
                3 => rename(target, other),
                4 => patch(target, []),
                _ => patch(target, [set("p", "x")]),
            },
        }
    }

    /// What step `at` gives: a reference is to a step before it, mostly to one that adds an item.
    fn value(&self, at: usize, value: &Value) -> Value {
        let Value::Added(any) = *value else { return value.clone() };
        let before = self.acts[..at].iter().enumerate();
        let adds = |act: &Act| matches!(act, Act::Add { table, .. } if table == "item");
        let items: Vec<_> = before.filter(|(_, (act, _))| adds(act)).map(|(at, _)| at).collect();
        match (items.len(), any % 8) {
            (0, _) | (_, 0) => Value::Added(any % (at + 1)),
            (count, _) => Value::Added(items[any % count]),
        }
    }
}

/// Few rows, so that steps meet; and what names none.
fn joined() -> BoxedStrategy<String> {
    let item = (1..=3).prop_map(|id| format!("item/{id}"));
    let part = (select(vec!["a", "b"]), 1..=2).prop_map(|(kind, no)| format!("part/{kind},{no}"));
    let word = select(vec!["word/a", "word/%2C", "word/%"]).prop_map(str::to_owned);
    let others = ["", "item", "part", "word", "ro", "none", "item/01", "item/x", "item/1/x"];
    let others = [&others[..], &["part/a", "part/a,1,1", "word/,", "ro/a", "none/1"][..]].concat();
    prop_oneof![20 => item, 10 => part, 4 => word, 2 => select(others).prop_map(str::to_owned)]
        .boxed()
}

fn scene(can: Capabilities) -> impl Strategy<Value = Scene> {
    let acts = vec((act(), conditions(joined)), 1..20);
    let parts = (acts, locks(joined), on_failure(can));
    parts.prop_map(|(acts, locks, on_failure)| Scene { acts, locks, on_failure })
}

fn act() -> impl Strategy<Value = Act> {
    let row = || {
        joined().prop_flat_map(|target| {
            let table = target.split('/').next().unwrap_or_default().to_owned();
            (Just(target), record(&table, false))
        })
    };
    let table = prop_oneof![
        8 => select(vec!["item", "part", "word"]).prop_map(str::to_owned),
        1 => joined(),
    ];
    let added = table.prop_flat_map(|table| (Just(table.clone()), record(&table, true)));
    prop_oneof![
        8 => row().prop_map(|(target, record)| Act::Put { target, record }),
        6 => added.prop_map(|(table, record)| Act::Add { table, record }),
        8 => row().prop_map(|(target, record)| Act::Update { target, record }),
        6 => joined().prop_map(Act::Remove),
        2 => (joined(), joined(), 0..6_u8)
            .prop_map(|(target, other, how)| Act::Foreign { target, other, how }),
    ]
}

/// Some columns of a table, in any order; one at most that is refused whatever the row is. With the
/// key of a new row, or else with little of one: it had better be that of the row.
fn record(table: &str, new: bool) -> BoxedStrategy<Vec<Given>> {
    let (key, columns) = match table {
        "item" => (vec![("id", number(1..=3))], columns_of_item()),
        "part" => (vec![("kind", word(vec!["a", "b"])), ("no", number(1..=2))], columns_of_part()),
        _ => (vec![("word", word(vec!["a", ",", ""]))], Vec::new()),
    };
    let key = match new {
        // The numbers that stores give differ.
        true if table == "item" => key.into_iter().map(given_always).collect::<Vec<_>>().boxed(),
        true => some(key, 0.9).boxed(),
        false => some(key, 0.05).prop_map(|key| key.into_iter().take(1).collect()).boxed(),
    };
    let parts = (key, some(columns, 0.75), weighted(0.05, wrong()));
    let record = parts.prop_map(move |(mut key, columns, wrong)| {
        if wrong.is_some() && !new {
            key.clear();
        }
        let mut record = [key, columns].concat();
        record.retain(|(name, _)| wrong.as_ref().is_none_or(|(other, _)| name != other));
        record.extend(wrong);
        record
    });
    record.prop_shuffle().boxed()
}

type Column = (&'static str, BoxedStrategy<Value>);

fn given_always((name, value): Column) -> BoxedStrategy<Given> {
    value.prop_map(move |value| (name, value)).boxed()
}

fn some(columns: Vec<Column>, often: f64) -> impl Strategy<Value = Vec<Given>> {
    let columns = columns.into_iter().map(|column| weighted(often, given_always(column)));
    columns.collect::<Vec<_>>().prop_map(|given| given.into_iter().flatten().collect())
}

fn columns_of_item() -> Vec<Column> {
    let null = || Just(Value::Null);
    let qty = prop_oneof![1 => number(-1..=-1), 8 => number(0..=5), 1 => null()];
    let name = prop_oneof![12 => word(vec!["a", "b", "c"]), 1 => null()];
    let note = word(vec!["", "x", "\"\u{1f600}\n"]);
    let note = prop_oneof![4 => note, 1 => reference(), 1 => null()];
    let raw = select(vec![&b""[..], b"\0\xff"]).prop_map(|raw| Value::Bytes(raw.into()));
    let data = prop_oneof![raw, word(vec!["", "AP8="]), null()];
    vec![
        ("name", name.boxed()),
        ("qty", qty.boxed()),
        ("note", note.boxed()),
        ("data", data.boxed()),
    ]
}

fn columns_of_part() -> Vec<Column> {
    let null = || Just(Value::Null);
    let item = prop_oneof![4 => number(1..=4), 3 => reference(), 1 => null()];
    let label = prop_oneof![4 => word(vec!["x", "y"]), 1 => null()];
    vec![("item", item.boxed()), ("label", label.boxed())]
}

/// A reference to a step that isn't known yet.
fn reference() -> BoxedStrategy<Value> {
    any::<usize>().prop_map(Value::Added).boxed()
}

/// A number in one of its forms.
fn number(range: RangeInclusive<i64>) -> BoxedStrategy<Value> {
    let forms = |number: i64| {
        let digits = number.to_string();
        let padded = if number < 0 { digits.clone() } else { format!("0{digits}") };
        let raw = Value::Bytes(digits.clone().into());
        vec![text(&digits), json(&digits), text(&padded), json(&format!("\"{padded}\"")), raw]
    };
    range.prop_flat_map(move |number| select(forms(number))).boxed()
}

/// A text in one of its forms, none of which is bytes to every column.
fn word(words: Vec<&'static str>) -> BoxedStrategy<Value> {
    let forms = |word: &str| vec![text(word), json(&json_string(word))];
    select(words).prop_flat_map(move |word| select(forms(word))).boxed()
}

/// A column that no table has, or a value that no row has.
fn wrong() -> impl Strategy<Value = Given> {
    select(vec![
        ("none", text("x")),
        ("id", text("x")),
        ("no", json("true")),
        ("qty", text("9223372036854775808")),
        ("note", json("1")),
        ("label", json("{}")),
        ("data", text("*")),
    ])
}
