//! Names of rows: any key has one, and only one.

use crate::kit::record::records;
use crate::kit::{
    add, apply, content, found, given, path, put_record, remove, run, steps, tell, text, update,
};
use crate::{NoLocks, ResourcePath, Select, Store};

use super::item;

trials! { writable:
    every_text_is_a_key,
    keys_of_several_columns_are_joined,
    only_one_spelling_names_a_row,
    added_rows_are_told_by_their_name,
}

/// Words, and how they are spelled in paths.
const WORDS: [(&str, &str); 16] = [
    ("a", "a"),
    ("A", "A"),
    ("", "%"),
    (".", "%2E"),
    ("..", "%2E%2E"),
    ("...", "..."),
    ("a,b", "a%2Cb"),
    ("/a/b/", "%2Fa%2Fb%2F"),
    ("100%", "100%25"),
    ("%2C", "%252C"),
    ("%", "%25"),
    (" a\tb\n", " a\tb\n"),
    ("a?b#c&d+e;f", "a?b#c&d+e;f"),
    ("'; DROP TABLE word; --", "'; DROP TABLE word; --"),
    ("ü é \u{1f600}", "ü é \u{1f600}"),
    ("\"\\", "\"%5C"),
];

fn row(word: &str) -> String {
    format!(r#"{{"word":{}}}"#, crate::datum::json_string(word))
}

fn every_text_is_a_key(store: &dyn Store) {
    for (word, name) in WORDS {
        let joined = format!("word/{name}");
        assert_eq!(tell(store, [put_record(&joined, [])]), ["created"], "{word:?}");
        assert_eq!(content(store, &path(&joined)), row(word));
        assert_eq!(found(store, &joined).path, path(&joined));
        let again = [put_record(&joined, [("word", text(word))]), update(&joined, [])];
        assert_eq!(tell(store, again), ["done", "done"], "{word:?}");
    }
    let mut words = WORDS.map(|(word, _)| word);
    words.sort_unstable();
    assert_eq!(records(store, "word"), words.map(row));
    given(store, WORDS.map(|(_, name)| remove(format!("word/{name}"))));
    assert_eq!(records(store, "word"), [""; 0]);
}

fn keys_of_several_columns_are_joined(store: &dyn Store) {
    for (kind, name) in WORDS {
        let name = if name.starts_with("%2E") { kind } else { name };
        let joined = format!("part/{name},-7");
        let draft = add("part", [("kind", text(kind)), ("no", text("-7"))]);
        assert_eq!(tell(store, [draft]), ["created"], "{kind:?}");
        let content = content(store, &path(&joined));
        let kind = crate::datum::json_string(kind);
        assert_eq!(content, format!(r#"{{"kind":{kind},"no":-7,"item":null,"label":null}}"#));
    }
}

fn only_one_spelling_names_a_row(store: &dyn Store) {
    given(store, [item(42, "a"), item(0, "b"), put_record("word/a,b".replace(',', "%2C"), [])]);
    given(store, [put_record("word/..".replace('.', "%2E"), []), put_record("word/a", [])]);
    given(store, [put_record("part/a,1", []), put_record("part/%,1", [])]);
    let spellings: [&[u8]; 23] = [
        b"item/042",
        b"item/+42",
        b"item/42.0",
        b"item/ 42",
        b"item/42 ",
        b"item/4e1",
        b"item/%34%32",
        b"item/-0",
        b"item/42,",
        b"item/0x2a",
        b"item/9223372036854775808",
        b"word/a%2cb",
        b"word/a,b",
        b"word/%2e%2e",
        b"word/%2E",
        b"word/%61",
        b"word/a%",
        b"word/\xff",
        b"part/a",
        b"part/a,01",
        b"part/a,1,",
        b"part/,1",
        b"part/a,1,1",
    ];
    for spelling in spellings {
        let shown = spelling.escape_ascii();
        if spelling != b"word/%2E" {
            let told = tell(store, [put_record(spelling, [("none", text(""))])]);
            assert_eq!(told, [format!("Invalid {}", path(spelling))], "{shown}");
        }
        let told = tell(store, [update(spelling, []), remove(spelling)]);
        assert_eq!(
            told,
            [format!("NotFound {}", path(spelling)), format!("NotFound {}", path(spelling))]
        );
        assert!(store.stat(&path(spelling), &Select::None).is_err(), "{shown} names nothing");
    }
    let rows = ["item", "word", "part"].map(|table| records(store, table).len());
    assert_eq!(rows, [2, 3, 2]);
}

/// Of the rows that these add, the paths.
fn added(store: &dyn Store, drafts: Vec<crate::kit::Draft>) -> Vec<ResourcePath> {
    let outcomes = apply(store, &NoLocks, run(steps(drafts)));
    let added = outcomes.into_iter().map(|outcome| {
        let done = outcome.expect("it is added");
        assert!(done.created);
        done.added.expect("it has a name").path
    });
    added.collect()
}

fn added_rows_are_told_by_their_name(store: &dyn Store) {
    let name = |name: &str| ("name", text(name));
    let drafts = vec![
        add("word", [("word", text("a/b"))]),
        add("part", [("no", text("007")), ("kind", text(""))]),
        add("item", [("id", text("042")), name("a")]),
    ];
    assert_eq!(added(store, drafts), ["word/a%2Fb", "part/%,7", "item/42"].map(path));
    let given = added(store, vec![add("item", [name("b")]), add("item", [name("c")])]);
    assert_ne!(given[0], given[1]);
    for (path, name) in given.iter().zip(["b", "c"]) {
        let content = content(store, path);
        let content = str::from_utf8(&content).expect("it is JSON");
        assert!(content.contains(&format!(r#""name":"{name}""#)), "{content}");
    }
    assert_eq!(records(store, "item").len(), 3);
}
