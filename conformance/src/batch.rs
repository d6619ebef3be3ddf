//! The 207 answer of the batch endpoint, read with another XML parser than the server's.

use roxmltree::{Document, Node};

const DAV: &str = "DAV:";
const BATCH: &str = "urn:polydav:batch:1";

/// What the answer says of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the document, from 0.
    pub index: usize,
    /// The operation.
    pub op: String,
    /// The resource, as asked.
    pub href: String,
    /// Its status.
    pub status: u16,
    /// What became of it.
    pub outcome: String,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The items in their order.
    pub items: Vec<Item>,
    /// `total`, `succeeded`, `failed`, `skipped` of the summary.
    pub counts: [usize; 4],
}

impl Answer {
    /// The statuses in their order.
    pub fn statuses(&self) -> Vec<u16> {
        self.items.iter().map(|item| item.status).collect()
    }
}

/// Reads an answer, and holds it to what every answer must be: an item per response, in order,
/// each saying the same as its `D:status`, and counts that add up.
#[track_caller]
pub fn parse(xml: &str) -> Answer {
    let document = Document::parse(xml).unwrap_or_else(|error| panic!("{error} in {xml}"));
    let root = document.root_element();
    assert!(root.has_tag_name((DAV, "multistatus")), "no multistatus: {xml}");
    let responses = root.children().filter(|node| node.has_tag_name((DAV, "response")));
    let items: Vec<Item> = responses.enumerate().map(item).collect();
    let summary = child(root, (BATCH, "summary"));
    let counts = ["total", "succeeded", "failed", "skipped"].map(|name| number(summary, name));
    assert_eq!(counts[0], items.len(), "the summary's total: {xml}");
    assert_eq!(counts[0], counts[1..].iter().sum::<usize>(), "the summary adds up: {xml}");
    let succeeded = items.iter().filter(|item| item.status / 100 == 2).count();
    assert_eq!(counts[1], succeeded, "succeeded means 2xx: {xml}");
    Answer { items, counts }
}

#[track_caller]
fn item((place, response): (usize, Node<'_, '_>)) -> Item {
    let item = child(response, (BATCH, "item"));
    let status = response.children().find(|node| node.has_tag_name((DAV, "status")));
    let parsed = Item {
        index: number(item, "index"),
        op: text(item, "op"),
        href: text(item, "href"),
        status: u16::try_from(number(item, "status")).expect("a status is small"),
        outcome: text(item, "outcome"),
    };
    assert_eq!(parsed.index, place, "items come in order");
    if let Some(line) = status.and_then(|node| node.text()) {
        assert!(line.starts_with(&format!("HTTP/1.1 {} ", parsed.status)), "{line} of {parsed:?}");
    }
    parsed
}

#[track_caller]
fn child<'a, 'i>(parent: Node<'a, 'i>, name: (&str, &str)) -> Node<'a, 'i> {
    let mut found = parent.children().filter(|node| node.has_tag_name(name));
    let first = found.next().unwrap_or_else(|| panic!("no {name:?}"));
    assert!(found.next().is_none(), "more than one {name:?}");
    first
}

#[track_caller]
fn text(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_else(|| panic!("no {name} in {node:?}")).to_owned()
}

#[track_caller]
fn number(node: Node<'_, '_>, name: &str) -> usize {
    text(node, name).parse().unwrap_or_else(|_| panic!("{name} is no number in {node:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<D:multistatus xmlns:D="DAV:" xmlns:B="urn:polydav:batch:1">
        <D:response><D:href>/a/</D:href><D:status>HTTP/1.1 201 Created</D:status>
          <B:item index="0" op="mkcol" href="/a/" status="201" outcome="applied"/></D:response>
        <B:summary total="1" succeeded="1" failed="0" skipped="0" mode="best-effort"/>
        </D:multistatus>"#;

    #[test]
    fn reads_an_answer() {
        let answer = parse(ANSWER);
        assert_eq!(answer.statuses(), [201]);
        assert_eq!(answer.items[0].op, "mkcol");
    }

    #[test]
    #[should_panic(expected = "the summary's total")]
    fn a_missing_item_is_noticed() {
        parse(&ANSWER.replace("total=\"1\"", "total=\"2\""));
    }
}
