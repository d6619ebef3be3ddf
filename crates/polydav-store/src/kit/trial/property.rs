//! Dead properties.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::kit::{
    copy, copy_alone, found, given, lines, mkcol, name, patch, path, put, remove, rename, set,
    tell, unset,
};
use crate::{Property, PropertyChange, PropertyName, Select, Store, Visit, Walk, WalkDepth};

trials! { with_properties:
    properties_are_set_and_removed,
    instructions_are_followed_in_order,
    properties_need_a_resource,
    values_keep_every_byte,
    names_are_told_apart_by_namespace,
    every_kind_of_resource_has_properties,
    new_content_leaves_properties,
    copies_have_the_properties_of_their_source,
    properties_move_along,
    what_is_replaced_leaves_no_properties,
    what_is_removed_leaves_no_properties,
    a_stat_brings_the_selected_properties,
    a_walk_brings_the_selected_properties,
    a_refused_patch_changes_no_property,
    the_properties_of_a_resource_have_a_bound,
}

fn properties_are_set_and_removed(store: &dyn Store) {
    given(store, [put("a", "x")]);
    let told = tell(store, [patch("a", [set("p", "1"), set("q", "2")]), patch("a", [])]);
    assert_eq!(told, ["done", "done"]);
    assert_eq!(lines(store), ["/a=x [p=1, q=2]"]);
    given(store, [patch("a", [set("p", "3"), unset("q"), unset("none"), set("r", "4")])]);
    assert_eq!(lines(store), ["/a=x [p=3, r=4]"]);
    given(store, [patch("a", [unset("p"), unset("r")]), patch("a", [unset("p")])]);
    assert_eq!(lines(store), ["/a=x"]);
}

/// In one run as in several, and whatever is removed makes room.
fn the_properties_of_a_resource_have_a_bound(store: &dyn Store) {
    let most = Property::COUNT_MAX;
    let many = |from: usize, to: usize| (from..to).map(|at| set(&format!("p{at}"), "1"));
    given(store, [put("c", "")]);
    let told = tell(
        store,
        [
            patch("c", many(0, most - 1)),
            patch("c", many(most - 1, most + 1)),
            patch("c", [set("q", "1")]),
            patch("c", [set("r", "1")]),
            patch("c", [set("r", "1"), unset("q")]),
        ],
    );
    assert_eq!(told, ["done", "Forbidden /c", "done", "Forbidden /c", "done"]);
    given(store, [remove("c")]);
    let half = || vec![b'x'; Property::BYTES_MAX / 2];
    given(store, [put("a", ""), put("b", ""), patch("a", [set("p", half())])]);
    let told = tell(
        store,
        [
            patch("a", [set("r", "1"), set("q", half())]),
            patch("b", [set("q", half())]),
            patch("a", [set("p", half())]),
            patch("a", [unset("p"), set("q", half())]),
            patch("a", [set("p", half())]),
            patch("a", [set("q", "1"), set("p", "2")]),
        ],
    );
    assert_eq!(told, ["Forbidden /a", "done", "done", "done", "Forbidden /a", "done"]);
    assert_eq!(lines(store)[0], "/a= [p=2, q=1]");
}

fn instructions_are_followed_in_order(store: &dyn Store) {
    given(store, [put("a", "x"), patch("a", [set("q", "0")])]);
    let changes = [set("p", "1"), unset("p"), unset("q"), set("q", "1"), set("q", "2")];
    given(store, [patch("a", changes)]);
    assert_eq!(lines(store), ["/a=x [q=2]"]);
}

fn properties_need_a_resource(store: &dyn Store) {
    given(store, [put("f", "x")]);
    let told = tell(store, [patch("a", [set("p", "1")]), patch("f/a", []), put("a", "x")]);
    assert_eq!(told, ["NotFound /a", "NotFound /f/a", "created"]);
    assert_eq!(lines(store), ["/a=x", "/f=x"]);
}

fn values_keep_every_byte(store: &dyn Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let values: [Bytes; 6] = [
        Bytes::new(),
        every_byte.into(),
        vec![b'x'; 100_000].into(),
        "<D:p xmlns:D=\"DAV:\" xml:lang=\"de\">a <b/> &amp; \u{1f980}\r\n</D:p>".into(),
        " \t\n".into(),
        "%41 ' \" \\ \0".into(),
    ];
    let name = |index: usize| name(&format!("p{index}"));
    let change = |(index, value): (usize, &Bytes)| {
        PropertyChange::Set(Property { name: name(index), value: value.clone() })
    };
    given(store, [mkcol("a"), patch("a", values.iter().enumerate().map(change))]);
    for (index, value) in values.into_iter().enumerate() {
        let entry = store.stat(&path("a"), &Select::Only(vec![name(index)])).expect("it is there");
        assert!(entry.properties == [Property { name: name(index), value }], "value {index}");
    }
}

fn names_are_told_apart_by_namespace(store: &dyn Store) {
    let names = [
        ("", "p"),
        ("urn:a", "p"),
        ("urn:A", "p"),
        ("urn:a", "P"),
        ("urn:a'b\"", "p"),
        ("http://example.org/ \u{e4}", "\u{6771}\u{4eac}"),
    ];
    let property = |(namespace, local): (&str, &str)| Property {
        name: PropertyName::new(namespace, local),
        value: format!("{namespace} {local}").into(),
    };
    given(store, [put("a", "x")]);
    given(store, [patch("a", names.map(|name| PropertyChange::Set(property(name))))]);
    let expected = sorted(names.map(property).into());
    assert_eq!(sorted(found(store, "a").properties), expected);
}

fn every_kind_of_resource_has_properties(store: &dyn Store) {
    given(store, [mkcol("a"), put("a/b", "x")]);
    let targets = ["", "a", "a/b"];
    given(store, targets.map(|target| patch(target, [set("of", target)])));
    assert_eq!(lines(store), ["/a/ [of=a]", "/a/b=x [of=a/b]"]);
    assert_eq!(found(store, "").properties, [Property { name: name("of"), value: Bytes::new() }]);
}

fn new_content_leaves_properties(store: &dyn Store) {
    given(store, [put("a", "x"), patch("a", [set("p", "1")])]);
    given(store, [put("a", "y")]);
    assert_eq!(lines(store), ["/a=y [p=1]"]);
    given(store, [put("a", "z"), patch("a", [set("q", "2")]), put("a", "z")]);
    assert_eq!(lines(store), ["/a=z [p=1, q=2]"]);
}

/// `/t/ [p=t]`, `/t/f=x [p=f]`.
fn tree(store: &dyn Store) {
    given(store, [mkcol("t"), put("t/f", "x")]);
    given(store, [patch("t", [set("p", "t")]), patch("t/f", [set("p", "f")])]);
}

fn copies_have_the_properties_of_their_source(store: &dyn Store) {
    tree(store);
    given(store, [copy("t", "u"), copy_alone("t", "v"), copy("t/f", "w")]);
    given(store, [patch("t", [set("p", "new")]), patch("u/f", [unset("p")])]);
    let expected =
        ["/t/ [p=new]", "/t/f=x [p=f]", "/u/ [p=t]", "/u/f=x", "/v/ [p=t]", "/w=x [p=f]"];
    assert_eq!(lines(store), expected);
}

fn properties_move_along(store: &dyn Store) {
    tree(store);
    given(store, [rename("t", "u")]);
    assert_eq!(lines(store), ["/u/ [p=t]", "/u/f=x [p=f]"]);
    given(store, [rename("u/f", "g"), mkcol("t"), put("u/f", "new"), put("t/f", "new")]);
    assert_eq!(lines(store), ["/g=x [p=f]", "/t/", "/t/f=new", "/u/ [p=t]", "/u/f=new"]);
}

fn what_is_replaced_leaves_no_properties(store: &dyn Store) {
    tree(store);
    given(store, [mkcol("a"), put("a/f", "a"), put("b", "b"), copy("t", "u"), copy("t", "v")]);
    given(store, [copy("a", "t"), rename("a", "u"), copy("b", "v")]);
    assert_eq!(lines(store), ["/b=b", "/t/", "/t/f=a", "/u/", "/u/f=a", "/v=b"]);
    given(store, [patch("b", [set("q", "1")]), patch("v", [set("p", "1")]), rename("b", "v")]);
    assert_eq!(lines(store), ["/t/", "/t/f=a", "/u/", "/u/f=a", "/v=b [q=1]"]);
}

fn what_is_removed_leaves_no_properties(store: &dyn Store) {
    tree(store);
    given(store, [remove("t"), mkcol("t"), put("t/f", "new")]);
    assert_eq!(lines(store), ["/t/", "/t/f=new"]);
    given(store, [patch("t/f", [set("p", "f")]), remove("t")]);
    given(store, [mkcol("t"), put("t/f", "newer")]);
    assert_eq!(lines(store), ["/t/", "/t/f=newer"]);
}

/// What each selection brings of the properties `p=1` and `q=2`.
fn selections() -> [(Select, Vec<Property>); 6] {
    let property = |local: &str, value: &'static str| Property {
        name: name(local),
        value: Bytes::from_static(value.as_bytes()),
    };
    let only = |locals: &[&str]| Select::Only(locals.iter().map(|local| name(local)).collect());
    [
        (Select::None, vec![]),
        (Select::Names, vec![property("p", ""), property("q", "")]),
        (Select::All, vec![property("p", "1"), property("q", "2")]),
        (only(&["q", "none"]), vec![property("q", "2")]),
        (only(&["q", "p"]), vec![property("p", "1"), property("q", "2")]),
        (only(&[]), vec![]),
    ]
}

fn sorted(mut properties: Vec<Property>) -> Vec<Property> {
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    properties
}

fn a_stat_brings_the_selected_properties(store: &dyn Store) {
    given(store, [put("a", "x"), patch("a", [set("q", "2"), set("p", "1")])]);
    for (select, expected) in selections() {
        let entry = store.stat(&path("a"), &select).expect("it is there");
        assert_eq!(sorted(entry.properties), expected, "{select:?}");
    }
}

fn a_walk_brings_the_selected_properties(store: &dyn Store) {
    given(store, [mkcol("c"), put("c/a", "x"), mkcol("c/b"), put("c/none", "x")]);
    let both = || [set("q", "2"), set("p", "1")];
    given(store, [patch("c/a", both()), patch("c/b", both()), patch("c", [set("r", "0")])]);
    for depth in [WalkDepth::One, WalkDepth::Infinity { budget: 100 }] {
        for (select, expected) in selections() {
            let walk = Walk { depth, select };
            let mut told = Vec::new();
            let walked = store.walk(&path("c"), &walk, &mut |visit| {
                let Visit::Entry(entry) = visit else { panic!("a walk meets {visit:?}") };
                told.push((entry.path, sorted(entry.properties)));
                ControlFlow::Continue(())
            });
            walked.expect("it can be walked");
            told.sort_by(|a, b| a.0.cmp(&b.0));
            let expected = [("c/a", expected.clone()), ("c/b", expected), ("c/none", Vec::new())];
            assert_eq!(told, expected.map(|(joined, all)| (path(joined), all)), "{walk:?}");
        }
    }
}

fn a_refused_patch_changes_no_property(store: &dyn Store) {
    given(store, [put("a", "x"), patch("a", [set("p", "1")])]);
    let refused = patch("a", [set("p", "2"), unset("p"), set("q", "1")]).if_match("none");
    assert_eq!(tell(store, [refused]), ["Precondition /a"]);
    assert_eq!(lines(store), ["/a=x [p=1]"]);
}
