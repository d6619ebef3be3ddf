//! The operations of the test: what is there before, and a batch with every kind of item.

use super::model::Op::{Copy, Delete, Invalid, MkCol, Move, Patch, Protected, Put};
use super::model::{Item, Op};

const fn copy(source: &'static str, target: &'static str) -> Op {
    Copy { source, target, depth: "infinity", overwrite: true }
}

const fn mv(source: &'static str, target: &'static str) -> Op {
    Move { source, target, overwrite: true }
}

/// What is there before.
pub fn furniture() -> Vec<Item> {
    let ops = [
        MkCol("/t"),
        Put("/t/a", "ta"),
        MkCol("/t/d"),
        Put("/t/d/b", "tb"),
        MkCol("/u"),
        Put("/u/old", "uo"),
        MkCol("/p"),
        Put("/p/1", "p1"),
        MkCol("/q"),
        Put("/q/2", "q2"),
        MkCol("/gone"),
        Put("/gone/x", "gx"),
        MkCol("/gone/y"),
        Put("/f", "f"),
        Put("/g", "g"),
        Put("/h", "h"),
        MkCol("/l"),
        Put("/l/f", "lf"),
        MkCol("/part"),
        Put("/part/keep", "k"),
        Put("/part/go", "go"),
        MkCol("/m"),
        Put("/m/k", "mk"),
        Patch("/t", &[("p", Some("of t"))]),
        Patch("/t/d/b", &[("p", Some("of b"))]),
        Patch("/u", &[("p", Some("of u"))]),
        Patch("/f", &[("p", Some("of f")), ("q", Some("more"))]),
        Patch("/gone/x", &[("p", Some("of x"))]),
        Patch("/l", &[("p", Some("of l"))]),
        Patch("/h", &[("p", Some("of h"))]),
    ];
    ops.into_iter().map(Item::from).collect()
}

/// What is locked before, and whether the items may submit the token.
pub const LOCKED: [(&str, bool); 3] = [("/l", true), ("/part/keep", false), ("/m/k", false)];

/// Every kind of item, what depends on earlier ones, and what fails by itself.
pub fn script() -> Vec<Item> {
    let item = Item::from;
    vec![
        item(MkCol("/new")),
        item(Put("/new/a", "1")),
        item(Put("/f", "2")),
        item(copy("/f", "/f2")),
        item(copy("/t", "/t2")),
        item(copy("/t", "/u")),
        item(Copy { source: "/t", target: "/alone", depth: "0", overwrite: true }),
        item(copy("/f", "/g")),
        item(mv("/new/a", "/moved")),
        item(mv("/p", "/q")),
        item(mv("/g", "/t2/a")),
        item(Delete("/h")),
        item(Put("/h", "anew")),
        item(Delete("/gone")),
        item(MkCol("/gone")),
        item(Put("/gone/x", "anew")),
        item(Patch("/f", &[("displayname", Some("F")), ("p", None)])),
        item(Patch("/t2", &[("p", Some("changed")), ("r", Some("added"))])),
        item(Put("/none/x", "x")),
        item(MkCol("/t")),
        item(Put("/t", "x")),
        item(Delete("/none")),
        item(Patch("/none", &[("p", None)])),
        item(Copy { source: "/f", target: "/f2", depth: "infinity", overwrite: false }),
        item(mv("/t", "/t/d/x")),
        item(mv("/none", "/x")),
        item(Put("/l/f", "x")),
        item(Protected("/f")),
        item(Invalid("/f")),
        item(Put("/f", "x")).if_none_match(),
        item(Put("/l/f", "3")).with_tokens(),
        item(Delete("/part")),
        item(mv("/m", "/m2")),
        item(Delete("/l")).with_tokens(),
        item(Put("/l", "anew")),
        item(copy("/l", "/last")),
    ]
}

/// The batch, with the tokens that are ours.
pub fn document(items: &[Item], tokens: &str) -> String {
    items.iter().map(|item| element(item, tokens)).collect()
}

fn element(item: &Item, tokens: &str) -> String {
    let mut more = if item.tokens { format!(" tokens=\"{tokens}\"") } else { String::new() };
    if item.if_none_match {
        more += " if-none-match=\"*\"";
    }
    let flag = |overwrite: bool| if overwrite { "T" } else { "F" };
    match item.op {
        MkCol(path) => format!("<mkcol href=\"{path}\"{more}/>"),
        Put(path, content) => format!("<put href=\"{path}\"{more}>{content}</put>"),
        Copy { source, target, depth, overwrite } => format!(
            "<copy href=\"{source}\" dest=\"{target}\" depth=\"{depth}\" overwrite=\"{}\"{more}/>",
            flag(overwrite)
        ),
        Move { source, target, overwrite } => {
            let flag = flag(overwrite);
            format!("<move href=\"{source}\" dest=\"{target}\" overwrite=\"{flag}\"{more}/>")
        }
        Delete(path) => format!("<delete href=\"{path}\"{more}/>"),
        Patch(path, changes) => {
            format!("<proppatch href=\"{path}\"{more}>{}</proppatch>", update(changes))
        }
        Protected(path) => format!(
            "<proppatch href=\"{path}\"{more}>{}</proppatch>",
            update(&[("getetag", Some("x")), ("p", Some("x"))])
        ),
        Invalid(path) => format!("<put href=\"{path}\" if-match=\"unquoted\"{more}>x</put>"),
    }
}

/// The instructions of a PROPPATCH.
pub fn update(changes: &[(&str, Option<&str>)]) -> String {
    let change = |(name, value): &(&str, Option<&str>)| match value {
        Some(value) => format!("<D:set><D:prop><D:{name}>{value}</D:{name}></D:prop></D:set>"),
        None => format!("<D:remove><D:prop><D:{name}/></D:prop></D:remove>"),
    };
    changes.iter().map(change).collect()
}
