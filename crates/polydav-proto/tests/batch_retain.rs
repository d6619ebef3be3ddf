//! Batches that keep some of their operations.

#![allow(clippy::unwrap_used)]

mod again;

use again::again;
use polydav_proto::batch::{
    BatchRequest, Fate, Field, Format, Kind, Limits, Mode, Operation, Value,
};
use polydav_proto::reference::Path;

fn parse(body: &str) -> BatchRequest {
    let (root, limits) = (Path::root(), Limits::default());
    BatchRequest::parse(Format::Json, body.as_bytes(), &root, &limits).unwrap()
}

fn ids(batch: &BatchRequest) -> Vec<&str> {
    batch.operations.iter().map(|operation| operation.id.as_deref().unwrap_or("-")).collect()
}

fn fields(operation: &mut Operation) -> &mut [Field] {
    match operation.action.as_mut().map(|action| &mut action.kind) {
        Ok(Kind::Create(fields) | Kind::Update(fields)) => fields,
        _ => &mut [],
    }
}

/// A chain of four, each of which needs or refers to the one before, and one that stands alone.
const CHAIN: &str = r#"{"mode": "stop", "strict": true, "base": "/b/", "key": "k", "dryRun": true, "operations": [
    {"op": "create", "href": "t/", "id": "a"},
    {"op": "create", "href": "t/", "id": "b", "values": {"x": {"$ref": "a"}}},
    {"op": "update", "href": "t/1", "id": "c", "values": {"y": 1, "x": {"$ref": "b"}}, "needs": ["a"]},
    {"op": "mkcol", "href": "d", "id": "d", "needs": ["a", "c"]},
    {"op": "mkcol", "href": "e", "id": "e"}]}"#;

/// The chain with these fates, by the ids of the operations; the others are kept.
fn kept(fates: &[(&str, Fate)]) -> BatchRequest {
    parse(CHAIN).retain(|operation| {
        let fate = fates.iter().find(|(id, _)| Some(*id) == operation.id.as_deref());
        fate.map_or(Fate::Kept, |(_, fate)| fate.clone())
    })
}

fn done(key: Option<Value>) -> Fate {
    Fate::Done { key }
}

fn value(batch: &mut BatchRequest, operation: usize, name: &str) -> Value {
    let mut fields = fields(&mut batch.operations[operation]).iter();
    fields.find(|field| &*field.name == name).unwrap().value.clone()
}

#[test]
fn settings_stay_but_for_the_key_and_the_dry_run() {
    let all = parse(CHAIN);
    assert_eq!(kept(&[]), BatchRequest { key: None, dry_run: false, ..all });
    let none = parse(CHAIN).retain(|_| Fate::Dropped);
    assert_eq!((none.mode, none.strict, none.operations.len()), (Mode::Stop, true, 0));
}

#[test]
fn needs_of_what_is_done_are_met() {
    let key = Value::Text("7".into());
    let mut batch = kept(&[("a", done(Some(key.clone())))]);
    assert_eq!(ids(&batch), ["b", "c", "d", "e"]);
    let indices: Vec<_> = batch.operations.iter().map(|operation| operation.index).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    let needs: Vec<_> = batch.operations.iter().map(|operation| operation.needs.clone()).collect();
    assert_eq!(needs, [vec![], vec![], vec![1], vec![]]);
    assert_eq!(value(&mut batch, 0, "x"), key);
    assert_eq!(value(&mut batch, 1, "x"), Value::Ref(0));
    assert_eq!(again(&batch), batch);
}

#[test]
fn what_refers_to_a_row_without_a_known_key_is_dropped() {
    for key in [None, Some(Value::Null), Some(Value::Ref(0))] {
        let batch = kept(&[("a", done(key))]);
        assert_eq!(ids(&batch), ["e"], "and what needs that, and so on");
    }
    assert_eq!(ids(&kept(&[("a", done(None)), ("b", done(None))])), ["e"]);
    let rest = kept(&[("a", done(None)), ("b", done(Some(Value::Json("7".into()))))]);
    assert_eq!(ids(&rest), ["c", "d", "e"]);
    assert_eq!(rest.operations[0].needs, [] as [usize; 0]);
}

#[test]
fn what_needs_what_is_dropped_is_dropped() {
    assert_eq!(ids(&kept(&[("a", Fate::Dropped)])), ["e"]);
    assert_eq!(ids(&kept(&[("c", Fate::Dropped)])), ["a", "b", "e"]);
    assert_eq!(ids(&kept(&[("c", Fate::Dropped), ("d", done(None))])), ["a", "b", "e"]);
    assert_eq!(ids(&kept(&[("e", Fate::Dropped)])), ["a", "b", "c", "d"]);
}

/// One row with a long key, and many that refer to it.
#[test]
fn keys_do_not_grow_without_bound() {
    let refer = r#"{"op": "update", "href": "t/1", "values": {"x": {"$ref": "a"}}}"#;
    let refers = vec![refer; 20].join(",");
    let body = format!(r#"[{{"op": "create", "href": "t/", "id": "a"}}, {refers}]"#);
    let key = Value::Text("k".repeat(1 << 20).into());
    let batch = parse(&body).retain(|operation| match operation.index {
        0 => done(Some(key.clone())),
        _ => Fate::Kept,
    });
    assert_eq!(batch.operations.len(), 16);
}

#[test]
fn a_wrong_value_stays_until_it_is_written() {
    let batch = parse(r#"[{"op": "mkcol", "href": "../a"}]"#).retain(|_| Fate::Kept);
    assert_eq!((batch.operations.len(), again(&batch).operations.len()), (1, 0));
}
