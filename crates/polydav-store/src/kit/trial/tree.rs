//! Making collections, removing, copying and moving.

use crate::kit::{
    Draft, copy, copy_alone, found, given, lines, mkcol, path, put, remove, rename, tag, tell,
};
use crate::{Kind, Select, Store};

trials! { writable:
    a_new_store_is_an_empty_collection,
    a_collection_is_made,
    a_collection_is_made_only_where_nothing_is,
    a_file_is_removed,
    a_tree_is_removed,
    what_is_not_there_is_not_removed,
    the_root_stays,
    a_file_is_copied,
    a_tree_is_copied,
    a_collection_is_copied_without_its_members,
    a_collection_is_copied_into_itself_without_its_members,
    a_copy_replaces_what_is_there,
    a_resource_is_moved,
    a_move_keeps_when_it_was_made,
    a_move_replaces_what_is_there,
    copies_and_moves_may_be_told_not_to_replace,
    a_source_must_be_there,
    a_target_needs_a_collection_around_it,
    nothing_is_copied_or_moved_onto_itself,
    names_are_swapped_within_a_run,
    wide_and_deep_trees_are_treated_whole,
}

/// `/t/`, `/t/d/`, `/t/d/e=2`, `/t/f=1`.
fn tree() -> [Draft; 4] {
    [mkcol("t"), put("t/f", "1"), mkcol("t/d"), put("t/d/e", "2")]
}

/// All that has a source and a target.
const DOUBLERS: [Doubler; 3] = [COPY, copy_alone, RENAME];
const COPY: Doubler = copy;
const RENAME: Doubler = rename;
type Doubler = fn(&'static str, &'static str) -> Draft;

const TREE: [&str; 4] = ["/t/", "/t/d/", "/t/d/e=2", "/t/f=1"];

fn both(first: &[&str], second: &[&str]) -> Vec<String> {
    first.iter().chain(second).map(|&line| line.to_owned()).collect()
}

fn a_new_store_is_an_empty_collection(store: &dyn Store) {
    let root = store.stat(&path(""), &Select::All).expect("there is a root");
    assert_eq!((root.kind, root.path, root.properties.len()), (Kind::Collection, path(""), 0));
    assert_eq!(lines(store), [""; 0]);
}

fn a_collection_is_made(store: &dyn Store) {
    assert_eq!(tell(store, [mkcol("a"), mkcol("a/b")]), ["created", "created"]);
    assert_eq!(lines(store), ["/a/", "/a/b/"]);
}

fn a_collection_is_made_only_where_nothing_is(store: &dyn Store) {
    given(store, [mkcol("a"), put("a/b", "x"), put("f", "x")]);
    let told = tell(store, [mkcol("a"), mkcol("f"), mkcol(""), mkcol("b/c"), mkcol("f/c")]);
    assert_eq!(
        told,
        ["Exists /a", "Exists /f", "Exists /", "ParentMissing /b", "ParentMissing /f"]
    );
    assert_eq!(lines(store), ["/a/", "/a/b=x", "/f=x"]);
}

fn a_file_is_removed(store: &dyn Store) {
    given(store, [put("a", "x"), put("b", "y")]);
    assert_eq!(tell(store, [remove("a")]), ["done"]);
    assert_eq!(lines(store), ["/b=y"]);
}

fn a_tree_is_removed(store: &dyn Store) {
    given(store, tree());
    given(store, [put("t-", "before the members, by bytes"), put("tt", "y")]);
    assert_eq!(tell(store, [remove("t")]), ["done"]);
    assert_eq!(lines(store), ["/t-=before the members, by bytes", "/tt=y"]);
}

fn what_is_not_there_is_not_removed(store: &dyn Store) {
    given(store, [put("f", "x")]);
    let told = tell(store, [remove("a"), remove("a/b"), remove("f/b")]);
    assert_eq!(told, ["NotFound /a", "NotFound /a/b", "NotFound /f/b"]);
    assert_eq!(lines(store), ["/f=x"]);
}

fn the_root_stays(store: &dyn Store) {
    given(store, [put("f", "x")]);
    let told = tell(store, [remove(""), rename("", "a"), copy("", "a"), copy("f", "")]);
    assert_eq!(told, ["Forbidden /", "Overlap /a", "Overlap /a", "Overlap /"]);
    assert_eq!(tell(store, [rename("f", ""), copy_alone("f", "")]), ["Overlap /", "Overlap /"]);
    assert_eq!(lines(store), ["/f=x"]);
    assert_eq!(tell(store, [copy_alone("", "a")]), ["created"]);
    assert_eq!(lines(store), ["/a/", "/f=x"]);
}

fn a_file_is_copied(store: &dyn Store) {
    given(store, [put("a", "one")]);
    let original = tag(store, "a");
    assert_eq!(tell(store, [copy("a", "b"), copy_alone("a", "c")]), ["created", "created"]);
    assert_eq!(lines(store), ["/a=one", "/b=one", "/c=one"]);
    assert_eq!(tag(store, "a"), original, "copying changes nothing of the source");
    tag(store, "b");
    given(store, [put("b", "two"), put("a", "three")]);
    assert_eq!(lines(store), ["/a=three", "/b=two", "/c=one"]);
}

fn a_tree_is_copied(store: &dyn Store) {
    given(store, tree());
    given(store, [mkcol("c")]);
    assert_eq!(tell(store, [copy("t", "c/u")]), ["created"]);
    let copied = ["/c/", "/c/u/", "/c/u/d/", "/c/u/d/e=2", "/c/u/f=1"];
    assert_eq!(lines(store), both(&copied, &TREE));
    given(store, [remove("t")]);
    assert_eq!(lines(store), copied);
}

fn a_collection_is_copied_without_its_members(store: &dyn Store) {
    given(store, tree());
    given(store, [mkcol("u"), put("u/old", "x")]);
    assert_eq!(tell(store, [copy_alone("t", "s"), copy_alone("t", "u")]), ["created", "done"]);
    assert_eq!(lines(store), ["/s/", "/t/", "/t/d/", "/t/d/e=2", "/t/f=1", "/u/"]);
}

fn a_collection_is_copied_into_itself_without_its_members(store: &dyn Store) {
    given(store, tree());
    assert_eq!(tell(store, [copy_alone("t", "t/a"), copy_alone("t", "t/d")]), ["created", "done"]);
    assert_eq!(lines(store), ["/t/", "/t/a/", "/t/d/", "/t/f=1"]);
}

fn a_copy_replaces_what_is_there(store: &dyn Store) {
    given(store, tree());
    given(store, [put("u", "file"), mkcol("v"), put("v/old", "x"), mkcol("w"), put("w/f", "x")]);
    let told =
        tell(store, [copy("t", "u"), copy("t/f", "v"), copy("t", "w"), copy("t/f", "t/d/e")]);
    assert_eq!(told, ["done"; 4]);
    let expected = [
        "/t/", "/t/d/", "/t/d/e=1", "/t/f=1", "/u/", "/u/d/", "/u/d/e=2", "/u/f=1", "/v=1", "/w/",
        "/w/d/", "/w/d/e=2", "/w/f=1",
    ];
    assert_eq!(lines(store), expected);
}

fn a_resource_is_moved(store: &dyn Store) {
    given(store, tree());
    given(store, [mkcol("c")]);
    let told = tell(store, [rename("t/f", "t/g"), rename("t/g", "c/f"), rename("t", "c/u")]);
    assert_eq!(told, ["created"; 3]);
    assert_eq!(lines(store), ["/c/", "/c/f=1", "/c/u/", "/c/u/d/", "/c/u/d/e=2"]);
}

/// RFC 4918 §9.9.1: `creationdate` stays. Not every store knows it.
fn a_move_keeps_when_it_was_made(store: &dyn Store) {
    given(store, tree());
    let made = |joined: &str| found(store, joined).created;
    let before = (made("t"), made("t/f"), made("t/d/e"));
    given(store, [put("g", "old"), rename("t", "u"), rename("u/f", "g")]);
    assert_eq!((made("u"), made("g"), made("u/d/e")), before);
}

fn a_move_replaces_what_is_there(store: &dyn Store) {
    given(store, tree());
    given(store, [put("a", "a"), put("b", "b"), mkcol("v"), put("v/old", "x"), mkcol("w")]);
    assert_eq!(tell(store, [rename("a", "b")]), ["done"]);
    assert_eq!(tell(store, [rename("b", "v")]), ["done"], "a file over a tree");
    assert_eq!(lines(store), both(&TREE, &["/v=a", "/w/"]));
    assert_eq!(tell(store, [rename("t", "v")]), ["done"], "a tree over a file");
    given(store, [put("w/f", "x"), put("w/g", "x")]);
    assert_eq!(tell(store, [rename("v", "w")]), ["done"], "a tree over a tree");
    assert_eq!(lines(store), ["/w/", "/w/d/", "/w/d/e=2", "/w/f=1"]);
}

fn copies_and_moves_may_be_told_not_to_replace(store: &dyn Store) {
    given(store, tree());
    given(store, [put("a", "x")]);
    let told = tell(
        store,
        [
            copy("t", "a").refuse(),
            copy("a", "t").refuse(),
            copy_alone("a", "t/f").refuse(),
            rename("t", "a").refuse(),
            rename("a", "t").refuse(),
        ],
    );
    assert_eq!(told, ["/a", "/t", "/t/f", "/a", "/t"].map(|at| format!("TargetExists {at}")));
    assert_eq!(lines(store), both(&["/a=x"], &TREE));
    let told = tell(store, [copy("a", "b").refuse(), rename("a", "c").refuse()]);
    assert_eq!(told, ["created", "created"]);
}

fn a_source_must_be_there(store: &dyn Store) {
    given(store, [put("f", "x")]);
    for act in DOUBLERS {
        let told = tell(store, [act("a", "b"), act("f/a", "c/d"), act("a", "f").refuse()]);
        assert_eq!(told, ["NotFound /a", "NotFound /f/a", "NotFound /a"]);
    }
    assert_eq!(lines(store), ["/f=x"]);
}

fn a_target_needs_a_collection_around_it(store: &dyn Store) {
    given(store, tree());
    given(store, [put("f", "x")]);
    for act in DOUBLERS {
        for source in ["t", "t/f"] {
            let told = tell(store, [act(source, "a/b"), act(source, "f/b").refuse()]);
            assert_eq!(told, ["ParentMissing /a", "ParentMissing /f"]);
        }
    }
    assert_eq!(lines(store), both(&["/f=x"], &TREE));
}

fn nothing_is_copied_or_moved_onto_itself(store: &dyn Store) {
    given(store, tree());
    for act in [COPY, RENAME] {
        let told =
            tell(store, [act("t", "t"), act("t/f", "t/f"), act("t", "t/d"), act("t", "t/n")]);
        assert_eq!(told, ["/t", "/t/f", "/t/d", "/t/n"].map(|at| format!("Overlap {at}")));
        let told = tell(store, [act("t/d/e", "t"), act("t/d", "t"), act("none", "none")]);
        assert_eq!(told, ["/t", "/t", "/none"].map(|at| format!("Overlap {at}")));
    }
    assert_eq!(tell(store, [copy_alone("t/d", "t")]), ["Overlap /t"]);
    assert_eq!(lines(store), TREE);
}

fn names_are_swapped_within_a_run(store: &dyn Store) {
    given(store, tree());
    given(store, [put("a", "x")]);
    let told = tell(store, [rename("t", "s"), rename("a", "t"), rename("s", "a")]);
    assert_eq!(told, ["created"; 3]);
    assert_eq!(lines(store), ["/a/", "/a/d/", "/a/d/e=2", "/a/f=1", "/t=x"]);
}

fn wide_and_deep_trees_are_treated_whole(store: &dyn Store) {
    let mut deep = "t".to_owned();
    let mut drafts = vec![mkcol("t")];
    for level in 0..30 {
        deep.push_str("/d");
        drafts.push(mkcol(&deep));
        drafts.push(put(format!("{deep}-"), level.to_string()));
    }
    drafts.extend((0..400).map(|member| put(format!("t/d/{member}"), member.to_string())));
    given(store, drafts);
    let before = lines(store);
    given(store, [copy("t", "u"), rename("t", "v"), remove("u"), rename("v", "t")]);
    assert!(lines(store) == before, "all came along");
    given(store, [remove("t")]);
    assert_eq!(lines(store), [""; 0]);
}
