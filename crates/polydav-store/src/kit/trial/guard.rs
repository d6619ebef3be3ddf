//! Conditions: judged against what the store has right before the step.

use std::time::{Duration, SystemTime};

use crate::kit::{
    apply, copy, given, held, lines, lock, mkcol, put, remove, rename, run, tag, tell, tell_locked,
};
use crate::{Condition, LockToken, NoLocks, Store};

trials! { writable:
    if_match_wants_the_tag,
    if_none_match_wants_another_tag,
    if_unmodified_since_wants_an_old_resource,
    if_lists_are_alternatives,
    if_lists_may_be_about_other_resources,
    tokens_and_tags_are_conditions_together,
    conditions_see_the_steps_before_them,
    a_condition_on_nothing_is_no_reason_to_make_it,
    a_failed_condition_tells_the_tag,
    conditions_come_before_all_else,
}

fn if_match_wants_the_tag(store: &dyn Store) {
    given(store, [put("a", "1"), mkcol("c")]);
    let current = tag(store, "a");
    let told = tell(store, [put("a", "2").if_match("other"), put("a", "2").if_match(&current)]);
    assert_eq!(told, ["Precondition /a", "done"]);
    let told = tell(store, [put("a", "3").if_match(&current), remove("a").if_match(&current)]);
    assert_eq!(told, ["Precondition /a", "Precondition /a"]);
    let any = [put("a", "4").if_match("*"), put("b", "4").if_match("*"), remove("c").if_match("*")];
    assert_eq!(tell(store, any), ["done", "Precondition /b", "done"]);
    assert_eq!(lines(store), ["/a=4"]);
}

fn if_none_match_wants_another_tag(store: &dyn Store) {
    given(store, [put("a", "1"), mkcol("c")]);
    let current = tag(store, "a");
    let told = tell(
        store,
        [
            put("a", "2").if_none_match("*"),
            put("a", "2").if_none_match(&current),
            put("a", "2").if_none_match("other"),
            put("b", "2").if_none_match("*"),
            remove("c").if_none_match("*"),
            remove("c").if_none_match("other"),
        ],
    );
    let expected =
        ["Precondition /a", "Precondition /a", "done", "created", "Precondition /c", "done"];
    assert_eq!(told, expected);
    assert_eq!(lines(store), ["/a=2", "/b=2"]);
}

fn if_unmodified_since_wants_an_old_resource(store: &dyn Store) {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    given(store, [put("a", "1").modified(at(1_000))]);
    let told = tell(
        store,
        [
            put("a", "2").if_unmodified_since(at(999)).modified(at(1_000)),
            put("a", "3").if_unmodified_since(at(1_000)).modified(at(1_000)),
            put("a", "4").if_unmodified_since(at(999)).if_match("*"),
            put("a", "5").if_unmodified_since(at(1_000)),
            put("b", "1").if_unmodified_since(at(1_000)),
        ],
    );
    assert_eq!(told, ["Precondition /a", "done", "done", "Precondition /a", "created"]);
    assert_eq!(lines(store), ["/a=4", "/b=1"]);
}

fn if_lists_are_alternatives(store: &dyn Store) {
    given(store, [put("a", "1")]);
    let holds = || Condition::ETag(tag(store, "a"));
    let fails = || Condition::ETag("other".to_owned());
    let not = |condition| Condition::Not(Box::new(condition));
    assert_eq!(tell(store, [put("a", "2").when([fails()])]), ["Precondition /a"]);
    assert_eq!(tell(store, [put("a", "2").when([holds()])]), ["done"]);
    assert_eq!(tell(store, [put("a", "3").when([holds(), fails()])]), ["Precondition /a"]);
    assert_eq!(tell(store, [put("a", "3").when([fails()]).when([holds()])]), ["done"]);
    assert_eq!(tell(store, [put("a", "4").when([holds(), not(fails())])]), ["done"]);
    assert_eq!(tell(store, [put("a", "5").when([not(holds())])]), ["Precondition /a"]);
    let never = || Condition::Never;
    let told = tell(store, [put("a", "5").when([never()]), put("a", "6").when([not(never())])]);
    assert_eq!(told, ["Precondition /a", "done"]);
    assert_eq!(lines(store), ["/a=6"]);
}

fn if_lists_may_be_about_other_resources(store: &dyn Store) {
    given(store, [mkcol("c"), put("c/a", "1"), put("b", "2")]);
    let a = || Condition::ETag(tag(store, "c/a"));
    let not = |condition| Condition::Not(Box::new(condition));
    let told = tell(
        store,
        [
            remove("b").when_at("c", [a()]),
            remove("b").when_at("none", [a()]),
            copy("b", "c/d").when_at("c/d", [not(a())]),
            remove("b").when_at("none", [a()]).when_at("c/a", [a()]),
        ],
    );
    assert_eq!(told, ["Precondition /b", "Precondition /b", "created", "done"]);
}

fn tokens_and_tags_are_conditions_together(store: &dyn Store) {
    given(store, [mkcol("c"), put("c/a", "1")]);
    let locks = held([lock("urn:t", "c")]);
    let token = |uri: &str| Condition::Token(LockToken::new(uri));
    let tag_of_a = || Condition::ETag(tag(store, "c/a"));
    let put = || put("c/a", "2").token("urn:t");
    for (draft, verdict) in [
        (put().when([token("urn:t"), Condition::ETag("other".into())]), "Precondition /c/a"),
        (put().when([token("urn:other"), tag_of_a()]), "Precondition /c/a"),
        (put().when_at("", [token("urn:t")]), "Precondition /c/a"),
        (put().when([token("urn:t"), tag_of_a()]), "done"),
        (put().when_at("c", [token("urn:t")]), "done"),
        (put().when_at("c/none", [token("urn:t")]), "Precondition /c/a"),
    ] {
        assert_eq!(tell_locked(store, &locks, [draft]), [verdict]);
    }
}

fn conditions_see_the_steps_before_them(store: &dyn Store) {
    given(store, [put("a", "1"), put("m", "1")]);
    let old = tag(store, "a");
    let told = tell(
        store,
        [
            put("a", "2").if_match(&old),
            put("a", "3").if_match(&old),
            put("b", "1").if_none_match("*"),
            put("b", "2").if_none_match("*"),
            remove("b").if_match("*"),
            put("b", "3").if_none_match("*"),
            rename("b", "c").if_match("*"),
            remove("b").if_match("*"),
            put("c", "4").if_none_match("*"),
            copy("m", "d").when_at("c", [Condition::Not(Box::new(Condition::ETag(old.clone())))]),
            put("d", "5").if_none_match("*"),
        ],
    );
    let expected = [
        "done",
        "Precondition /a",
        "created",
        "Precondition /b",
        "done",
        "created",
        "created",
        "NotFound /b",
        "Precondition /c",
        "created",
        "Precondition /d",
    ];
    assert_eq!(told, expected);
    assert_eq!(lines(store), ["/a=2", "/c=3", "/d=1", "/m=1"]);
}

fn a_condition_on_nothing_is_no_reason_to_make_it(store: &dyn Store) {
    let told = tell(
        store,
        [
            put("a", "x").if_match("\u{22}"),
            put("a", "x").when([Condition::ETag("t".into())]),
            remove("a").if_match("t"),
            rename("a", "b").if_none_match("*"),
            mkcol("a").if_match("*"),
            mkcol("a").if_none_match("*"),
        ],
    );
    let expected = [
        "Precondition /a",
        "Precondition /a",
        "NotFound /a",
        "NotFound /a",
        "Precondition /a",
        "created",
    ];
    assert_eq!(told, expected);
    assert_eq!(lines(store), ["/a/"]);
}

fn a_failed_condition_tells_the_tag(store: &dyn Store) {
    given(store, [put("a", "x")]);
    let steps = vec![put("a", "y").if_match("other").step(0), put("b", "y").if_match("t").step(1)];
    let tags: Vec<_> = apply(store, &NoLocks, run(steps))
        .into_iter()
        .map(|outcome| outcome.expect_err("the condition fails").etag)
        .collect();
    assert_eq!(tags[0].as_ref().map(|tag| tag.as_str()), Some(tag(store, "a").as_str()));
    assert_eq!(tags[1], None);
}

fn conditions_come_before_all_else(store: &dyn Store) {
    given(store, [put("a", "x"), put("b", "x")]);
    let told = tell(
        store,
        [
            put("c/d", "x").if_match("*"),
            rename("a", "c/d").if_match("other"),
            copy("a", "b").refuse().if_match("other"),
        ],
    );
    assert_eq!(told, ["Precondition /c/d", "Precondition /a", "Precondition /a"]);
    let locks = held([lock("urn:t", "a")]);
    let told = tell_locked(
        store,
        &locks,
        [remove("a").if_match("other"), rename("a", "c/d"), rename("a", "b").refuse()],
    );
    assert_eq!(told, ["Precondition /a", "Locked /a", "Locked /a"]);
    assert_eq!(lines(store), ["/a=x", "/b=x"]);
}
