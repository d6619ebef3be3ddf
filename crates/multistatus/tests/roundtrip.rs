//! What is written is well-formed for others too, reads back the same, and can't be cut unnoticed.
#![allow(clippy::unwrap_used)]

use http::StatusCode;
use multistatus::batch::{Item, Member, Mode, Outcome, Retry, Summary};
use multistatus::xml::{Element, Name};
use multistatus::{MultiStatus, PropStat, Property, Report, Response, Trailer};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Any text XML can hold, with a liking for what is special.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "\r",
        "\n",
        "\t",
        " ",
        "]]>",
        "D:",
        "x:",
        "ns0:",
        "B:",
        "a:b",
        "&amp;",
        "é",
        "\u{FFFD}",
        "\u{10FFFF}",
    ]);
    vec(prop_oneof![special.prop_map(str::to_owned), "[ -~\u{A0}-\u{D7FF}]{0,5}"], 0..6)
        .prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = Name> {
    let namespace = prop::sample::select(vec!["", "DAV:", "urn:x", "urn:y?a=1&b=\"2\""]);
    (namespace, "[a-z_é][a-z0-9.-]{0,4}").prop_map(|(ns, local)| Name::new(ns, &local).unwrap())
}

fn element() -> impl Strategy<Value = Element> {
    fn build(
        name: Name,
        attributes: Vec<(Name, String)>,
        children: Vec<(String, Option<Element>)>,
    ) -> Element {
        let mut element = Element::new(name);
        for (name, value) in attributes {
            element = element.with_attribute(name, value);
        }
        for (text, child) in children {
            element.push_text(&text);
            child.into_iter().for_each(|child| element.push(child));
        }
        element
    }
    let leaf = (name(), vec((name(), text()), 0..3))
        .prop_map(|(name, attributes)| build(name, attributes, Vec::new()));
    leaf.prop_recursive(4, 24, 4, |inner| {
        (name(), vec((name(), text()), 0..3), vec((text(), option::of(inner)), 0..4))
            .prop_map(|(name, attributes, children)| build(name, attributes, children))
    })
}

fn status() -> impl Strategy<Value = StatusCode> {
    (200u16..600).prop_map(|code| StatusCode::from_u16(code).unwrap())
}

fn href() -> impl Strategy<Value = String> {
    "/[a-zA-Z0-9/._~&=?%-]{0,12}"
}

fn propstat() -> impl Strategy<Value = PropStat> {
    let property = prop_oneof![
        name().prop_map(Property::empty),
        (name(), text()).prop_map(|(name, text)| Property::text(name, text)),
        element().prop_map(Property::from),
    ];
    (status(), vec(property, 0..4), vec(element(), 0..2), option::of(text())).prop_map(
        |(status, properties, conditions, description)| PropStat {
            conditions,
            description,
            ..PropStat::new(status, properties)
        },
    )
}

fn item() -> impl Strategy<Value = Item> {
    let outcome = prop::sample::select(vec![
        Outcome::Applied,
        Outcome::Partial,
        Outcome::RolledBack,
        Outcome::Unknown,
    ]);
    let retry = prop_oneof![
        Just(None),
        Just(Some(Retry::Never)),
        Just(Some(Retry::AfterRefresh)),
        any::<u64>().prop_map(|seconds| Some(Retry::After(seconds))),
    ];
    let member = (text(), status(), option::of(text()))
        .prop_map(|(href, status, description)| Member { href, status, description });
    (
        (any::<u64>(), text(), text(), status(), outcome, retry),
        (option::of(text()), option::of(any::<u64>()), option::of(text()), option::of(text())),
        (vec(member, 0..3), any::<bool>()),
    )
        .prop_map(
            |((index, op, href, status, outcome, retry), (id, cause, etag, column), members)| {
                Item {
                    outcome,
                    retry,
                    id,
                    cause,
                    etag,
                    column,
                    members: members.0,
                    members_truncated: members.1,
                    ..Item::new(index, op, href, status)
                }
            },
        )
}

fn response() -> impl Strategy<Value = Response> {
    let report = prop_oneof![
        (prop::collection::btree_set(href(), 1..3), status())
            .prop_map(|(hrefs, status)| (hrefs.into_iter().collect(), Report::Status(status))),
        (href(), vec(propstat(), 1..3))
            .prop_map(|(href, propstats)| (vec![href], Report::Properties(propstats))),
    ];
    (
        report,
        vec(element(), 0..2),
        option::of(text()),
        option::of(href()),
        option::of(item()),
        vec(extension(), 0..2),
    )
        .prop_map(|((hrefs, report), conditions, description, location, item, extensions)| {
            let item = item.map(|item| match report {
                Report::Status(status) => Item { status, ..item },
                Report::Properties(_) => item,
            });
            Response { hrefs, report, conditions, description, location, item, extensions }
        })
}

/// Elements of ours would be read as what they are.
fn extension() -> impl Strategy<Value = Element> {
    element().prop_filter("not one of ours", |element| element.name().namespace() != "DAV:")
}

fn multistatus() -> impl Strategy<Value = MultiStatus> {
    let summary = (0..99u64, 0..99u64, 0..99u64, option::of(text())).prop_map(
        |(succeeded, failed, skipped, commit_error)| Summary {
            total: succeeded + failed + skipped,
            succeeded,
            failed,
            skipped,
            mode: Mode::Atomic,
            commit_error,
        },
    );
    (vec(response(), 0..4), option::of(text()), option::of(summary), vec(extension(), 0..2))
        .prop_map(|(responses, description, summary, extensions)| MultiStatus {
            responses,
            trailer: Trailer { description, summary, extensions },
        })
}

proptest! {
    #[test]
    fn elements_read_back_the_same(element in element()) {
        let fragment = element.to_fragment();
        let text = std::str::from_utf8(fragment.as_bytes()).unwrap();
        prop_assert!(roxmltree::Document::parse(text).is_ok(), "{text}");
        let read = fragment.to_element().unwrap();
        prop_assert_eq!(&read, &element, "{}", text);
        // What was read is written as it was.
        prop_assert_eq!(read.to_fragment(), fragment);
    }

    #[test]
    fn a_body_reads_back_the_same(body in multistatus()) {
        let bytes = body.to_xml().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        prop_assert!(roxmltree::Document::parse(text).is_ok(), "{text}");
        prop_assert_eq!(MultiStatus::from_xml(&bytes).unwrap(), body, "{}", text);
    }

    #[test]
    fn a_raw_property_is_the_property(element in element()) {
        let raw = Property::raw(element.name().clone(), element.to_fragment());
        let propstat = PropStat::new(StatusCode::OK, [raw]);
        let bytes = MultiStatus::new([Response::properties("/", [propstat])]).to_xml().unwrap();
        let propstat = PropStat::new(StatusCode::OK, [Property::from(element)]);
        let expected = MultiStatus::new([Response::properties("/", [propstat])]);
        prop_assert_eq!(MultiStatus::from_xml(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_cut_body_is_an_error(body in multistatus(), cut in any::<prop::sample::Index>()) {
        let bytes = body.to_xml().unwrap();
        let cut = cut.index(bytes.len() - 1); // without the line end alone, it is whole
        prop_assert!(MultiStatus::from_xml(&bytes[..cut]).is_err());
    }

    #[test]
    fn nothing_makes_the_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = MultiStatus::from_xml(&bytes);
    }

    #[test]
    fn nothing_like_xml_makes_the_reader_panic(
        parts in vec(prop::sample::select(vec![
            "<", ">", "/", "<a", "</a>", "<a>", "='", "'", "\"", "&", ";", "#x", "<!--", "-->",
            "<![CDATA[", "]]>", "<?", "?>", "xmlns", ":", " ", "x", "<!DOCTYPE", "[", "\u{FEFF}",
        ]), 0..30),
    ) {
        let text = parts.concat();
        let ours = Element::parse(text.as_bytes(), Default::default()).is_ok();
        // Whatever we take, another reader takes.
        prop_assert!(!ours || roxmltree::Document::parse(&text).is_ok(), "{text}");
    }
}
