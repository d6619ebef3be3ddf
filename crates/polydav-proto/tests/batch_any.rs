//! Any batch: what it says, it says again.

#![allow(clippy::unwrap_used)]

mod again;

use std::time::{Duration, SystemTime};

use again::again;
use multistatus::xml::{Element, Name};
use polydav_proto::batch::{
    Action, BatchRequest, Conditions, Fate, Field, Format, Kind, Limits, Mode, NAMESPACE,
    Operation, Transfer, Value, Verb,
};
use polydav_proto::body::{Change, PropertyUpdate};
use polydav_proto::encoding::encode_base64;
use polydav_proto::header::{
    Depth, EntityTag, Header, IdempotencyKey, If, Matching, Overwrite, StateToken, write_date,
};
use polydav_proto::reference::{Path, Reference};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Characters that XML has too.
const TEXT: &str = "[a-c \"'&<>\\\\:é€\u{1f600}\t\n\r]{0,6}";

fn reference() -> impl Strategy<Value = Reference> {
    let segment = "[a-zé %?#&'<>\"+;]{1,4}".prop_filter("dots", |s| !s.starts_with('.'));
    let path = (vec(segment, 0..3), any::<bool>()).prop_map(|(segments, slash)| {
        Path::new(segments.iter().map(String::as_bytes), slash).unwrap()
    });
    let path = path.prop_map(Reference::from);
    prop_oneof![4 => path, 1 => Just(Reference::parse(b"http://example.org/a").unwrap())]
}

fn matching() -> impl Strategy<Value = Matching> {
    let tag = (any::<bool>(), "[ !#-~é]{0,4}").prop_map(|(weak, tag)| EntityTag { weak, tag });
    prop_oneof![Just(Matching::Any), vec(tag, 1..3).prop_map(Matching::Tags)]
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let time = (0..253_402_300_800_u64)
        .prop_map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let state =
        select(&["(<urn:a>)", "(Not [W/\"é\"] <b:c>) ([\"\"])", "</a> (<b:c>) </b> (<b:c>)"][..])
            .prop_map(|field| If::parse(field.as_bytes()).unwrap());
    let token =
        "urn:[a-z%?#&']{2,4}".prop_map(|token| StateToken::parse(token.as_bytes()).unwrap());
    let fields = (option::of(matching()), option::of(matching()), option::of(time));
    (fields, option::of(state), vec(token, 0..3)).prop_map(|(fields, state, tokens)| {
        let (if_match, if_none_match, if_unmodified_since) = fields;
        Conditions { if_match, if_none_match, if_unmodified_since, state, tokens }
    })
}

fn update() -> impl Strategy<Value = PropertyUpdate> {
    let name = || {
        select(&[("DAV:", "a"), ("", "b"), ("urn:c", "c"), ("urn:d'<&", "d")][..])
            .prop_map(|(namespace, local)| Name::new(namespace, local).unwrap())
    };
    let lang = Name::new(multistatus::xml::XML, "lang").unwrap();
    let leaf = (name(), TEXT).prop_map(|(name, text)| Element::new(name).with_text(&text));
    let element = (leaf.clone(), leaf, TEXT, name()).prop_map(move |(outer, inner, text, name)| {
        let outer = outer.with_child(inner).with_text(&text).with_attribute(name, text);
        outer.with_attribute(lang.clone(), "de")
    });
    let change = prop_oneof![element.prop_map(Change::Set), name().prop_map(Change::Remove)];
    vec(change, 1..4).prop_map(|changes| PropertyUpdate { changes })
}

fn values(value: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<Field>> {
    let names = proptest::collection::hash_set(TEXT, 0..4);
    (names, vec(value, 4)).prop_map(|(names, values)| {
        let field = |(name, value): (String, _)| Field { name: name.into(), value };
        names.into_iter().zip(values).map(field).collect()
    })
}

fn transfer(depth: impl Strategy<Value = Depth>) -> impl Strategy<Value = Transfer> {
    let overwrite = option::of(select(&[Overwrite::Replace, Overwrite::Refuse][..]));
    (reference(), depth, overwrite).prop_map(|(dest, depth, overwrite)| Transfer {
        dest,
        depth,
        overwrite,
    })
}

/// What an operation does, with values of this kind.
fn kind(value: BoxedStrategy<Value>) -> impl Strategy<Value = (Verb, Kind)> {
    let depth = select(&[Depth::Zero, Depth::One, Depth::Infinity][..]);
    let copy = transfer(select(&[Depth::Zero, Depth::Infinity][..]));
    let content = prop_oneof![TEXT.prop_map(String::into_bytes), vec(any::<u8>(), 0..6)];
    let content_type = option::of(Just("text/plain; charset=\"a;b\"".to_owned()));
    let put = (content_type, content);
    prop_oneof![
        Just((Verb::MkCol, Kind::MkCol)),
        put.prop_map(|(content_type, content)| (Verb::Put, Kind::Put { content_type, content })),
        copy.prop_map(|transfer| (Verb::Copy, Kind::Copy(transfer))),
        transfer(Just(Depth::Infinity)).prop_map(|transfer| (Verb::Move, Kind::Move(transfer))),
        depth.prop_map(|depth| (Verb::Delete, Kind::Delete { depth })),
        update().prop_map(|update| (Verb::PropPatch, Kind::PropPatch(update))),
        values(value.clone()).prop_map(|fields| (Verb::Create, Kind::Create(fields))),
        values(value).prop_map(|fields| (Verb::Update, Kind::Update(fields))),
    ]
}

/// An operation that doesn't know yet at which index it is, and which ones it needs.
type Loose = (Reference, Conditions, (Verb, Kind), Vec<Index>);

fn place(index: usize, loose: Loose, creates: &[usize]) -> Operation {
    let (resource, conditions, (verb, mut kind), needs) = loose;
    if let Kind::Create(fields) | Kind::Update(fields) = &mut kind {
        for Field { value, .. } in fields {
            if let Value::Ref(any) = *value {
                *value = creates.get(any).map_or(Value::Null, |&create| Value::Ref(create));
            }
        }
    }
    let mut needs: Vec<_> =
        needs.iter().filter(|_| index > 0).map(|need| need.index(index)).collect();
    needs.sort_unstable();
    needs.dedup();
    let (id, href) = (Some(format!("i{index}")), resource.to_string());
    Operation { index, id, verb, href, needs, action: Ok(Action { resource, conditions, kind }) }
}

/// Batches with values of this kind. References are to one of the first four creates.
fn batch(value: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = BatchRequest> {
    let refer = (0..4_usize).prop_map(Value::Ref);
    let value = prop_oneof![2 => value, 1 => Just(Value::Null), 1 => refer].boxed();
    let loose = (reference(), conditions(), kind(value), vec(any::<Index>(), 0..3));
    let mode = select(&[Mode::BestEffort, Mode::Stop, Mode::Atomic][..]);
    let key = option::of(select(&["a", r#""\"a\\""#, "a\"b\\"][..]));
    let base = select(&["/", "/b%20c/", "/b"][..]);
    (mode, any::<[bool; 2]>(), key, base, vec(loose, 0..6)).prop_map(|settings| {
        let (mode, [strict, dry_run], key, base, loose) = settings;
        let mut creates = Vec::new();
        let mut operations = Vec::new();
        for (index, loose) in loose.into_iter().enumerate() {
            let operation = place(index, loose, &creates);
            if operation.verb == Verb::Create {
                creates.push(index);
            }
            operations.push(operation);
        }
        let key = key.map(|key| IdempotencyKey::parse(key.as_bytes()).unwrap());
        let base = Reference::parse(base.as_bytes()).unwrap();
        BatchRequest { mode, strict, base, key, dry_run, operations }
    })
}

fn name(local: &str) -> Name {
    Name::new("", local).unwrap()
}

fn ours(local: &str) -> Element {
    Element::new(Name::new(NAMESPACE, local).unwrap())
}

/// An attribute, if there is a value for it.
fn with(element: Element, attribute: &str, value: Option<String>) -> Element {
    match value {
        Some(value) => element.with_attribute(name(attribute), value),
        None => element,
    }
}

/// The batch as somebody else would write it: in XML.
fn to_xml(batch: &BatchRequest) -> Vec<u8> {
    let flag = |flag: bool| flag.then(|| "true".to_owned());
    let mut root = with(ours("batch"), "mode", Some(batch.mode.as_str().to_owned()));
    root = with(root, "strict", flag(batch.strict));
    root = with(root, "dry-run", flag(batch.dry_run));
    root = with(root, "base", Some(batch.base.to_string()));
    root = with(root, "key", batch.key.as_ref().map(ToString::to_string));
    for operation in &batch.operations {
        let action = operation.action.as_ref().unwrap();
        let Conditions { if_match, if_none_match, if_unmodified_since, state, tokens } =
            &action.conditions;
        let needs: Vec<_> = operation.needs.iter().map(|need| format!("i{need}")).collect();
        let tokens: Vec<_> = tokens.iter().map(ToString::to_string).collect();
        let mut element = ours(operation.verb.as_str());
        for (attribute, value) in [
            ("id", operation.id.clone()),
            ("href", Some(operation.href.clone())),
            ("needs", Some(needs.join(" "))),
            ("tokens", Some(tokens.join("\n"))),
            ("if-match", if_match.as_ref().map(ToString::to_string)),
            ("if-none-match", if_none_match.as_ref().map(ToString::to_string)),
            ("if-unmodified-since", if_unmodified_since.and_then(write_date)),
            ("if", state.as_ref().map(ToString::to_string)),
        ] {
            element = with(element, attribute, value);
        }
        root.push(say_kind(element, &action.kind));
    }
    root.to_fragment().into_bytes()
}

fn say_kind(element: Element, kind: &Kind) -> Element {
    match kind {
        Kind::MkCol => element,
        Kind::Put { content_type, content } => with(element, "type", content_type.clone())
            .with_attribute(name("encoding"), "base64")
            .with_text(&encode_base64(content)),
        Kind::Copy(transfer) | Kind::Move(transfer) => {
            let overwrite = transfer.overwrite.map(|overwrite| match overwrite {
                Overwrite::Replace => "T".to_owned(),
                Overwrite::Refuse => "f".to_owned(),
            });
            with(element, "overwrite", overwrite)
                .with_attribute(name("dest"), transfer.dest.to_string())
                .with_attribute(name("depth"), transfer.depth.as_str())
        }
        Kind::Delete { depth } => element.with_attribute(name("depth"), depth.as_str()),
        Kind::PropPatch(update) => update.changes.iter().fold(element, |element, change| {
            let (instruction, property) = match change {
                Change::Set(property) => ("set", property.clone()),
                Change::Remove(name) => ("remove", Element::new(name.clone())),
            };
            let prop = Element::new(Name::dav("prop")).with_child(property);
            let instruction = Name::new("DAV:", instruction).unwrap();
            element.with_child(Element::new(instruction).with_child(prop))
        }),
        Kind::Create(fields) | Kind::Update(fields) => {
            fields.iter().fold(element, |element, field| element.with_child(say_field(field)))
        }
    }
}

fn say_field(Field { name: column, value }: &Field) -> Element {
    let field = ours("field").with_attribute(name("name"), &**column);
    match value {
        Value::Null => field.with_attribute(name("null"), "true"),
        Value::Text(text) => field.with_text(text),
        Value::Bytes(bytes) => {
            field.with_attribute(name("encoding"), "base64").with_text(&encode_base64(bytes))
        }
        Value::Ref(index) => {
            field.with_child(ours("ref").with_attribute(name("item"), format!("i{index}")))
        }
        Value::Json(_) => unreachable!("XML has no JSON"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_xml_says_is_said_in_json(
        batch in batch(prop_oneof![
            TEXT.prop_map(|text| Value::Text(text.into())),
            vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
        ])
    ) {
        let xml = to_xml(&batch);
        let read = BatchRequest::parse(Format::Xml, &xml, &Path::root(), &Limits::default());
        prop_assert_eq!(read.as_ref(), Ok(&batch), "{}", String::from_utf8_lossy(&xml));
        prop_assert_eq!(again(&batch), batch);
    }

    #[test]
    fn what_json_says_is_said_again(
        batch in batch(select(
            &["true", "-1.50e3", "\"\\u0000\\ud83d\\ude00\"", "[1, {}]", "{\"$ref\": 1}"][..]
        ).prop_map(|json| Value::Json(json.into())))
    ) {
        prop_assert_eq!(again(&batch), batch);
    }

    #[test]
    fn what_is_kept_stands_for_itself(
        batch in batch(Just(Value::Json("1".into()))),
        fates in vec(
            select(vec![Fate::Kept, Fate::Dropped, Fate::Done { key: None }, Fate::Done { key: Some(Value::Json("7".into())) }]),
            6,
        ),
    ) {
        let kept = batch.retain(|operation| fates[operation.index].clone());
        for (index, operation) in kept.operations.iter().enumerate() {
            prop_assert_eq!(operation.index, index);
        }
        prop_assert_eq!(again(&kept), kept);
    }
}
