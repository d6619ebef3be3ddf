//! Names: bytes, kept as they are.

use crate::kit::{Resource, copy, given, mkcol, path, put, remove, rename, snapshot, tell};
use crate::{FailureKind, Kind, ResourcePath, Store};

trials! { writable:
    names_keep_every_byte,
    names_work_at_every_place,
    names_too_long_are_told,
}

/// Names that something on the way might take for something else.
fn odd() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "%",
        "%41",
        "%2e%2e",
        "%2F",
        "&",
        "&amp;",
        "<b>",
        "\"",
        "'",
        "a b",
        " ",
        " a ",
        "+",
        "#",
        "?",
        ";",
        "=",
        ":",
        "c:",
        "*",
        "|",
        "\\",
        "..\\x",
        "~",
        "$HOME",
        "-rf",
        "...",
        ".hidden",
        "a.",
        "\t",
        "\n",
        "\r\n",
        "\x1b[31m",
        "\x7f",
        "\u{1f980}",
        "\u{200b}",
        "\u{feff}",
        "\u{202e}txt",
        "caf\u{e9}",
        "cafe\u{301}",
        "A",
        "a",
        "\u{df}",
        "ss",
        "\u{130}",
        "i",
        "CON",
        "nul",
        "index.html",
        "0",
        "00",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.extend([vec![0xff], vec![0xe9], vec![0xc3, 0x28], vec![0x80; 3], vec![1]]);
    names.extend([vec![b'n'; 255], "\u{e4}".repeat(127).into_bytes()]);
    names
}

fn names_keep_every_byte(store: &dyn Store) {
    let names = odd();
    given(store, names.iter().map(|name| put(name, name.clone())));
    let told = snapshot(store);
    assert_eq!(told.len(), names.len() + 1);
    for name in names {
        let there = told.get(&path(&name));
        assert!(there.is_some_and(|resource| resource.content == name), "{:?}", path(&name));
    }
}

fn names_work_at_every_place(store: &dyn Store) {
    given(store, [mkcol("x"), put("x/f", "1")]);
    let file = |content: &'static str| Resource {
        kind: Kind::File,
        content: content.into(),
        properties: Default::default(),
    };
    for name in odd() {
        let at = |name: &[u8], member: &str| [name, member.as_bytes()].join(&b'/');
        given(store, [mkcol(&name), put(at(&name, "f"), "2"), put(at(&name, "f"), "3")]);
        given(store, [copy("x", at(&name, "y")), rename(at(&name, "f"), at(&name, "g"))]);
        let within = at(&name, "").as_slice().to_vec();
        given(store, [put([&within[..], &name].concat(), "4")]);
        let told = snapshot(store);
        for (member, content) in [(&b"g"[..], "3"), (b"y/f", "1"), (&name, "4")] {
            let path: ResourcePath = path([&within[..], member].concat());
            assert_eq!(told.get(&path), Some(&file(content)), "{path:?}");
        }
        given(store, [remove(&name)]);
    }
    assert_eq!(snapshot(store).len(), 3);
}

/// Longer than most file systems can hold; a store that can is as good.
fn names_too_long_are_told(store: &dyn Store) {
    let long = vec![b'n'; 70_000];
    for draft in [put(&long, "x"), mkcol(&long)] {
        let told = tell(store, [draft, remove(&long)]);
        let too_long = format!("{:?} {}", FailureKind::NameTooLong, path(&long));
        let refused =
            told[0] == too_long && (told[1] == too_long || told[1].starts_with("NotFound"));
        assert!(refused || told == ["created", "done"], "{}", &told[0][..20]);
    }
    assert_eq!(snapshot(store).len(), 1);
}
