//! Files: putting, staging, reading, entity tags.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::kit::{
    apply, content, copy, found, given, lines, mkcol, path, put, put_content, remove, rename, run,
    stage, tag, tell,
};
use crate::{FailureKind, Kind, NoLocks, Select, Store};

trials! { writable:
    a_put_makes_a_file,
    a_put_replaces_content,
    a_put_needs_a_collection_around_it,
    a_put_does_not_replace_a_collection,
    a_put_tells_the_tag_of_what_it_put,
    tags_change_with_content_only,
    tags_do_not_come_back,
    what_replaces_a_file_has_another_tag,
    a_put_sets_the_time_it_is_given,
    empty_files_are_files,
    staged_content_is_put,
    what_is_staged_is_not_visible,
    staged_content_of_a_refused_step_vanishes,
    a_large_file_is_read_anywhere,
    a_reading_keeps_what_it_opened,
    a_reader_never_sees_half_a_file,
    only_files_are_read,
}

fn a_put_makes_a_file(store: &dyn Store) {
    assert_eq!(tell(store, [put("a", "hello")]), ["created"]);
    let entry = found(store, "a");
    assert_eq!((entry.kind, entry.length, entry.link), (Kind::File, 5, false));
    assert_eq!(entry.path, path("a"));
    assert_eq!(lines(store), ["/a=hello"]);
}

fn a_put_replaces_content(store: &dyn Store) {
    given(store, [put("a", "hello"), put("b", "other")]);
    assert_eq!(tell(store, [put("a", "bye"), put("a", "bye")]), ["done", "done"]);
    assert_eq!(lines(store), ["/a=bye", "/b=other"]);
}

fn a_put_needs_a_collection_around_it(store: &dyn Store) {
    given(store, [put("file", "x")]);
    let told = tell(store, [put("a/b", "x"), put("a/b/c", "x"), put("file/b", "x")]);
    assert_eq!(told, ["ParentMissing /a", "ParentMissing /a/b", "ParentMissing /file"]);
    assert_eq!(lines(store), ["/file=x"]);
}

fn a_put_does_not_replace_a_collection(store: &dyn Store) {
    given(store, [mkcol("a"), put("a/b", "x")]);
    assert_eq!(tell(store, [put("a", "x"), put("", "x")]), ["IsCollection /a", "IsCollection /"]);
    assert_eq!(lines(store), ["/a/", "/a/b=x"]);
}

fn a_put_tells_the_tag_of_what_it_put(store: &dyn Store) {
    for content in ["one", "two"] {
        let outcomes = apply(store, &NoLocks, run(vec![put("a", content).step(0)]));
        let told = outcomes[0].as_ref().expect("it is put").etag.clone();
        assert!(told.is_some());
        assert_eq!(told, found(store, "a").etag);
    }
}

fn tags_change_with_content_only(store: &dyn Store) {
    given(store, [mkcol("c"), put("a", "same"), put("b", "same")]);
    let first = tag(store, "a");
    assert_eq!(tag(store, "a"), first);
    given(store, [put("b", "other"), put("c/d", "x")]);
    assert_eq!(tag(store, "a"), first, "another file was changed");
    given(store, [put("a", "different")]);
    assert_ne!(tag(store, "a"), first);
    assert_eq!(found(store, "c").etag, None, "collections have no entity tag");
    let reading = store.read(&path("a")).expect("it is read");
    assert_eq!(reading.entry.etag, found(store, "a").etag);
}

/// Not even to content of the same length and time, however fast it is put over, in one run or in
/// several.
fn tags_do_not_come_back(store: &dyn Store) {
    let mut tags = BTreeSet::new();
    for round in 0..10 {
        let put = |n| put("a", format!("{round:03} {n:03}")).step(n);
        for outcome in apply(store, &NoLocks, run((0..50).map(put).collect())) {
            let etag = outcome.expect("it is put").etag.expect("a file has an entity tag");
            assert!(tags.insert(etag.as_str().to_owned()), "{etag} stood for other content");
        }
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_007);
    for n in 0..100 {
        given(store, [put("a", format!("{n:07}")).modified(time)]);
        let tag = tag(store, "a");
        assert!(tags.insert(tag.clone()), "{tag} stood for other content");
    }
}

fn what_replaces_a_file_has_another_tag(store: &dyn Store) {
    given(store, [put("a", "1"), put("b", "2"), put("c", "3")]);
    let mut tags = vec![tag(store, "a")];
    for draft in [copy("b", "a"), rename("c", "a"), put("a", "4"), rename("b", "a")] {
        given(store, [draft]);
        let tag = tag(store, "a");
        assert!(!tags.contains(&tag), "{tag} stood for other content");
        tags.push(tag);
    }
}

fn a_put_sets_the_time_it_is_given(store: &dyn Store) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_007);
    given(store, [put("new", "x").modified(time), put("old", "x")]);
    given(store, [put("old", "y").modified(time)]);
    assert_eq!(found(store, "new").modified, Some(time));
    assert_eq!(found(store, "old").modified, Some(time));
    let before = SystemTime::now() - Duration::from_secs(60);
    given(store, [put("new", "y")]);
    assert!(found(store, "new").modified > Some(before), "by default it is the time of the put");
}

fn empty_files_are_files(store: &dyn Store) {
    let staged = stage(store, []);
    given(store, [put("a", ""), put_content("b", staged), put("c", "x"), put("c", "")]);
    assert_eq!(lines(store), ["/a=", "/b=", "/c="]);
    let reading = store.read(&path("a")).expect("it is read");
    assert_eq!(reading.content.read_at(&mut [0; 4], 0).expect("it is read"), 0);
}

fn staged_content_is_put(store: &dyn Store) {
    let first = stage(store, [&b"he"[..], b"", b"llo"]);
    assert_eq!(tell(store, [put_content("a", first)]), ["created"]);
    let second = stage(store, [&b"bye"[..]]);
    assert_eq!(tell(store, [put_content("a", second)]), ["done"]);
    assert_eq!(lines(store), ["/a=bye"]);
}

fn what_is_staged_is_not_visible(store: &dyn Store) {
    let staged = stage(store, [&b"staged"[..]]);
    let mut open = store.stage(&path(""), Some(100)).expect("a stage is opened");
    open.write(b"open").expect("a piece is staged");
    assert_eq!(lines(store), [""; 0]);
    drop((staged, open));
    assert_eq!(lines(store), [""; 0]);
}

fn staged_content_of_a_refused_step_vanishes(store: &dyn Store) {
    given(store, [put("a", "old")]);
    let staged = || stage(store, [&b"new"[..]]);
    let refused = [put_content("a", staged()).if_none_match("*"), put_content("b/c", staged())];
    assert_eq!(tell(store, refused), ["Precondition /a", "ParentMissing /b"]);
    assert_eq!(lines(store), ["/a=old"]);
}

fn a_large_file_is_read_anywhere(store: &dyn Store) {
    let whole: Vec<u8> = (0..5_000_011_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let staged = stage(store, whole.chunks(65_537));
    given(store, [put_content("a", staged)]);
    assert!(content(store, &path("a")) == whole, "it is read as it was put");
    let reading = store.read(&path("a")).expect("it is read");
    let end = whole.len() as u64;
    for (offset, length) in
        [(0, 1), (1, 4096), (4095, 2), (65_536, 70_001), (end - 1, 1), (3_000_000, 0)]
    {
        let mut buffer = vec![0; length];
        let read = reading.content.read_at(&mut buffer, offset).expect("it is read");
        let start = usize::try_from(offset).expect("it is small");
        assert!(read > 0 || length == 0);
        assert!(buffer[..read] == whole[start..start + read], "at {offset}");
    }
    let mut buffer = [0; 16];
    for (offset, read) in [(end - 3, 3), (end, 0), (end + 1, 0), (1 << 40, 0)] {
        let told = reading.content.read_at(&mut buffer, offset).expect("it is read");
        assert_eq!(told, read, "at {offset} of {end}");
    }
}

fn a_reading_keeps_what_it_opened(store: &dyn Store) {
    given(store, [put("a", "old"), put("b", "gone")]);
    let a = store.read(&path("a")).expect("it is read");
    let b = store.read(&path("b")).expect("it is read");
    given(store, [put("a", "something new"), remove("b")]);
    let mut buffer = [0; 16];
    for (reading, expected) in [(a, &b"old"[..]), (b, b"gone")] {
        let read = reading.content.read_at(&mut buffer, 0).expect("it is read");
        assert_eq!(&buffer[..read], expected);
        assert_eq!(reading.entry.length, expected.len() as u64);
    }
}

fn a_reader_never_sees_half_a_file(store: &dyn Store) {
    const LENGTHS: [usize; 2] = [10_000, 30_000];
    given(store, [put("a", vec![1; LENGTHS[1]])]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..100_u8 {
                given(store, [put("a", vec![round; LENGTHS[usize::from(round % 2)]])]);
            }
        });
        while !writer.is_finished() {
            let read = content(store, &path("a"));
            assert!(LENGTHS.contains(&read.len()), "it never was {} long", read.len());
            assert!(read.iter().all(|&byte| byte == read[0]), "it never was so mixed");
        }
        writer.join().expect("all is put");
    });
}

fn only_files_are_read(store: &dyn Store) {
    given(store, [mkcol("a"), put("f", "x")]);
    for (joined, kind) in [
        ("", FailureKind::IsCollection),
        ("a", FailureKind::IsCollection),
        ("b", FailureKind::NotFound),
        ("a/b/c", FailureKind::NotFound),
        ("f/b", FailureKind::NotFound),
    ] {
        let failure = store.read(&path(joined)).expect_err("it can't be read");
        assert_eq!((failure.kind, &failure.path), (kind, &path(joined)));
    }
    for joined in ["b", "a/b/c", "f/b"] {
        let failure = store.stat(&path(joined), &Select::None).expect_err("it isn't there");
        assert_eq!((failure.kind, &failure.path), (FailureKind::NotFound, &path(joined)));
        assert_eq!(store.find(&path(joined)).expect("it is looked for"), None);
    }
}
